// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a person reads when the tool cannot do its work: one sentence on standard error that says what was wrong and
// what to do. The same conventions as the daemons' (room Daemon, which this program must not import: it would bring
// the device's side of the protocol along).

internal import ArgumentParser
internal import Linux

/// How the tool ends.
enum ToolExit {
  /// It did what it was asked to.
  static let success: Int32 = 0
  /// The host or the backend refused something, at the start or later.
  static let failure: Int32 = 1
  /// The command line makes no sense: starting again will not help.
  static let usage: Int32 = 2
}

/// An error for people.
struct HumanError: Error, Equatable, Sendable {
  /// One sentence, without a full stop at the end.
  let message: String
  let exitCode: Int32

  static func failure(_ message: String) -> HumanError {
    HumanError(message: message, exitCode: ToolExit.failure)
  }

  static func usage(_ message: String) -> HumanError {
    HumanError(message: message + "; see --help", exitCode: ToolExit.usage)
  }

  /// Prints "martlet: sentence" and ends the process.
  func end() -> Never {
    say(message)
    CurrentProcess.exit(exitCode)
  }

  /// Makes the option parser's messages, which can be several sentences on several lines, into one.
  static func usage(parsing error: any Error) -> HumanError {
    var text = Martlet.message(for: error)
    if text.hasPrefix("Error: ") { text.removeFirst(7) }
    var sentence = text.split(whereSeparator: \.isNewline)
      .map { $0.drop(while: \.isWhitespace) }.filter { !$0.isEmpty }.joined(separator: " ")
    for (spoken, joined) in [
      (". Please provide one of ", "; give one of "), (". Did you mean ", ", did you mean "), (". ", "; "),
    ] {
      sentence = sentence.replacing(spoken, by: joined)
    }
    while let last = sentence.last, last == "." || last == "?" || last.isWhitespace { sentence.removeLast() }
    if let first = sentence.first { sentence.replaceSubrange(...sentence.startIndex, with: first.lowercased()) }
    return .usage(sentence)
  }
}

/// Writes "martlet: sentence" to standard error with one write.
func say(_ sentence: String) {
  // A path may hold any byte but NUL: a line break in it must not make two lines of one.
  let line = String(sentence.map { $0.isNewline ? " " : $0 })
  // Nobody reads it: there is nobody to tell.
  try? File(raw: 2).write("martlet: \(line)\n")
}

extension String {
  /// Every `part` replaced; the standard library has this only with Foundation or regular expressions.
  func replacing(_ part: String, by other: String) -> String {
    var result = ""
    var rest = self[...]
    while let start = rest.firstIndex(of: part.first ?? " ") {
      if rest[start...].hasPrefix(part) {
        result += rest[..<start] + other
        rest = rest[start...].dropFirst(part.count)
      } else {
        result += rest[...start]
        rest = rest[rest.index(after: start)...]
      }
    }
    return result + rest
  }
}
