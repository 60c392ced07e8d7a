// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// A command line that makes no sense, or that the host is against, and what a person reads then: exactly one sentence
/// that says what to do.
public struct WrongLine: Sendable, CustomStringConvertible {
  public let arguments: [String]
  /// 2 for the command line itself, 1 for a host or a peer that refuses.
  public let code: Int32
  /// A part of the sentence.
  public let sentence: String

  /// - Parameter arguments: in one string, with blanks between them.
  public init(_ arguments: String, _ code: Int32, _ sentence: String) {
    self.arguments = arguments.split(separator: " ").map(String.init)
    self.code = code
    self.sentence = sentence
  }

  public var description: String { arguments.joined(separator: " ") }

  /// What is not as it should be; empty if all is well.
  public func faults(of program: String, in outcome: ProgramOutcome) -> [String] {
    Self.faults(of: program, in: outcome, code, sentence)
  }

  public static func faults(
    of program: String, in outcome: ProgramOutcome, _ code: Int32, _ sentence: String
  ) -> [String] {
    let text = outcome.errors
    var faults: [String] = []
    func expect(_ isSo: Bool, _ fault: String) { if !isSo { faults.append(fault) } }
    expect(outcome.code == code, "it ended with \(outcome.status), not \(code)")
    expect(outcome.output.isEmpty, "standard output has: \(outcome.output)")
    expect(outcome.errorLines.count == 1 && text.hasSuffix("\n"), "not one line: \(text)")
    expect(text.hasPrefix("\(program): "), "it does not say who speaks: \(text)")
    expect(text.contains(sentence), "'\(sentence)' is not in: \(text)")
    // One sentence, which says where to read on if the command line was wrong.
    expect([". ", "Error:", "Usage:"].allSatisfy { !text.contains($0) }, "more than a sentence: \(text)")
    expect(text.contains("see --help") == (code == 2), "--help is named for wrong command lines alone: \(text)")
    return faults
  }
}
