// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// `martlet mount`: the share of a vhost-user-fs backend as a directory of this host. The kernel's FUSE messages come
// out of /dev/fuse and go through virtqueues in shared memory, as they would in a guest.

internal import ArgumentParser
internal import Frontend
internal import FuseProtocol
internal import Linux
internal import VhostUserProtocol
internal import VirtioProtocol
internal import Wire

struct MountCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "mount",
    abstract: "Mounts the share of a vhost-user-fs backend on this host.",
    discussion: """
      It works with every backend: martlet-fs, and virtiofsd in C and in Rust. It stays in the foreground; SIGTERM, \
      SIGINT and umount end it. When the backend ends, so does the mount: calls under way fail, and it leaves the tree.
      """)

  @OptionGroup var backend: BackendOptions

  @Argument(help: ArgumentHelp("An empty directory.", valueName: "directory"))
  var directory: String

  @Option(
    help: ArgumentHelp(
      "Number of request queues to use, each with its own thread here. Default: what the backend has, and no more than "
        + "there are processors.", valueName: "count"))
  var queues: Int?

  @Option(
    name: .customShort("o"), parsing: .singleValue,
    help: ArgumentHelp(
      "Mount options as a comma separated list, as of other FUSE mounts: ro, noatime, dev, suid, ...",
      valueName: "list"))
  var options: [String] = []

  @Flag(help: "Stay in the foreground: it always does.")
  var foreground = false

  @Flag(name: .customLong("read-only"), help: "Let nothing be changed.")
  var readOnly = false

  @Flag(
    name: .customLong("allow-other"), inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Let other users use the mount, by the permissions of its files. Default: if root mounts.")
  var allowOther: Bool?

  @Flag(
    help: ArgumentHelp(
      "Tell the backend when a process is interrupted that waits for it. No driver of virtio-fs does that: most "
        + "backends ignore it, virtiofsd of QEMU 7 crashes."))
  var interrupts = false

  /// A frontend may have that many: the most that Martlet's own backend offers.
  private static let mostQueues = 64

  func validate() throws {
    if let queues, !(1...MountCommand.mostQueues).contains(queues) {
      throw ValidationError("--queues needs a number from 1 to \(MountCommand.mostQueues), not \(queues)")
    }
  }

  func run() throws {
    try mount()
  }

  private func mount() throws(HumanError) {
    let isRoot = CurrentProcess.effectiveUser == 0
    let options = MountOptions(
      isReadOnly: readOnly, allowsOthers: allowOther ?? isRoot, lists: self.options)
    let backend = self.backend.backend
    // What the command line says wrong is said before anything is touched.
    _ = try options.words(source: "")
    let point = try MountPoint(directory)
    let signals = try blockSignals()
    let device = try start(backend)
    let source = source(device, backend)
    let words = try options.words(source: source)
    let lanes = try backend.talking { () throws(FrontendError) in try MountLanes(device.queues) }
    let session = try FuseSession(point.path, options: words)
    let server: MountServer
    do throws(Errno) {
      server = try MountServer(backend, device, session, point, signals, lanes, forwardsInterrupts: interrupts)
    } catch {
      session.end()
      throw .failure("cannot start the threads of the mount (\(error.message)); raise the limits of this process")
    }
    try server.run(source: source)
  }

  /// From here on signals wait until somebody reads them: none may leave a mount without its server.
  private func blockSignals() throws(HumanError) -> SignalDescriptor {
    Signal.brokenPipe.ignore()
    do throws(Errno) {
      return try SignalDescriptor([.terminate, .interrupt, .hangUp])
    } catch {
      throw .failure("cannot create a signalfd (\(error.message)); raise the limit of open descriptors")
    }
  }

  /// A running device with a high-priority queue and as many request queues as shall be used.
  private func start(_ backend: Backend) throws(HumanError) -> VhostUserDriver {
    let wanted = queues ?? min(Processors.usableCount, MountCommand.mostQueues)
    let connection = try backend.connect()
    var wishes = DriverWishes()
    wishes.protocolFeatures = [.mq, .replyAck, .config, .configureMemSlots]
    wishes.queueCount = 1 + wanted
    wishes.queueSize = MountLanes.queueSize
    wishes.takesFewerQueues = true
    let device = try backend.talking { () throws(FrontendError) in
      let ram = try GuestRAM(byteCount: MountLanes.memoryByteCount(requestQueues: wanted))
      return try VhostUserDriver(connection, ram: ram, wishes: wishes)
    }
    try backend.expectShare(device)
    if let queues, device.queues.count - 1 < queues {
      throw .failure(
        "the backend at '\(backend.socket)' has \(device.queues.count - 1) request queues, --queues asks for "
          + "\(queues); ask for less, or start it with more")
    }
    try backend.talking { () throws(FrontendError) in try device.start() }
    return device
  }

  /// What is shown as the mount's source: the share's tag where the device says it, else the socket.
  private func source(_ device: VhostUserDriver, _ backend: Backend) -> String {
    guard device.protocolFeatures.contains(.config),
      let bytes = try? device.config(count: FileSystemConfig.byteCount),
      let tag = DeviceConfiguration.FileSystem(bytes, queueCount: device.backendQueueCount)?.tag
    else { return backend.socket }
    return tag
  }
}
