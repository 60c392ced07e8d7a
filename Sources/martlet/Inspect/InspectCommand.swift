// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// `martlet inspect`: what a backend offers, and who can attach it.

internal import ArgumentParser
internal import Linux

struct InspectCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "inspect",
    abstract: "Tells what a vhost-user backend offers and which hypervisors can attach it.",
    discussion: """
      It connects, asks as a hypervisor asks before it starts anything, and leaves. Martlet's backends go on listening \
      afterwards. Others may not: virtiofsd ends when its first connection closes, so inspect one of its own.
      """)

  @OptionGroup var backend: BackendOptions

  @Option(
    help: ArgumentHelp(
      "What the device is (fs, blk or gpu), where it cannot be guessed: the protocol does not say it.",
      valueName: "kind"))
  var device: DeviceKind?

  @Flag(help: "Print JSON.")
  var json = false

  func run() throws {
    let inspection = try Inspection.of(backend.backend, told: device)
    let text = json ? inspection.json.text : inspection.text
    do {
      try File(raw: 1).write(text)
    } catch {
      throw HumanError.failure("cannot write to standard output (\(error.message))")
    }
  }
}
