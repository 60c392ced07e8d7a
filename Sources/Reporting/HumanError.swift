// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a person reads when a program of Martlet cannot do its work: one sentence on standard error that says what was
// wrong and what to do, and an exit code that tells a supervisor whether trying again can help. For the daemons and for
// the tool, which must not import each other's rooms.

public import ArgumentParser
internal import Linux

/// How a program ends.
public enum ExitCode {
  /// It did what it was asked to; a daemon until it was asked to stop or its frontend left.
  public static let success: Int32 = 0
  /// The host or the other side refused something, at the start or later.
  public static let failure: Int32 = 1
  /// The command line makes no sense: starting again will not help.
  public static let usage: Int32 = 2
}

/// An error for people.
public struct HumanError: Error, Equatable, Sendable {
  /// One sentence, without a full stop at the end.
  public let message: String
  public let exitCode: Int32

  public init(message: String, exitCode: Int32) {
    self.message = message
    self.exitCode = exitCode
  }

  public static func failure(_ message: String) -> HumanError {
    HumanError(message: message, exitCode: ExitCode.failure)
  }

  public static func usage(_ message: String) -> HumanError {
    HumanError(message: message + "; see --help", exitCode: ExitCode.usage)
  }

  /// Prints "program: sentence" and ends the process.
  public func end(_ program: String) -> Never {
    HumanError.say(message, program)
    CurrentProcess.exit(exitCode)
  }

  /// Prints "program: sentence" on standard error with one write.
  public static func say(_ sentence: String, _ program: String) {
    // A path may hold any byte but NUL: a line break in it must not make two lines of one.
    let line = String(sentence.map { $0.isNewline ? " " : $0 })
    // Nobody reads it: there is nobody to tell.
    try? File(raw: 2).write("\(program): \(line)\n")
  }

  /// Makes the option parser's messages, which can be several sentences on several lines, into one.
  public static func usage(parsing error: any Error, of type: any ParsableArguments.Type) -> HumanError {
    var text = type.message(for: error)
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

extension String {
  /// Every `part` replaced; the standard library has this only with Foundation or regular expressions.
  public func replacing(_ part: String, by other: String) -> String {
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
