// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The virtio-gpu daemon: options -> device -> Daemon.

internal import ArgumentParser
internal import Daemon
internal import Linux

@main
enum MartletGPU {
  /// Neither of QEMU's features for this type ("virgl", "render-node") is there yet.
  static let program = Program(name: "martlet-gpu", version: "0.1.0", deviceType: "gpu", features: [])

  static func main() {
    let arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.isEmpty {
      write(Options.helpMessage(), to: 2)
      CurrentProcess.exit(ExitCode.usage)
    }
    // QEMU's convention: whatever else is there is ignored.
    if arguments.contains("--print-capabilities") {
      write(program.capabilitiesJSON, to: 1)
      CurrentProcess.exit(ExitCode.success)
    }
    do throws(HumanError) {
      let options = try parse(arguments)
      let plan = try options.plan(program)
      if options.common.dryRun {
        write(plan.description + options.description, to: 1)
        CurrentProcess.exit(ExitCode.success)
      }
      Lifecycle.run(plan)
    } catch {
      error.end(program.name)
    }
  }

  /// Help, version and completion scripts end the process here; everything that is wrong becomes one sentence.
  private static func parse(_ arguments: [String]) throws(HumanError) -> Options {
    let options: Options
    do {
      options = try Options.parse(arguments)
    } catch {
      guard Options.exitCode(for: error) == .success else { throw .usage(parsing: error, of: Options.self) }
      write(Options.fullMessage(for: error) + "\n", to: 1)
      CurrentProcess.exit(ExitCode.success)
    }
    try options.common.check()
    return options
  }

  private static func write(_ text: String, to descriptor: Int32) {
    // Nobody reads it: there is nobody to tell.
    try? File(raw: descriptor).write(text)
  }
}
