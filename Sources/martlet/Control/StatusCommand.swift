// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// `martlet status` and `martlet control`: what a running daemon of Martlet tells.

internal import ArgumentParser

struct StatusCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "status",
    abstract: "Tells how a running daemon of Martlet is doing: who is attached, counters, latencies.",
    discussion: """
      Times are in microseconds and are those of the daemon's work on a request, from taking it out of the ring to its \
      answer; waiting in the ring is not in them. A percentile is never too small and at most a sixteenth too large.
      """)

  @OptionGroup var control: ControlOptions

  @Argument(help: ArgumentHelp("Only this share or device, by its name or number.", valueName: "endpoint"))
  var endpoint: String?

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    try control.show(try control.ask(["status"] + [endpoint].compactMap { $0 }, json: json))
  }
}

struct ControlCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "control",
    abstract: "Sends a request to a running daemon of Martlet and prints its answer.",
    discussion: "'martlet control --control-socket PATH help' tells what can be asked.")

  @OptionGroup var control: ControlOptions

  @Argument(help: ArgumentHelp("The request: a verb and its words.", valueName: "word"))
  var words: [String]

  @Flag(help: "Ask for JSON.")
  var json = false

  func run() throws {
    try control.show(try control.ask(words, json: json))
  }
}
