// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The virtio-blk daemon: options -> volumes -> Daemon. The images are opened here, before anything else happens: what a
// person got wrong is said before there is a socket, and inside the sandbox no path is needed any more.

internal import ArgumentParser
internal import Daemon
internal import Linux

@main
enum MartletBlk {
  static let program = Program(
    name: "martlet-blk", version: "0.1.0", deviceType: "block",
    // QEMU, docs/interop/vhost-user.rst, "Command line options for block backends".
    features: ["read-only", "blk-file"])

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
      let volumes = try options.volumes()
      if options.common.dryRun {
        let plan = DaemonPlan(
          program: program, services: volumes.map { $0.service(nil) }, common: options.common, onDisconnect: .relisten)
        write(plan.description + volumes.map { $0.description }.joined(), to: 1)
        CurrentProcess.exit(ExitCode.success)
      }
      Lifecycle.run(try options.plan(program, volumes))
    } catch {
      error.end(program.name)
    }
  }

  /// Help, version and completion scripts end the process here; everything that is wrong becomes one sentence.
  private static func parse(_ arguments: [String]) throws(HumanError) -> Options {
    let options: Options
    do {
      options = try Options.parse(Options.plain(arguments))
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
