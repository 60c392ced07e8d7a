// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The tool: what a person does with a vhost-user backend without a virtual machine. It is a frontend like any
// hypervisor (room Frontend) and works with every backend that keeps to the protocol, not only with Martlet's.

internal import ArgumentParser
internal import Linux

@main
struct Martlet: ParsableCommand {
  static let version = "0.1.0"

  /// Every command of the tool.
  static let commands: [any ParsableCommand.Type] = [
    MountCommand.self,
    InspectCommand.self,
    DetachCommand.self,
    StatusCommand.self,
    ControlCommand.self,
    ScreenCommand.self,
    Bench.self,
  ]

  static let configuration = CommandConfiguration(
    commandName: "martlet",
    abstract: "Uses vhost-user backends without a virtual machine.",
    version: "martlet \(version)",
    subcommands: commands)

  static func main() {
    let arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.isEmpty {
      try? File(raw: 2).write(helpMessage())
      CurrentProcess.exit(ExitCode.usage)
    }
    do {
      var command = try parseAsRoot(arguments)
      try command.run()
    } catch let error as HumanError {
      error.end()
    } catch {
      // Help, version and completion scripts come as errors too.
      guard exitCode(for: error) == .success else { HumanError.usage(parsing: error).end() }
      try? File(raw: 1).write(fullMessage(for: error) + "\n")
    }
    CurrentProcess.exit(ExitCode.success)
  }
}
