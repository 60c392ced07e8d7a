// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// martlet bench rings: what a chain costs from a driver through a vhost-user socket's rings and back, without the work
// that a request stands for. Benchmarks/Rings has the ring alone, in one process and counted in instructions.

internal import ArgumentParser
internal import Linux

struct BenchRings: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "rings", abstract: "Measures what a chain costs: requests that the device has no work with.",
    discussion: """
      Drives a backend with requests that it answers at once: a file system with FUSE_BMAP, which every server \
      refuses, a volume with GET_ID ("empty"); and a file system with GETATTR of its root, one system call ("getattr \
      root"). What remains is kick, wake-up, ring, dispatch, answer and call: op/s are chains per second, CPU us/op is \
      the cost of a chain. With --poll-us=0 the driver sleeps at once, as a guest does whose hypervisor does not poll.
      """)

  enum Device: String, ExpressibleByArgument, CaseIterable {
    case fs
    case blk
  }

  @Option(help: "What kind of device the backends are.")
  var device = Device.fs

  @Option(
    help: ArgumentHelp("Our backend; default: martlet-fs or martlet-blk beside this program.", valueName: "program"))
  var ours: String?

  @OptionGroup(title: "Who") var rivals: RivalOptions

  @Option(help: ArgumentHelp("A backend that listens already, instead of ours.", valueName: "path"))
  var socket: String?

  @Option(help: ArgumentHelp("Its process, to count what it costs.", valueName: "number"))
  var pid: Int32?

  @OptionGroup var options: BenchOptions

  static let works: [Work] = [1, 4, 16, 32, 64, 128].flatMap { works(depth: $0) }

  private static func works(depth: Int) -> [Work] {
    let isUsual = depth == 1 || depth == 32
    return [
      Work(name: "empty d\(depth)", kind: .empty(.refused), depth: depth, isQuick: isUsual),
      Work(name: "getattr root d\(depth)", kind: .empty(.attributes), depth: depth, isEssential: isUsual),
    ]
  }

  func run() throws {
    try options.check()
    if socket != nil, ours != nil {
      throw HumanError.usage("--socket and --ours exclude each other; give one of them")
    }
    // A volume has no attributes to be asked for.
    let works = try options.chosen(
      from: device == .fs ? Self.works : Self.works.filter { !$0.name.hasPrefix("getattr") })
    if options.list { return options.show(names: works) }
    let specs = try rivals.specs(ours: ours, called: "martlet-\(device.rawValue)", socket: socket)
    let interruption = try Interruption()
    let folder = try BenchFolder()
    defer { HostFiles.removeTree(folder.path) }
    let shared = "\(folder.path)/share"
    do throws(Errno) { try HostFiles.makeDirectory(shared) } catch {
      throw HumanError.failure("cannot make the directory \(shared): \(error.message)")
    }
    let imageByteCount = 4 << 20
    let settings = ShareSettings(
      pollNanoseconds: options.pollNanoseconds, process: pid, fileByteCount: device == .fs ? 0 : imageByteCount)
    let shares = ShareStarter(specs: specs, shared: shared, folder: folder.path)
    let volumes = VolumeStarter(
      specs: specs, folder: folder.path,
      images: VolumeImages(disk: shared, memory: shared, byteCount: imageByteCount), queues: 1)
    try options.show(
      BenchPlan(
        modes: [BenchMode(name: "default", arguments: [])], works: works, pace: options.pace,
        countsSystemCalls: options.systemCalls, folder: folder.path, files: options.files, hasRival: specs.count > 1,
        enroll: { (mode) throws(HumanError) in
          if device == .blk {
            try volumes.images.prepare(.cached, count: specs.count)
            return try volumes.all(.cached, settings)
          }
          return try shares.all(mode) { (backend, number) throws(HumanError) in
            try ShareSession(backend, number: number, settings)
          }
        }), interruption)
  }
}

/// Starts the backends of a run on a shared directory.
struct ShareStarter {
  let specs: [BackendSpec]
  let shared: String
  let folder: String

  /// - Parameter number: tells several of the same backend apart.
  func start(_ spec: BackendSpec, _ mode: BenchMode, number: Int = 0) throws(HumanError) -> RunningBackend {
    try RunningBackend(spec, in: folder, number: number) { socket in
      ["--socket-path=\(socket)", "--shared-dir=\(shared)", "--allow-direct-io"] + mode.arguments
    }
  }

  func all(
    _ mode: BenchMode, _ session: (RunningBackend, Int) throws(HumanError) -> any Contestant
  ) throws(HumanError) -> [any Contestant] {
    try specs.contestants { (spec, _) throws(HumanError) in
      try start(spec, mode)
    } session: { (backend, number) throws(HumanError) in
      try session(backend, number)
    }
  }
}
