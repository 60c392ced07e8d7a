// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Rules about what the code may use where.

extension Rule {
  static let language = [noFoundation, unsafeRooms, reasonedUnsafe, reasonedSendable, noPrint, noForcedTry]

  private static func isProduct(_ path: String) -> Bool { path.hasPrefix("Protocols/") || path.hasPrefix("Sources/") }

  /// A program may talk to its user; a room may not.
  private static func isRoom(_ path: String) -> Bool { isProduct(path) && !path.hasPrefix("Sources/martlet") }

  private static let noFoundation = Rule(
    name: "the product does without Foundation and Dispatch",
    check: { file in
      guard file.isSwift, isProduct(file.path) else { return [] }
      return file.code(matching: /\bimport\s+(struct\s+|class\s+|func\s+)?(Foundation\w*|Dispatch)\b/, hint: "import")
        .map { ($0, "costs start time and memory: what is missing belongs in room Linux") }
    },
    bad: [("Sources/Daemon/a.swift", "internal import Foundation\n"), ("Protocols/Wire/a.swift", "import Dispatch\n")],
    good: [
      ("Sources/Linux/a.swift", "internal import Glibc\n// import Foundation\n"),
      ("Tests/T/a.swift", "import Foundation\n"),
    ])

  private static let mayBeUnsafe: Set = [
    "Protocols/Wire", "Sources/Virtio", "Sources/Linux", "Sources/IOUring", "Sources/Frontend",
  ]

  private static let unsafeRooms = Rule(
    name: "only the lowest rooms are unsafe",
    check: { file in
      guard file.isSwift, isProduct(file.path), !mayBeUnsafe.contains(file.folder) else { return [] }
      return file.code(matching: /\bunsafe\b/, hint: "unsafe").map {
        ($0, "unsafe: give Wire, Virtio or Linux a safe call")
      }
    },
    bad: [
      ("Sources/FileSystem/a.swift", "let a = unsafe b.pointee\n"),
      ("Protocols/FuseProtocol/a.swift", "nonisolated(unsafe) var a = 1\n"),
    ],
    good: [
      ("Sources/Virtio/a.swift", "let a = unsafe b.pointee\n"),
      ("Sources/Daemon/a.swift", "// unsafe\nlet a = \"unsafe\"\n"),
      ("Tests/T/a.swift", "let a = unsafe b.pointee\n"),
    ])

  /// The driver's side is for tests and tools: it should hardly need any.
  private static let reasonedUnsafe = Rule(
    name: "the driver's side says why its unsafe calls hold",
    check: { file in
      guard file.isSwift, file.folder == "Sources/Frontend" else { return [] }
      return file.code(matching: /\bunsafe\b/, hint: "unsafe").compactMap { line in
        let above = max(line - 14, 0)..<line
        return above.contains { !file.comments[$0].allSatisfy(\.isWhitespace) }
          ? nil : (line, "unsafe without a comment above")
      }
    },
    bad: [("Sources/Frontend/a.swift", "let a = unsafe b.pointee\n")],
    good: [("Sources/Frontend/a.swift", "// Checked above.\nlet a = unsafe b.pointee\n")])

  private static let reasonedSendable = Rule(
    name: "an unchecked Sendable says why it holds",
    check: { file in
      guard file.isSwift else { return [] }
      return file.code(matching: /@unchecked\s+Sendable/, hint: "@unchecked").compactMap { line in
        let above = max(line - 8, 0)..<line
        return above.contains { file.comments[$0].contains("Sendable") } ? nil : (line, "no reason above")
      }
    },
    bad: [("Sources/Linux/a.swift", "/// A thing.\nfinal class A: @unchecked Sendable {}\n")],
    good: [
      (
        "Sources/Linux/a.swift",
        "/// Sendable because it is never changed.\n@safe\nfinal class A: @unchecked Sendable {}\n"
      ),
      ("Tests/T/a.swift", "let a = \"@unchecked Sendable\"\n"),
    ])

  private static let noPrint = Rule(
    name: "only programs print",
    check: { file in
      guard file.isSwift, isRoom(file.path) else { return [] }
      return file.code(matching: /(^|[^.\w])(print|debugPrint|dump)\(/, hint: "(").map {
        ($0, "a room logs or returns")
      }
    },
    bad: [("Sources/Daemon/a.swift", "  print(a)\n"), ("Protocols/Wire/a.swift", "if a { dump(b) }\n")],
    good: [
      ("Sources/martlet-fs/a.swift", "print(a)\n"),
      ("Sources/Daemon/a.swift", "blueprint(a)\nx.print(a)\n// print(a)\n"),
      ("Benchmarks/Rings/a.swift", "print(a)\n"),
    ])

  private static let noForcedTry = Rule(
    name: "nothing is tried by force",
    check: { file in
      guard file.isSwift else { return [] }
      return file.code(matching: /\btry!/, hint: "try!").map { ($0, "say what happens when it fails") }
    },
    bad: [("Tests/T/a.swift", "let a = try! b()\n")],
    good: [("Sources/Linux/a.swift", "let a = try? b() // try!\nlet b = \"try!\"\n")])
}
