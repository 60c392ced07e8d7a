// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Options that all benches have, and the frame of a run: a folder for sockets and logs, signals, the tables at the end.

internal import ArgumentParser
internal import Linux
internal import Wire

/// A rival by name and program.
struct NamedProgram: ExpressibleByArgument {
  let name: String
  let path: String

  init?(argument: String) {
    guard let equals = argument.firstIndex(of: "=") else { return nil }
    name = String(argument[..<equals])
    path = String(argument[argument.index(after: equals)...])
    let isPlain = name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0)) }
    if name.isEmpty || name.utf8.count > 40 || !isPlain || path.isEmpty { return nil }
  }
}

/// Who is measured.
struct RivalOptions: ParsableArguments {
  @Option(
    name: .customLong("ours-args"), parsing: .unconditional,
    help: ArgumentHelp("More options for our backend, separated by blanks.", valueName: "options"))
  var oursArguments = ""

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("Another backend, with the name that the tables give it; repeatable.", valueName: "name=program")
  )
  var rival: [NamedProgram] = []

  @Option(
    name: .customLong("rival-args"), parsing: .unconditional,
    help: ArgumentHelp("More options for the rivals, separated by blanks.", valueName: "options"))
  var rivalArguments = ""

  /// - Parameters:
  ///   - ours: our program, nil for the one beside this program.
  ///   - socket: a backend that runs already, instead of ours.
  func specs(ours: String?, called name: String, socket: String?) throws(HumanError) -> [BackendSpec] {
    var found: [BackendSpec] = []
    if let socket {
      found.append(BackendSpec(name: "socket", source: .socket(socket), role: .ours))
    } else {
      let program: String
      if let ours { program = ours } else { program = try ProgramPath.beside(name) }
      found.append(
        BackendSpec(name: name, source: .program(program, ProgramPath.words(oursArguments)), role: .ours))
    }
    for entry in rival {
      if found.contains(where: { $0.name == entry.name }) {
        throw .usage("two backends are called \(entry.name); give each --rival a name of its own")
      }
      found.append(
        BackendSpec(
          name: entry.name, source: .program(entry.path, ProgramPath.words(rivalArguments)), role: .rival))
    }
    return found
  }
}

/// How long and what.
struct BenchOptions: ParsableArguments {
  @Option(help: ArgumentHelp("Turns of each backend per work.", valueName: "count"))
  var rounds: Int?

  @Option(help: ArgumentHelp("Length of a turn.", valueName: "milliseconds"))
  var milliseconds: Int?

  @Option(
    help: ArgumentHelp(
      "Length of the whole run: turns are as long as that allows. The largest works may take a little longer.",
      valueName: "count"))
  var minutes: Int?

  @Option(
    parsing: .singleValue, help: ArgumentHelp("Only works with this in their name; repeatable.", valueName: "word"))
  var filter: [String] = []

  @Flag(help: "A few works, short turns.")
  var quick = false

  @Flag(help: "The whole matrix.")
  var all = false

  @Flag(help: "Show the names of the works and end.")
  var list = false

  @Flag(help: "Go on with the run whose results are in the file of --json.")
  var resume = false

  @Flag(name: .customLong("syscalls"), help: "Count system calls too, if strace is installed.")
  var systemCalls = false

  @Option(
    name: .customLong("poll-us"),
    help: ArgumentHelp(
      "How long the driver looks for an answer before it sleeps, as KVM does for a halted guest.",
      valueName: "microseconds"))
  var pollMicroseconds = 200

  @OptionGroup(title: "Results") var files: ReportFiles

  func check() throws(HumanError) {
    if quick, all { throw .usage("--quick and --all exclude each other; give one of them") }
    if resume, files.json == nil {
      throw .usage("--resume needs --json with the file of the run to go on with")
    }
    if milliseconds != nil, minutes != nil {
      throw .usage("--milliseconds and --minutes exclude each other; give one of them")
    }
    if let rounds, !(1...1000).contains(rounds) { throw .usage("--rounds needs a number from 1 to 1000") }
    if let milliseconds, !(1...600_000).contains(milliseconds) {
      throw .usage("--milliseconds needs a number from 1 to 600000")
    }
    if let minutes, !(1...1440).contains(minutes) { throw .usage("--minutes needs a number from 1 to 1440") }
    if !(0...100_000).contains(pollMicroseconds) { throw .usage("--poll-us needs a number from 0 to 100000") }
  }

  /// The same, for devices that have files behind them.
  func check(queues: Int, fileMebibytes: Int, ours: String?, socket: String?) throws(HumanError) {
    try check()
    if !(1...8).contains(queues) { throw .usage("--queues needs a number from 1 to 8") }
    if !(4...1_048_576).contains(fileMebibytes) { throw .usage("--file-mib needs a number from 4 to 1048576") }
    if socket != nil, ours != nil { throw .usage("--socket and --ours exclude each other; give one of them") }
  }

  func chosen(from works: [Work]) throws(HumanError) -> [Work] {
    try Work.chosen(from: works, all: all, quick: quick, filter: filter)
  }

  var pace: Pace {
    var pace = Pace(rounds: rounds ?? (quick ? 3 : 5))
    if let milliseconds { pace.nanoseconds = Int64(milliseconds) * 1_000_000 }
    if quick, milliseconds == nil { pace.nanoseconds = 300_000_000 }
    if let minutes {
      pace.nanoseconds = nil
      pace.deadline = Clock.monotonic + Int64(minutes) * 60_000_000_000
    }
    return pace
  }

  var pollNanoseconds: Int64 { Int64(pollMicroseconds) * 1000 }

  /// Runs a plan and shows its tables; also those of a run that was ended.
  func show(_ plan: BenchPlan, _ interruption: Interruption) throws(HumanError) {
    if files.plot != nil, !plan.hasRival { throw .usage("a picture needs a --rival to compare with") }
    let run = BenchRun(plan, interruption: interruption, continuing: resume ? try files.earlier() : Report())
    defer {
      if !run.report.comparisons.isEmpty {
        // Nobody reads it: there is nobody to tell.
        try? File(raw: 1).write(run.report.tables(.text) + "\n" + Report.legend + "\n")
      }
    }
    try run.run()
  }

  func show(names works: [Work]) {
    try? File(raw: 1).write(works.map { $0.name + "\n" }.joined())
  }
}

/// A folder of this run for sockets and logs, which goes away with it. Not below --dir: a socket's path is short.
struct BenchFolder {
  let path: String

  init() throws(HumanError) {
    path = "\(CurrentProcess.environment("TMPDIR") ?? "/tmp")/martlet-bench-\(CurrentProcess.identifier)"
    do throws(Errno) { try HostFiles.makeDirectory(path, mode: 0o755) } catch {
      throw .failure("cannot make the directory \(path): \(error.message)")
    }
  }

  /// A folder for data, below a directory that the user chose.
  static func make(below directory: String) throws(HumanError) -> String {
    let path = "\(directory)/martlet-bench-data-\(CurrentProcess.identifier)"
    do throws(Errno) { try HostFiles.makeDirectory(path) } catch {
      throw .failure("cannot make a directory in \(directory): \(error.message); choose another with --dir")
    }
    return path
  }
}

enum ProgramPath {
  /// This program.
  static var own: String? {
    let scratch = Scratch(byteCount: 4096)
    let count = try? HostFiles.withName("/proc/self/exe") { (link) throws(Errno) in
      try File.currentDirectory.readLink(link, into: scratch.segment)
    }
    return count.map { String(decoding: scratch.segment.prefix($0).bytes(), as: UTF8.self) }
  }

  /// A program in the directory of this one.
  static func beside(_ name: String) throws(HumanError) -> String {
    if let own {
      let path = Path(own).directory.text + "/" + name
      if Path(path).isReadable { return path }
    }
    throw .failure("there is no \(name) beside this program; say with --ours where it is")
  }

  /// A program that the shell would find.
  static func find(_ name: String) -> String? {
    (CurrentProcess.environment("PATH") ?? "/usr/bin:/bin").split(separator: ":").map { "\($0)/\(name)" }
      .first { path in ((try? Path(path).status())?.isRegular ?? false) && Path(path).isReadable }
  }

  static func words(_ text: String) -> [String] { text.split(separator: " ").map { String($0) } }
}
