// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// martlet bench share: shares (virtio-fs), straight through virtqueues or through a mount of this host.

internal import ArgumentParser
internal import Linux

struct BenchShare: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "share", abstract: "Measures shares (virtio-fs).",
    discussion: """
      Starts martlet-fs and every --rival, a program with virtiofsd's options, on one directory and drives them in \
      turn: request by request through virtqueues of its own, as Linux lays the requests out; or, with --through \
      mount, by programs and file calls in a mount of this host (root, or fusermount3). Modes: default (no options), \
      microvm (those of microvm.nix), never (without file handles; metadata only). With --socket, a backend that runs \
      already is measured instead of martlet-fs; it has to share the directory of --dir.
      """)

  enum Way: String, ExpressibleByArgument, CaseIterable {
    case queues
    case mount
  }

  @Option(help: ArgumentHelp("Our backend; default: martlet-fs beside this program.", valueName: "program"))
  var ours: String?

  @OptionGroup(title: "Who") var rivals: RivalOptions

  @Option(help: ArgumentHelp("A backend that listens already, instead of ours.", valueName: "path"))
  var socket: String?

  @Option(help: ArgumentHelp("Its process, to count what it costs.", valueName: "number"))
  var pid: Int32?

  @Option(help: "Straight through virtqueues, or through a mount of this host.")
  var through = Way.queues

  @Option(
    help: ArgumentHelp("Where to make the shared directory; on a disk for the direct works.", valueName: "directory"))
  var dir = "/var/tmp"

  @Option(name: .customLong("modes"), help: ArgumentHelp("default, microvm, never.", valueName: "list"))
  var modes = "default,microvm"

  @Option(help: ArgumentHelp("Request queues for the works with several jobs.", valueName: "count"))
  var queues = 2

  @Option(
    name: .customLong("file-mib"), help: ArgumentHelp("Size of each file for reads and writes.", valueName: "count"))
  var fileMebibytes = 256

  @Option(
    help: ArgumentHelp(
      "The tree for the whole loads: a directory or a tar file. Default: a made one, the same in every run.",
      valueName: "path"))
  var tree: String?

  @OptionGroup var options: BenchOptions

  func run() throws {
    try check()
    let works = try options.chosen(
      from: through == .queues ? ShareWorks.queues(queues) : TreeFiles.possible(ShareWorks.mounted))
    if options.list { return options.show(names: works) }
    let modes = try chosenModes()
    let specs = try rivals.specs(ours: ours, called: "martlet-fs", socket: socket)
    let interruption = try Interruption()
    let folder = try BenchFolder()
    defer { HostFiles.removeTree(folder.path) }
    let data = try BenchFolder.make(below: dir)
    defer { HostFiles.removeTree(data) }
    let shared = socket == nil ? "\(data)/share" : dir
    if socket == nil {
      do throws(Errno) { try HostFiles.makeDirectory(shared) } catch {
        throw HumanError.failure("cannot make the directory \(shared): \(error.message)")
      }
    }
    defer { if socket != nil { ShareFiles.remove(from: shared) } }
    try ShareFiles.make(in: shared, for: works, byteCount: fileMebibytes << 20)
    var trees: TreeFiles?
    if through == .mount {
      trees = try TreeFiles(
        in: data, shared: shared, from: tree, for: works, interruption)
    }
    var plan = BenchPlan(
      modes: modes, works: works, pace: options.pace, countsSystemCalls: options.systemCalls, folder: folder.path,
      files: options.files, hasRival: specs.count > 1,
      enroll: { (mode) throws(HumanError) in
        try enroll(
          ShareStarter(specs: specs, shared: shared, folder: folder.path), mode, trees, interruption)
      })
    plan.belongs = ShareWorks.belongs
    plan.goals = ShareWorks.goals
    try options.show(plan, interruption)
  }

  private func check() throws(HumanError) {
    try options.check(queues: queues, fileMebibytes: fileMebibytes, ours: ours, socket: socket)
    if tree != nil, through == .queues { throw .usage("--tree is for whole loads; give --through mount with it") }
  }

  private func chosenModes() throws(HumanError) -> [BenchMode] {
    var chosen: [BenchMode] = []
    for name in modes.split(separator: ",") {
      guard let mode = BenchMode.named(String(name)) else {
        throw .usage("\"\(name)\" is no mode; give default, microvm or never")
      }
      chosen.append(mode)
    }
    if chosen.isEmpty { throw .usage("--modes names no mode; give default, microvm or never") }
    return chosen
  }

  private func enroll(
    _ starter: ShareStarter, _ mode: BenchMode, _ trees: TreeFiles?, _ interruption: Interruption
  ) throws(HumanError) -> [any Contestant] {
    var settings = ShareSettings(
      queues: queues, pollNanoseconds: options.pollNanoseconds, process: pid, fileByteCount: fileMebibytes << 20)
    settings.again = { (spec) throws(HumanError) in try starter.start(spec, mode, number: 1) }
    let common = settings
    var contestants = try starter.all(mode) { (backend, number) throws(HumanError) in
      guard let trees else { return try ShareSession(backend, number: number, common) }
      return try MountedShare(backend, number: number, in: starter.folder, common, trees, interruption)
    }
    if let trees {
      contestants.append(HostDirectory(starter.shared, settings, trees, interruption))
    } else {
      contestants.append(HostLoop(in: starter.shared))
    }
    return contestants
  }
}
