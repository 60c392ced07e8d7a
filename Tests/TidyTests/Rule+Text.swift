// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Rules about any text: who wrote it, how wide it is, what may not stand in it.

extension Rule {
  static let text = [header, lineLength, trailingSpace, buildMachine, unexplainedToDo, oneTitle]

  private static let copyright = "Copyright 2026 The Martlet Authors"
  private static let license = "SPDX-License-Identifier: Apache-2.0"

  private static let header = Rule(
    name: "code starts with the copyright and the licence",
    check: { file in
      let isScript = file.lines.first?.hasPrefix("#!") ?? false
      guard file.isSwift || file.isC || isScript else { return [] }
      // One line may come first: #! or the tools version of a manifest.
      let first = isScript || file.path == "Package.swift" ? 1 : 0
      let comment = isScript ? "# " : "// "
      let rest = file.lines.dropFirst(first)
      if rest.first == comment + copyright, rest.dropFirst().first == comment + license { return [] }
      return [(first + 1, "not \"\(comment)\(copyright)\" and \"\(comment)\(license)\"")]
    },
    bad: [
      ("a.swift", "import Wire\n"), ("a.c", "// \(copyright)\nint a;\n"), ("run", "#!/bin/sh\necho\n"),
      ("a.swift", "// Copyright 2026 Somebody\n// \(license)\n"),
    ],
    good: [
      ("a.swift", "// \(copyright)\n// \(license)\n"), ("a.h", "// \(copyright)\n// \(license)\n#ifndef A\n"),
      ("run", "#!/bin/sh\n# \(copyright)\n# \(license)\n"), ("a.md", "# Title\n"),
      ("Package.swift", "// swift-tools-version: 6.2\n// \(copyright)\n// \(license)\n"),
    ])

  private static let lineLength = Rule(
    name: "a line of code is at most 120 characters long",
    check: { file in
      guard file.isSwift || file.isC else { return [] }
      return file.lines.indices.filter { file.lines[$0].count > 120 }.map { ($0 + 1, "\(file.lines[$0].count) long") }
    },
    bad: [("a.swift", String(repeating: "x", count: 121)), ("a.c", "\n" + String(repeating: "\u{e9}", count: 121))],
    good: [("a.swift", String(repeating: "\u{e9}", count: 120)), ("a.md", String(repeating: "x", count: 200))])

  private static let trailingSpace = Rule(
    name: "no line ends in white space, and the last one ends",
    check: { file in
      var found = file.lines.indices.filter { file.lines[$0].last == " " || file.lines[$0].last == "\t" }
        .map { (line: $0 + 1, what: "white space at the end") }
      if file.lines.last != "" { found.append((file.lines.count, "no newline at the end of the file")) }
      return found
    },
    bad: [("a.md", "text \n"), ("a.swift", "let a = 1\t\n"), ("run", "true")],
    good: [("a.md", "text\n\nmore\n"), ("a.swift", "")])

  /// Put together here so that this file does not break its own rule.
  private static let homes = ["/" + "work/", "/" + "Users/", "/" + "home/runner", "/" + "builds/", "/" + "root/"]

  /// Where this checkout is, unless so near to the top that others may well name the place for reasons of their own, as
  /// the tests do with /tmp. A folder beside it that starts with the same letters is not it.
  static func ownHome(_ root: String) -> [String] { root.split(separator: "/").count > 1 ? [root + "/"] : [] }

  private static let buildMachine = Rule(
    name: "nothing names a path of the machine it was written on",
    check: { file in
      let unwanted = homes + ownHome(Tree.rootPath)
      return file.lines.indices.flatMap { index in
        unwanted.filter { path in
          // A name that only ends in one of these words is another thing: the path must begin there.
          file.lines[index].ranges(of: path).contains { range in
            guard range.lowerBound > file.lines[index].startIndex else { return true }
            let before = file.lines[index][file.lines[index].index(before: range.lowerBound)]
            return !before.isLetter && !before.isNumber && !"_-.}*/~)".contains(before)
          }
        }.map { (index + 1, "names \($0)") }
      }
    },
    bad: [("a.md", "see " + homes[0] + "main"), ("run", "cd " + homes[1] + "me"), ("a.swift", "\"" + homes[2] + "\"")],
    good: [("a.md", "a frame" + "work/thing and net" + homes[0] + "x and $dir" + homes[0])])

  private static let marks = ["TO" + "DO", "FIX" + "ME", "XX" + "X"]

  private static let unexplainedToDo = Rule(
    name: "what is left to do is explained",
    check: { file in
      file.lines.indices.flatMap { index in
        marks.compactMap { mark -> (line: Int, what: String)? in
          let line = file.lines[index]
          guard let range = line.firstRange(of: mark), !line[..<range.lowerBound].hasSuffix(mark.prefix(1)) else {
            return nil
          }
          let before = line[..<range.lowerBound].last
          let after = line[range.upperBound...]
          if before?.isLetter == true || after.first?.isLetter == true || "X_".contains(after.first ?? " ") {
            return nil
          }
          let explained = mark == marks[0] && after.first == ":" && after.split(separator: " ").count >= 4
          return explained ? nil : (index + 1, "\(mark) without a reason of some words")
        }
      }
    },
    bad: [
      ("a.swift", "// \(marks[0])\n"), ("a.c", "// \(marks[0]): later\n"),
      ("a.md", "\(marks[1]): this is all broken here\n"),
    ],
    good: [
      ("a.swift", "// \(marks[0]): the packed ring waits for the split one\n"),
      ("run", "mktemp a.\(marks[2])\(marks[2])\n"),
      ("a.md", "MA\(marks[0])R\n"),
    ])

  private static let oneTitle = Rule(
    name: "a markdown file has one title",
    check: { file in
      guard file.isMarkdown else { return [] }
      var isCode = false
      let titles = file.lines.indices.filter { index in
        if file.lines[index].hasPrefix("```") { isCode.toggle() }
        return !isCode && file.lines[index].hasPrefix("# ")
      }
      return titles.count == 1 ? [] : [((titles.dropFirst().first ?? 0) + 1, "\(titles.count) titles")]
    },
    bad: [("a.md", "text\n"), ("a.md", "# One\n# Two\n")],
    good: [("a.md", "# One\n## Two\n```\n# a comment\n```\n"), ("run", "# a comment\n# another\n")])
}
