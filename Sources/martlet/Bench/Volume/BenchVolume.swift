// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// martlet bench volume: block devices (virtio-blk), straight through virtqueues.

internal import ArgumentParser
internal import Linux

struct BenchVolume: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "volume", abstract: "Measures volumes (virtio-blk).",
    discussion: """
      Starts martlet-blk and every --rival on an image each, all with the same bytes, and drives them in turn, \
      request by request, through virtqueues of its own. A rival that is called qemu-storage-daemon gets that \
      program's command line, any other one --socket-path and --blk-file. Modes: direct (O_DIRECT on the disk of \
      --dir), pinned (the same; ours registers the guest's memory), cached (the page cache, warm), tmpfs (an image in \
      --memory-dir), null (a device of nothing; a rival that has none serves a warm page cache), threads (as direct, \
      without io_uring). With --socket, a backend \
      that runs already is measured; it has to serve --file-mib that may be overwritten.
      """)

  @Option(help: ArgumentHelp("Our backend; default: martlet-blk beside this program.", valueName: "program"))
  var ours: String?

  @OptionGroup(title: "Who") var rivals: RivalOptions

  @Option(
    help: ArgumentHelp(
      "Measure what the file itself gives with this fio; default: a loop of this program.", valueName: "name=program"))
  var limit: NamedProgram?

  @Option(help: ArgumentHelp("A backend that listens already, instead of ours.", valueName: "path"))
  var socket: String?

  @Option(help: ArgumentHelp("Its process, to count what it costs.", valueName: "number"))
  var pid: Int32?

  @Option(help: ArgumentHelp("Where to make the images; on a disk.", valueName: "directory"))
  var dir = "/var/tmp"

  @Option(
    name: .customLong("memory-dir"), help: ArgumentHelp("Where to make images in memory.", valueName: "directory"))
  var memoryDirectory = "/dev/shm"

  @Option(
    name: .customLong("modes"),
    help: ArgumentHelp("direct, pinned, cached, tmpfs, null, threads.", valueName: "list"))
  var modes = "direct,cached"

  @Option(help: ArgumentHelp("Queues of each device.", valueName: "count"))
  var queues = 4

  @Option(name: .customLong("file-mib"), help: ArgumentHelp("Size of each image.", valueName: "count"))
  var fileMebibytes = 1024

  @OptionGroup var options: BenchOptions

  func run() throws {
    try options.check(queues: queues, fileMebibytes: fileMebibytes, ours: ours, socket: socket)
    let works = try options.chosen(from: VolumeWorks.all)
    if options.list { return options.show(names: works) }
    let modes = try BenchMode.chosen(modes, of: VolumeMode.self)
    let specs = try rivals.specs(ours: ours, called: "martlet-blk", socket: socket)
    let interruption = try Interruption()
    let folder = try BenchFolder()
    defer { HostFiles.removeTree(folder.path) }
    let disk = try BenchFolder.make(below: dir)
    defer { HostFiles.removeTree(disk) }
    let inMemory = modes.contains { $0.name == VolumeMode.tmpfs.rawValue }
    let memory = inMemory ? try BenchFolder.make(below: memoryDirectory) : ""
    defer { if inMemory { HostFiles.removeTree(memory) } }
    let starter = VolumeStarter(
      specs: specs, folder: folder.path,
      images: VolumeImages(disk: disk, memory: memory, byteCount: fileMebibytes << 20), queues: queues)
    var plan = BenchPlan(
      modes: modes, works: works, pace: options.pace, countsSystemCalls: options.systemCalls, folder: folder.path,
      files: options.files, hasRival: specs.count > 1,
      enroll: { (mode) throws(HumanError) in try enroll(starter, mode, interruption) })
    plan.belongs = VolumeWorks.belongs
    plan.goals = VolumeWorks.goals
    try options.show(plan, interruption)
  }

  private func enroll(
    _ starter: VolumeStarter, _ mode: BenchMode, _ interruption: Interruption
  ) throws(HumanError) -> [any Contestant] {
    guard let way = VolumeMode(rawValue: mode.name) else { return [] }
    let settings = ShareSettings(
      queues: queues, pollNanoseconds: options.pollNanoseconds, process: pid, fileByteCount: fileMebibytes << 20)
    try starter.prepareImages(way)
    var contestants = try starter.all(way, settings)
    contestants.append(
      VolumeLimit(
        starter.images.path(way, number: starter.specs.count), way, settings, fio: limit, in: starter.folder,
        interruption))
    return contestants
  }
}
