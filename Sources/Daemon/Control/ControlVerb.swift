// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What can be asked on the control socket (--control-socket): one line with a verb and its words, answered with text
// for people or, if the last word is `json`, with JSON for programs; then the connection closes. Every daemon has the
// verbs of StandardVerbs.swift. A device brings its own in its `ServedDevice`; nothing in this room changes for them.

internal import Reporting

/// One request, as a verb gets it.
public struct ControlRequest: Sendable {
  /// The words after the verb, without the endpoint's name and without `json`.
  public let words: [String]
  public let wantsJSON: Bool

  public init(words: [String], wantsJSON: Bool) {
    self.words = words
    self.wantsJSON = wantsJSON
  }

  /// The only word; a sentence for whoever gave another number of them.
  public func onlyWord(_ what: String) throws(HumanError) -> String {
    guard words.count == 1 else { throw .failure("\(what) is needed, and nothing else") }
    return words[0]
  }
}

/// What goes back.
public struct ControlAnswer: Sendable, Equatable {
  let bytes: [UInt8]

  /// Ends with a line break.
  public static func text(_ text: String) -> ControlAnswer {
    ControlAnswer(bytes: Array(text.utf8) + (text.hasSuffix("\n") ? [] : [UInt8(ascii: "\n")]))
  }

  public static func json(_ value: JSON) -> ControlAnswer { .text(value.text) }

  /// A picture, say.
  public static func bytes(_ bytes: [UInt8]) -> ControlAnswer { ControlAnswer(bytes: bytes) }

  /// What went wrong: "error: sentence", or an object with the member `error`.
  static func error(_ error: HumanError, json: Bool) -> ControlAnswer {
    json ? .json(.object(["error": .string(error.message)])) : .text("error: \(error.message)")
  }
}

/// Something that a device can be asked or told.
public struct ControlVerb: Sendable {
  /// "resize".
  public let name: String
  /// The words it takes, for `help`: "SIZE".
  public let usage: String
  /// What it does, for `help`: part of a sentence.
  public let summary: String
  /// Runs on the control socket's thread, which serves nobody else meanwhile: it must not wait for a guest, and for a
  /// display or a disk not longer than about a second. What it throws is told to whoever asked.
  public let run: @Sendable (ControlRequest) throws(HumanError) -> ControlAnswer

  public init(
    _ name: String, usage: String = "", summary: String,
    run: @escaping @Sendable (ControlRequest) throws(HumanError) -> ControlAnswer
  ) {
    self.name = name
    self.usage = usage
    self.summary = summary
    self.run = run
  }
}
