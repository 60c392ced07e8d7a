// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A file as the rules look at it: its lines, and for Swift and C the same lines once without comments and texts and
// once with nothing but the comments. Not a parser: enough to tell code from prose.

import Foundation

struct SourceFile {
  /// From the top of the repository.
  let path: String
  let lines: [String]
  /// Comments, and what is inside of string literals, are blank.
  let code: [String]
  /// Only what stands in comments, without the slashes.
  let comments: [String]

  init(path: String, text: String) {
    self.path = path
    lines = text.components(separatedBy: "\n")
    if path.hasSuffix(".swift") || path.hasSuffix(".c") || path.hasSuffix(".h") {
      var scanner = Scanner(text)
      scanner.run()
      code = scanner.code.components(separatedBy: "\n")
      comments = scanner.comments.components(separatedBy: "\n")
    } else {
      code = lines
      comments = lines.map { _ in "" }
    }
  }

  var isSwift: Bool { path.hasSuffix(".swift") }
  var isC: Bool { path.hasSuffix(".c") || path.hasSuffix(".h") }
  var isMarkdown: Bool { path.hasSuffix(".md") }
  /// The folder that is a target: two levels, as all targets of the tree.
  var folder: String { path.split(separator: "/").prefix(2).joined(separator: "/") }

  /// Number and text of the lines of code that have a match.
  func code<Output>(matching pattern: Regex<Output>, hint: String) -> [Int] {
    code.indices.filter { code[$0].contains(hint) && code[$0].contains(pattern) }.map { $0 + 1 }
  }
}

/// Splits a text into code and comments of the same shape.
private struct Scanner {
  private let input: [UInt8]
  private var position = 0
  private var codeBytes: [UInt8] = []
  private var commentBytes: [UInt8] = []

  init(_ text: String) {
    input = Array(text.utf8)
  }

  var code: String { String(decoding: codeBytes, as: UTF8.self) }
  var comments: String { String(decoding: commentBytes, as: UTF8.self) }

  private enum Kind { case code, comment, text }

  private func at(_ offset: Int, _ byte: Character) -> Bool {
    position + offset < input.count && input[position + offset] == byte.asciiValue
  }

  private mutating func take(_ kind: Kind) {
    let byte = input[position]
    let newline = byte == 10
    codeBytes.append(newline || kind == .code ? byte : 32)
    commentBytes.append(newline || kind == .comment ? byte : 32)
    position += 1
  }

  mutating func run() {
    while position < input.count {
      if at(0, "/"), at(1, "/") {
        // Not the slashes themselves: what is left is the comment's text.
        while at(0, "/") { take(.text) }
        while position < input.count, !at(0, "\n") { take(.comment) }
      } else if at(0, "/"), at(1, "*") {
        while position < input.count, !(at(0, "*") && at(1, "/")) { take(.comment) }
        if position < input.count { take(.comment) }
        if position < input.count { take(.comment) }
      } else if at(0, "\"") {
        takeText()
      } else {
        take(.code)
      }
    }
  }

  /// A string literal, its interpolations included.
  private mutating func takeText() {
    let long = at(1, "\"") && at(2, "\"")
    for _ in 0..<(long ? 3 : 1) { take(.code) }
    while position < input.count {
      if at(0, "\\"), at(1, "(") {
        take(.text)
        takeInterpolation()
      } else if at(0, "\\"), position + 1 < input.count {
        take(.text)
        take(.text)
      } else if at(0, "\""), !long || (at(1, "\"") && at(2, "\"")) {
        for _ in 0..<(long ? 3 : 1) { take(.code) }
        return
      } else if at(0, "\n"), !long {
        // A quote in a #if or in an apostrophe'd C comment: give up on the line, not on the file.
        return
      } else {
        take(.text)
      }
    }
  }

  private mutating func takeInterpolation() {
    var depth = 0
    while position < input.count {
      if at(0, "\"") {
        takeText()
        continue
      }
      if at(0, "(") { depth += 1 }
      if at(0, ")") { depth -= 1 }
      take(.text)
      if depth == 0 { return }
    }
  }
}

/// The files of the repository that the rules are about.
enum Tree {
  /// Found from where this file was compiled.
  static let root: URL = {
    var url = URL(fileURLWithPath: #filePath).resolvingSymlinksInPath()
    for _ in 0..<3 { url.deleteLastPathComponent() }
    return url
  }()

  static var rootPath: String { root.path }

  static let files: [SourceFile] = {
    var found: [SourceFile] = []
    for top in ["Protocols", "Sources", "Tests", "Benchmarks", "contrib"] { collect(top, &found) }
    let names = (try? FileManager.default.contentsOfDirectory(atPath: root.path)) ?? []
    for name in names.sorted() where name.hasSuffix(".md") || name == "Package.swift" { add(name, &found) }
    return found
  }()

  static func file(_ path: String) -> SourceFile? { files.first { $0.path == path } }

  private static func collect(_ folder: String, _ found: inout [SourceFile]) {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: root.appendingPathComponent(folder).path)) ?? []
    // Hidden files are tools' own, "failures" are what guests left behind (see .gitignore).
    for name in names.sorted() where !name.hasPrefix(".") && name != "failures" && !name.hasSuffix(".o") {
      let path = folder + "/" + name
      var isFolder: ObjCBool = false
      let place = root.appendingPathComponent(path).path
      guard unsafe FileManager.default.fileExists(atPath: place, isDirectory: &isFolder) else { continue }
      if isFolder.boolValue { collect(path, &found) } else { add(path, &found) }
    }
  }

  /// What is not UTF-8 is no text and no business of the rules.
  private static func add(_ path: String, _ found: inout [SourceFile]) {
    guard let data = FileManager.default.contents(atPath: root.appendingPathComponent(path).path),
      let text = String(data: data, encoding: .utf8)
    else { return }
    found.append(SourceFile(path: path, text: text))
  }
}
