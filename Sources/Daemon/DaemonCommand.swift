// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the main function of every daemon does: read the command line, say what was wrong in one sentence, and run.

public import ArgumentParser
internal import Linux

/// The command line of a daemon.
public protocol DaemonCommand: ParsableCommand {
  static var program: Program { get }
  var common: CommonOptions { get }
  /// A spelling of --version that the option parser cannot have by itself was given.
  var showVersion: Bool { get }

  /// The command line with the program's other spellings made plain, which the option parser does not know.
  static func plain(_ arguments: [String]) -> [String]
  /// For --dry-run: what would be done, one fact per line. The host is not changed.
  func describe() throws(HumanError) -> String
  /// How the daemon is to run, checked. Files that the devices need may be opened and made here.
  func plan() throws(HumanError) -> DaemonPlan
}

extension DaemonCommand {
  public var showVersion: Bool { false }

  public static func plain(_ arguments: [String]) -> [String] { arguments }

  /// The program, from its command line to its end.
  public static func runDaemon() -> Never {
    let arguments = Array(CommandLine.arguments.dropFirst())
    if arguments.isEmpty {
      write(helpMessage(), to: 2)
      CurrentProcess.exit(ExitCode.usage)
    }
    // QEMU's convention: whatever else is there is ignored.
    if arguments.contains("--print-capabilities") { answer(program.capabilitiesJSON) }
    do throws(HumanError) {
      let options = try parsed(arguments)
      if options.common.dryRun { answer(try options.describe()) }
      Lifecycle.run(try options.plan())
    } catch {
      error.end(program.name)
    }
  }

  /// Help, version and completion scripts end the process here; everything that is wrong becomes one sentence.
  private static func parsed(_ arguments: [String]) throws(HumanError) -> Self {
    let options: Self
    do {
      options = try Self.parse(plain(arguments))
    } catch {
      guard exitCode(for: error) == .success else { throw .usage(parsing: error, of: Self.self) }
      answer(fullMessage(for: error) + "\n")
    }
    if options.showVersion { answer("\(program.name) \(program.version)\n") }
    try options.common.check()
    return options
  }

  private static func answer(_ text: String) -> Never {
    write(text, to: 1)
    CurrentProcess.exit(ExitCode.success)
  }

  private static func write(_ text: String, to descriptor: Int32) {
    // Nobody reads it: there is nobody to tell.
    try? File(raw: descriptor).write(text)
  }
}
