// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Who may import whom. The compiler does not stop an import of what some dependency depends on, so the table is
// enforced here, and the manifest has to agree with it.

import Testing

/// Invariants: a room imports only what the table grants it; what a room imports is declared in Package.swift and what
/// is declared is imported; the driver's side and the device's side never meet in a product.
@Suite struct ArrowTests {
  /// What each folder may import of this package and of other packages. A room that is not in it may not exist.
  static let table: [String: Set<String>] = [
    "Protocols/Wire": [],
    "Protocols/VirtioProtocol": ["Wire"],
    "Protocols/VhostUserProtocol": ["Wire"],
    "Protocols/FuseProtocol": ["Wire"],
    "Protocols/BlockProtocol": ["Wire"],
    "Protocols/GPUProtocol": ["Wire"],
    "Protocols/InputProtocol": ["Wire"],
    "Protocols/RFBProtocol": [],
    "Protocols/WaylandProtocol": [],
    "Sources/Linux": ["CLinux", "CSeccomp", "CCapNG", "CZlib", "Glibc", "Wire"],
    "Sources/IOUring": ["Linux", "CLiburing", "Wire"],
    "Sources/Virtio": ["Wire", "VirtioProtocol"],
    "Sources/VhostUser": ["Virtio", "VirtioProtocol", "VhostUserProtocol", "Linux", "Wire"],
    "Sources/FileSystem": ["FuseProtocol", "Virtio", "VirtioProtocol", "Linux", "IOUring", "Wire"],
    "Sources/Block": ["BlockProtocol", "Virtio", "VirtioProtocol", "Linux", "IOUring", "Wire"],
    "Sources/Graphics": [
      "GPUProtocol", "VhostUserProtocol", "Virtio", "VirtioProtocol", "Linux", "Wire", "CVirgl", "CWayland",
    ],
    "Sources/Displays": ["Graphics", "InputProtocol", "RFBProtocol", "WaylandProtocol", "Linux", "Wire"],
    "Sources/Input": ["InputProtocol", "Virtio", "VirtioProtocol", "Linux", "Wire"],
    "Sources/Reporting": ["Linux", "ArgumentParser"],
    "Sources/Daemon": ["VhostUser", "Virtio", "Linux", "Reporting", "ArgumentParser", "Logging"],
    "Sources/martlet-fs": ["Daemon", "FileSystem", "Linux", "ArgumentParser", "Logging"],
    "Sources/martlet-blk": ["Daemon", "Block", "Linux", "ArgumentParser", "Logging"],
    "Sources/martlet-gpu": ["Daemon", "Graphics", "Displays", "Input", "Linux", "ArgumentParser", "Logging"],
    "Sources/martlet-input": ["Daemon", "Input", "Linux", "ArgumentParser", "Logging"],
    "Sources/Frontend": [
      "VirtioProtocol", "VhostUserProtocol", "FuseProtocol", "BlockProtocol", "GPUProtocol", "Wire", "Linux",
    ],
    "Sources/martlet": [
      "Frontend", "VirtioProtocol", "VhostUserProtocol", "FuseProtocol", "BlockProtocol", "GPUProtocol", "IOUring",
      "Wire", "Linux", "Reporting", "CFuse", "CGatherLoop", "ArgumentParser", "Logging", "Histogram",
    ],
  ]

  /// Of Swift itself, for everybody.
  private static let everywhere: Set = ["Swift", "Synchronization"]

  /// What `text` at `path` imports against the table.
  static func strangers(_ file: SourceFile) -> [String] {
    guard file.isSwift, file.path.hasPrefix("Protocols/") || file.path.hasPrefix("Sources/") else { return [] }
    guard let granted = table[file.folder] else { return ["\(file.path): \(file.folder) is not in the table"] }
    return imports(file).filter { !granted.contains($0) && !everywhere.contains($0) }
      .map { "\(file.path) imports \($0)" }
  }

  static func imports(_ file: SourceFile) -> [String] {
    let statement =
      #/
      ^\s* (@\w+ \s+ | (public | internal | package | private | fileprivate) \s+)*
      import \s+ ((struct | class | enum | func | protocol | var | let | typealias) \s+)? (?<module>\w+)
      /#
    return file.code.compactMap { line in
      guard line.contains("import"), let match = line.firstMatch(of: statement) else { return nil }
      return String(match.module)
    }
  }

  @Test func `a room imports only what the table grants it`() {
    #expect(Tree.files.flatMap(Self.strangers) == [])
  }

  @Test func `a stranger is noticed`() {
    for (path, text) in [
      ("Protocols/Wire/a.swift", "internal import Linux\n"), ("Sources/Virtio/b/a.swift", "public import Linux\n"),
      ("Sources/Frontend/a.swift", "import Virtio\n"),
      ("Sources/FileSystem/a.swift", "import class VhostUser.Session\n"),
      ("Sources/martlet-fs/a.swift", "import Block\n"), ("Sources/Nowhere/a.swift", "let a = 1\n"),
      ("Sources/Daemon/a.swift", "@testable import Foundation\n"),
    ] {
      #expect(!Self.strangers(SourceFile(path: path, text: text)).isEmpty, "\(path): \(text)")
    }
    let fine = SourceFile(path: "Sources/Virtio/a.swift", text: "internal import Synchronization\n// import Linux\n")
    #expect(Self.strangers(fine) == [])
  }

  @Test func `the table has no way round: each room stands above what it imports`() {
    var standing: Set<String> = []
    var waiting = Self.table.reduce(into: [String: Set<String>]()) { rooms, row in
      rooms[String(row.key.split(separator: "/")[1])] = row.value
    }
    let names = Set(waiting.keys)
    while let next = waiting.first(where: { $0.value.intersection(names).isSubset(of: standing) }) {
      standing.insert(next.key)
      waiting[next.key] = nil
    }
    #expect(waiting.isEmpty)
  }

  @Test func `the manifest grants no room more than the table`() throws {
    let targets = try manifest()
    for target in targets where target.folder.hasPrefix("Protocols/") || target.folder.hasPrefix("Sources/") {
      guard !target.isForeign else { continue }
      let granted = try #require(Self.table[target.folder], "\(target.folder) is not in the table")
      #expect(target.imports.subtracting(granted) == [], "\(target.name)")
    }
  }

  @Test func `what is imported is declared and what is declared is imported`() throws {
    let targets = try manifest()
    let ours = Set(targets.map(\.name)).union(["ArgumentParser", "Logging", "Histogram"])
    for target in targets where !target.isForeign {
      let files = Tree.files.filter { $0.isSwift && ($0.path + "/").hasPrefix(target.folder + "/") }
      let used = Set(files.flatMap(Self.imports)).intersection(ours)
      #expect(used.subtracting(target.imports) == [], "\(target.name) imports what Package.swift does not declare")
      #expect(target.imports.subtracting(used) == [], "\(target.name) declares what it does not import")
    }
  }

  @Test func `every folder of code is a target`() throws {
    let folders = Set(try manifest().map(\.folder))
    let stray = Set(Tree.files.filter { $0.isSwift && $0.path.contains("/") }.map(\.folder)).subtracting(folders)
    #expect(stray == [])
  }

  // MARK: Reading Package.swift

  struct Target {
    let name: String
    let folder: String
    let imports: Set<String>
    /// C or a system's library: no Swift files to look at.
    let isForeign: Bool
  }

  private func manifest() throws -> [Target] {
    let file = try #require(Tree.file("Package.swift"))
    return Self.targets(in: file.lines.joined(separator: "\n"))
  }

  /// The calls of the manifest's helpers in its list of targets.
  static func targets(in text: String) -> [Target] {
    let places = [
      "protocolRoom": "Protocols/", "room": "Sources/", "program": "Sources/", "library": "Sources/",
      "cRoom": "Sources/",
      "tests": "Tests/", "support": "Tests/",
    ]
    let list = text[(text.firstRange(of: "\n  targets: [")?.upperBound ?? text.endIndex)...]
    let call = /\b(protocolRoom|room|program|library|cRoom|tests|support)\(\s*"([\w-]+)"(,\s*\[([^\]]*)\])?([^\n]*)/
    return list.matches(of: call).map { match in
      let kind = String(match.1)
      let name = String(match.2)
      var imports = Set((match.4 ?? "").matches(of: /"(\w+)"/).map { String($0.1) })
      if match.4?.contains("argumentParser") == true { imports.insert("ArgumentParser") }
      if match.4?.contains("logging") == true { imports.insert("Logging") }
      if match.4?.contains("histogram") == true { imports.insert("Histogram") }
      // The helper's own default.
      if kind == "protocolRoom", match.3 == nil { imports = ["Wire"] }
      let path = match.5.firstMatch(of: /path: "([^"]+)"/).map { String($0.1) }
      return Target(
        name: name, folder: path ?? (places[kind] ?? "") + name, imports: imports,
        isForeign: kind == "library" || kind == "cRoom")
    }
  }

  @Test func `the manifest is read as it is written`() throws {
    let targets = Self.targets(
      in: """
        func room(_ name: String) {}
          targets: [
            protocolRoom("Wire", []),
            protocolRoom("A"),
            room("B", ["A",
              "Wire"]),
            cRoom("C", path: "Tests/C"),
            program("d-e", ["B", argumentParser], path: "Benchmarks/D"),
            support("F"),
            tests("G", ["F"]),
        """)
    #expect(targets.map(\.name) == ["Wire", "A", "B", "C", "d-e", "F", "G"])
    #expect(
      targets.map(\.folder) == [
        "Protocols/Wire", "Protocols/A", "Sources/B", "Tests/C", "Benchmarks/D", "Tests/F", "Tests/G",
      ])
    #expect(targets.map(\.imports) == [[], ["Wire"], ["A", "Wire"], [], ["B", "ArgumentParser"], [], ["F"]])
    #expect(try manifest().count > 20)
  }
}
