// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The virtio-fs daemon: options -> shares -> Daemon. Installed or linked as `virtiofsd` it behaves the same: it takes
// that program's command line. Unlike it, it writes no `<socket>.pid`: a stale socket is found out by asking the
// kernel, and whoever needs the process id is the one who started the process.

internal import ArgumentParser
internal import Daemon
internal import FileSystem
internal import Linux

@main
enum MartletFS {
  static let program = Program(
    name: "martlet-fs", version: "0.1.0", deviceType: "fs",
    // What libvirt looks for: the options take these forms.
    features: ["separate-options", "posix-acl-negotiation-mode", "security-label-negotiation-mode"])

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
        write(plan.description, to: 1)
        CurrentProcess.exit(ExitCode.success)
      }
      Lifecycle.run(plan.daemon)
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
    if options.showVersion {
      write("\(program.name) \(program.version)\n", to: 1)
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

/// The daemon's plan and what only this program knows of it.
struct FileSystemPlan {
  var daemon: DaemonPlan
  var shares: [SharePlan]

  /// For --dry-run.
  var description: String {
    daemon.description + shares.map { $0.description }.joined()
  }
}
