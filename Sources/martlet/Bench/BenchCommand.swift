// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// martlet bench: the same work for our backends and their rivals, straight through virtqueues, without a kernel in the
// path. This file is the command line; BenchRun has the order of a run.

internal import ArgumentParser
internal import Linux
internal import Wire

struct Bench: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "bench", abstract: "Measures backends, in turn and with the same work.", subcommands: [BenchShare.self]
  )
}

/// A rival by name and program.
struct NamedProgram: ExpressibleByArgument {
  let name: String
  let path: String

  init?(argument: String) {
    guard let equals = argument.firstIndex(of: "=") else { return nil }
    name = String(argument[..<equals])
    path = String(argument[argument.index(after: equals)...])
    let isPlain = name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-._".contains($0)) }
    if name.isEmpty || !isPlain || path.isEmpty { return nil }
  }
}

struct BenchShare: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "share", abstract: "Measures shares (virtio-fs).",
    discussion: """
      Starts martlet-fs and every --rival on one directory and drives them in turn, request by request, through a \
      virtqueue of its own, as Linux lays the requests out. Modes: default (no options), microvm (those of \
      microvm.nix), never (without file handles; metadata only). With --socket, a backend that runs already is \
      measured instead of martlet-fs; it has to share the directory of --dir.
      """)

  @Option(help: ArgumentHelp("Our backend; default: martlet-fs beside this program.", valueName: "program"))
  var ours: String?

  @Option(
    name: .customLong("ours-args"), parsing: .unconditional,
    help: ArgumentHelp("More options for it, separated by blanks."))
  var oursArguments = ""

  @Option(
    parsing: .singleValue,
    help: ArgumentHelp("Another backend with virtiofsd's options; repeatable.", valueName: "name=program"))
  var rival: [NamedProgram] = []

  @Option(
    name: .customLong("rival-args"), parsing: .unconditional,
    help: ArgumentHelp("More options for the rivals, separated by blanks."))
  var rivalArguments = ""

  @Option(help: ArgumentHelp("A backend that listens already, instead of ours.", valueName: "path"))
  var socket: String?

  @Option(help: ArgumentHelp("Its process, to count what it costs.", valueName: "number"))
  var pid: Int32?

  @Option(
    help: ArgumentHelp("Where to make the shared directory; on a disk for the direct works.", valueName: "directory"))
  var dir = "/var/tmp"

  @Option(name: .customLong("modes"), help: ArgumentHelp("default, microvm, never.", valueName: "list"))
  var modes = "default,microvm"

  @Option(help: ArgumentHelp("Turns of each backend per work.", valueName: "count"))
  var rounds: Int?

  @Option(help: ArgumentHelp("Length of a turn.", valueName: "milliseconds"))
  var milliseconds: Int?

  @Option(help: ArgumentHelp("Request queues for the works that use several.", valueName: "count"))
  var queues = 2

  @Option(
    parsing: .singleValue, help: ArgumentHelp("Only works with this in their name; repeatable.", valueName: "word"))
  var filter: [String] = []

  @Flag(help: "A few works, short turns.")
  var quick = false

  @Flag(help: "The whole matrix.")
  var all = false

  @Flag(name: .customLong("syscalls"), help: "Count system calls too, if strace is installed.")
  var systemCalls = false

  @Option(
    name: .customLong("poll-us"),
    help: ArgumentHelp(
      "How long the driver looks for an answer before it sleeps, as hypervisors do for a halted guest.",
      valueName: "microseconds"))
  var pollMicroseconds = 50

  @Option(help: ArgumentHelp("Write the results for programs.", valueName: "file"))
  var json: String?

  @Option(help: ArgumentHelp("Write the tables as Markdown.", valueName: "file"))
  var markdown: String?

  @Option(help: ArgumentHelp("Write a picture.", valueName: "file.svg"))
  var plot: String?

  func run() throws {
    try check()
    let folder = "\(dir)/martlet-bench-\(CurrentProcess.identifier)"
    let shared = "\(folder)/share"
    do {
      try HostFiles.makeDirectory(folder, mode: 0o700)
      try HostFiles.makeDirectory(shared)
    } catch {
      throw HumanError.failure("cannot make a directory in \(dir): \(error.message)")
    }
    defer { HostFiles.removeTree(folder) }
    let plan = try plan(sharing: socket == nil ? shared : dir, in: folder)
    try ShareFiles.make(in: plan.directory, for: plan.works)
    defer { if socket != nil { ShareFiles.remove(from: plan.directory) } }
    let report = try BenchRun(plan).run()
    try File(raw: 1).write(report.tables(.text) + "\n" + Report.legend + "\n")
    if let json { try HostFiles.write(report.json.text, to: json) }
    if let markdown { try HostFiles.write(report.tables(.markdown) + "\n" + Report.legend + "\n", to: markdown) }
    if let plot {
      guard let picture = report.plot() else { throw HumanError.failure("a picture needs a rival to compare with") }
      try HostFiles.write(picture, to: plot)
    }
  }

  private func check() throws(HumanError) {
    if quick, all { throw .usage("--quick and --all exclude each other; give one of them") }
    if let rounds, !(1...1000).contains(rounds) { throw .usage("--rounds needs a number from 1 to 1000") }
    if let milliseconds, !(1...600_000).contains(milliseconds) {
      throw .usage("--milliseconds needs a number from 1 to 600000")
    }
    if !(1...8).contains(queues) { throw .usage("--queues needs a number from 1 to 8") }
    if !(0...100_000).contains(pollMicroseconds) { throw .usage("--poll-us needs a number from 0 to 100000") }
    if socket != nil, ours != nil { throw .usage("--socket and --ours exclude each other; give one of them") }
  }

  private func plan(sharing shared: String, in folder: String) throws(HumanError) -> BenchPlan {
    var works = Work.matrix(all: all || !filter.isEmpty, queues: queues)
    if !filter.isEmpty { works = works.filter { work in filter.contains { work.name.contains($0) } } }
    if quick { works = works.filter { $0.isQuick } }
    if works.isEmpty { throw .usage("no work has such a name: \(filter.joined(separator: ", "))") }
    var chosen: [BenchMode] = []
    for name in modes.split(separator: ",") {
      guard let mode = BenchMode.named(String(name)) else {
        throw .usage("\"\(name)\" is no mode; give default, microvm or never")
      }
      chosen.append(mode)
    }
    return BenchPlan(
      backends: try backends(), modes: chosen, works: works, rounds: rounds ?? (quick ? 3 : 5),
      nanoseconds: Int64(milliseconds ?? (quick ? 300 : 500)) * 1_000_000,
      pollNanoseconds: Int64(pollMicroseconds) * 1000, queues: queues, countsSystemCalls: systemCalls, process: pid,
      directory: shared, folder: folder)
  }

  private func backends() throws(HumanError) -> [BackendSpec] {
    var found: [BackendSpec] = []
    if let socket {
      found.append(BackendSpec(name: "socket", source: .socket(socket), isOurs: true))
    } else {
      let program: String
      if let ours { program = ours } else { program = try ProgramPath.beside("martlet-fs") }
      found.append(
        BackendSpec(name: "martlet-fs", source: .program(program, ProgramPath.words(oursArguments)), isOurs: true))
    }
    for entry in rival {
      found.append(
        BackendSpec(
          name: entry.name, source: .program(entry.path, ProgramPath.words(rivalArguments)), isOurs: false))
    }
    return found
  }
}

enum ProgramPath {
  /// A program in the directory of this one.
  static func beside(_ name: String) throws(HumanError) -> String {
    let scratch = Scratch(byteCount: 4096)
    do throws(Errno) {
      let count = try HostFiles.withName("/proc/self/exe") { (link) throws(Errno) in
        try File.currentDirectory.readLink(link, into: scratch.segment)
      }
      let program = String(decoding: scratch.segment.prefix(count).bytes(), as: UTF8.self)
      let path = Path(program).directory.text + "/" + name
      if Path(path).isReadable { return path }
    } catch {
      // No /proc: then it is not found either.
    }
    throw .failure("there is no \(name) beside this program; say with --ours where it is")
  }

  static func words(_ text: String) -> [String] { text.split(separator: " ").map { String($0) } }
}
