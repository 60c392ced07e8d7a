// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a rule is: a check of one file, with samples that prove that it can fail and that it does not fail for nothing.

import Testing

/// A place where a rule is broken.
struct Finding: CustomStringConvertible, Equatable {
  let path: String
  let line: Int
  let what: String

  var description: String { "\(path):\(line): \(what)" }
}

struct Rule: Sendable, CustomTestStringConvertible {
  let name: String
  /// Line numbers with what is wrong there.
  let check: @Sendable (SourceFile) -> [(line: Int, what: String)]
  /// Files that break the rule and files that keep it: path and text.
  let bad: [(path: String, text: String)]
  let good: [(path: String, text: String)]

  var testDescription: String { name }

  func findings(in file: SourceFile) -> [Finding] {
    check(file).map { Finding(path: file.path, line: $0.line, what: $0.what) }
  }

  /// The rules of the house, by topic.
  static let all: [Rule] = text + language + shape
}

/// The rules of contrib and of the plan that a program can check, on every file of the tree.
@Suite struct TidyTests {
  @Test(arguments: Rule.all) func `the tree keeps to the rule`(_ rule: Rule) {
    let findings = Tree.files.flatMap(rule.findings)
    #expect(findings.isEmpty, "\(findings.map(\.description).joined(separator: "\n"))")
  }

  @Test(arguments: Rule.all) func `the rule can fail and can be kept`(_ rule: Rule) {
    #expect(!rule.bad.isEmpty && !rule.good.isEmpty)
    for sample in rule.bad {
      #expect(!rule.findings(in: SourceFile(path: sample.path, text: sample.text)).isEmpty, "\(sample)")
    }
    for sample in rule.good {
      #expect(rule.findings(in: SourceFile(path: sample.path, text: sample.text)) == [], "\(sample)")
    }
  }

  @Test func `a checkout in any folder keeps to the rules`() {
    #expect(Rule.ownHome("/srv") == [] && Rule.ownHome("/") == [])
    #expect(Rule.ownHome("/tmp/m") == ["/tmp/m/"], "or it would be found in /tmp/mt-1")
  }

  @Test func `the rules see the tree`() {
    #expect(Tree.files.count > 100)
    for path in ["Package.swift", "README.md", "Sources/Virtio/SplitQueue.swift", "Sources/CLinux/files.c"] {
      #expect(Tree.file(path) != nil, "\(path)")
    }
  }
}
