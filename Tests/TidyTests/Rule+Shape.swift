// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Rules about size, and about code that is not code any more.

extension Rule {
  static let shape = [fileLength, functionLength, noDeadCode]

  private static let fileLength = Rule(
    name: "a file is shorter than 500 lines",
    check: { file in
      guard file.isSwift || file.isC else { return [] }
      let count = file.lines.count - 1
      return count < 500 ? [] : [(500, "\(count) lines: split it by topic")]
    },
    bad: [("a.swift", String(repeating: "\n", count: 500)), ("a.c", String(repeating: "\n", count: 900))],
    good: [("a.swift", String(repeating: "\n", count: 499)), ("a.md", String(repeating: "\n", count: 900))])

  private static let mostLines = 70

  private static let functionLength = Rule(
    name: "a function is no longer than a screen",
    check: { file in
      guard file.isSwift || file.isC else { return [] }
      return functions(file).filter { $0.count > mostLines }.map { ($0.line, "a function of \($0.count) lines") }
    },
    bad: [
      ("a.swift", "func a() {\n" + String(repeating: "  b()\n", count: 70) + "}\n"),
      ("a.swift", "  public init(\n    a: Int\n  ) {\n" + String(repeating: "  b()\n", count: 70) + "}\n"),
      ("a.c", "static int a(void) {\n" + String(repeating: "  b();\n", count: 70) + "}\n"),
    ],
    good: [
      ("a.swift", "func a() {\n" + String(repeating: "  b()\n", count: 68) + "}\n"),
      ("a.swift", "protocol P {\n  func a()\n}\nstruct S {\n" + String(repeating: "  let b = 1\n", count: 90) + "}\n"),
      ("a.swift", "func a() {\n  let b = \"{\" // {\n}\n" + String(repeating: "let c = 1\n", count: 90)),
      ("a.c", "struct a {\n" + String(repeating: "  int b;\n", count: 90) + "};\n"),
    ])

  /// First line and number of lines of every function that has a body.
  private static func functions(_ file: SourceFile) -> [(line: Int, count: Int)] {
    let swift =
      #/
      ^\s* (@\w+ (\([^)]*\))? \s+ | private\(set\) \s+
        | (public | private | internal | fileprivate | package | static | class | final | override | mutating
          | nonmutating | consuming | borrowing | convenience | required | nonisolated) \s+)*
      (func\b | init[?!]? \s* [<(] | deinit\b | subscript \s* [<(])
      /#
    let c = /^[A-Za-z_][^;=]*\([^;]*$/
    return file.code.indices.compactMap { index in
      let line = file.code[index]
      let starts =
        file.isSwift
        ? (line.contains("func") || line.contains("init") || line.contains("subscript")) && line.contains(swift)
        : line.contains("(") && line.contains(c)
      return starts ? body(file, from: index).map { (index + 1, $0 - index + 1) } : nil
    }
  }

  /// Index of the line on which the body ends that begins on or after line `start`; nil if there is no body.
  private static func body(_ file: SourceFile, from start: Int) -> Int? {
    var parentheses = 0
    var braces = 0
    for index in start..<file.code.count {
      let line = file.code[index]
      for character in line.utf8 {
        switch character {
        case UInt8(ascii: "("), UInt8(ascii: "["): parentheses += 1
        case UInt8(ascii: ")"), UInt8(ascii: "]"): parentheses -= 1
        case UInt8(ascii: "{"): braces += 1
        case UInt8(ascii: "}"):
          braces -= 1
          if braces <= 0 { return braces == 0 ? index : nil }
        default: break
        }
      }
      // The signature is over and no body has begun: unless it goes on in the next line.
      if braces == 0, parentheses == 0, index + 1 < file.code.count {
        let next = file.code[index + 1].drop { $0 == " " }
        let goesOn = ["{", "->", "throws", "async", "where", ")"].contains { next.hasPrefix($0) }
        if !goesOn { return nil }
      }
    }
    return nil
  }

  private static let noDeadCode = Rule(
    name: "code that is not used is not kept in comments",
    check: { file in
      guard file.isSwift || file.isC else { return [] }
      var isSample = false
      return file.comments.indices.compactMap { index in
        let text = file.comments[index].trimmingPrefix { $0 == " " }
        if text.hasPrefix("```") { isSample.toggle() }
        // Only where nothing else stands on the line, and not in the samples of a documentation comment.
        guard !isSample, file.code[index].allSatisfy({ $0 == " " }), looksLikeCode(text) else { return nil }
        return (index + 1, "code in a comment")
      }
    },
    bad: [
      ("a.swift", "  // let a = b.c()\n"), ("a.swift", "// if a {\n"), ("a.swift", "// }\n"), ("a.c", "// return a;\n"),
      ("a.c", "// int a = 1;\n"),
      ("a.swift", "  // a.b(c, d)\n"), ("a.swift", "/// guard let a else { return }\n"),
    ],
    good: [
      ("a.swift", "// let the kernel decide\n"), ("a.swift", "/// ```\n/// let a = 1\n/// ```\n"),
      ("a.swift", "// if a fails, b { is } left\nlet a = 1  // {\n"), ("a.swift", "// MARK: Things\n"),
      ("a.swift", "// See `a(b)` and openat2(2).\n"),
      ("a.swift", "/// - first this is done (2.7);\n/// - then that;\n"),
    ])

  private static func looksLikeCode(_ text: Substring) -> Bool {
    if text == "}" || text == "{" || text == "};" { return true }
    // Prose ends in a semicolon too.
    if text.contains(#/^(return\b.*|\w+\([^)]*\)|[\w \*]+(\[\w*\])? [-+|&]?= .*);$/#) { return true }
    if text.contains(/^(if|guard|while|for|switch|func|struct|final class|else|do|defer)\b.*\{$/) { return true }
    if text.contains(/^(guard|if)\b.*\{ (return|throw|break|continue)\b.*\}$/) { return true }
    if text.contains(#/^(let|var) \w+(: [\w.\[\]<>]+)? = /#) { return true }
    return text.contains(/^(try |await |unsafe |return )*\w+(\.\w+)+\([^)]*\)$/)
  }
}
