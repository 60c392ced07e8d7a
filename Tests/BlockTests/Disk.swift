// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A volume from end to end in one process: an image on the host, the device behind an endpoint on a socket, and clients
// that drive it over shared memory as a guest's kernel would. Tests act through `client` and check with the host's own
// view of the image, or the other way round.

import Block
import BlockProtocol
import Foundation
import Frontend
import Linux
import Synchronization
import Testing
import VhostUser
import VirtioProtocol
import Wire

/// A way in which requests are done; most tests run on all of them.
struct Way: Sendable, CustomTestStringConvertible {
  let directory: String
  let direct: DirectIO
  let engine: EngineChoice
  var pinned = PinnedMemory.off
  let testDescription: String

  static let ringBuffered = Way(directory: "/var/tmp", direct: .off, engine: .auto, testDescription: "ring, cached")
  static let ringDirect = Way(directory: "/var/tmp", direct: .on, engine: .auto, testDescription: "ring, direct")
  static let ringPinned = Way(
    directory: "/var/tmp", direct: .on, engine: .auto, pinned: .on, testDescription: "ring, direct, pinned memory")
  static let threadsBuffered = Way(
    directory: "/var/tmp", direct: .off, engine: .threads, testDescription: "threads, cached")
  static let threadsDirect = Way(
    directory: "/var/tmp", direct: .on, engine: .threads, testDescription: "threads, direct")
  static let memory = Way(directory: "/dev/shm", direct: .off, engine: .auto, testDescription: "in memory")

  static let all = [ringBuffered, ringDirect, ringPinned, threadsBuffered, threadsDirect, memory]
}

/// An image file that goes away with the test.
final class ImageFile {
  let path: String
  private static let counter = Atomic<Int>(0)

  /// - Parameter contents: the bytes; the rest up to `byteCount` is a hole.
  init(in directory: String = "/var/tmp", byteCount: Int, contents: [UInt8] = []) throws {
    let number = ImageFile.counter.add(1, ordering: .relaxed).newValue
    path = "\(directory)/martlet-blk-\(getpid())-\(number).img"
    let file = try open(OpenFlags.readWrite | OpenFlags.create | OpenFlags.truncate)
    try file.file.setSize(Int64(byteCount))
    if !contents.isEmpty { try write(contents, at: 0) }
  }

  /// A device that somebody else made.
  init(linking device: String) throws {
    let number = ImageFile.counter.add(1, ordering: .relaxed).newValue
    path = "/tmp/martlet-blk-\(getpid())-\(number).img"
    try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: device)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  func open(_ flags: Int32) throws -> FileDescriptor { try Path(path).open(flags: flags, mode: 0o600) }

  func resize(_ byteCount: Int) throws {
    let descriptor = try open(OpenFlags.readWrite)
    try descriptor.file.setSize(Int64(byteCount))
  }

  func write(_ bytes: [UInt8], at offset: Int) throws {
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: path))
    try handle.seek(toOffset: UInt64(offset))
    try handle.write(contentsOf: Data(bytes))
    try handle.close()
  }

  /// What the host sees (pread of the image).
  func bytes(at offset: Int, count: Int) throws -> [UInt8] {
    let handle = try FileHandle(forReadingFrom: URL(fileURLWithPath: path))
    defer { try? handle.close() }
    try handle.seek(toOffset: UInt64(offset))
    return [UInt8](try handle.read(upToCount: count) ?? Data())
  }

  /// Bytes that are allocated.
  var allocated: Int { Int(((try? Path(path).status().blocks) ?? 0) * 512) }
}

/// A block device behind an endpoint on a socket, for whatever frontend comes.
final class Backend {
  let image: ImageFile
  let device: BlockDevice
  let socketPath: String
  /// Lines of the device for the log.
  let reports = Reports()
  private let endpoint: Endpoint
  private var thread: Linux.Thread?
  private static let counter = Atomic<Int>(0)

  final class Reports: Sendable {
    private let lines = Mutex<[String]>([])
    func add(_ line: String) { lines.withLock { $0.append(line) } }
    var all: [String] { lines.withLock { $0 } }
  }

  init(_ image: ImageFile, _ options: VolumeOptions) throws {
    self.image = image
    let reports = reports
    let device = try BlockDevice(
      options, image: try Image(path: image.path, readOnly: options.readOnly, direct: options.direct)
    ) { reports.add($0) }
    self.device = device
    let number = Backend.counter.add(1, ordering: .relaxed).newValue
    socketPath = "/tmp/martlet-blk-\(getpid())-\(number).sock"
    let endpoint = Endpoint(listener: try ListeningSocket(path: socketPath, mode: 0o700), device: device)
    self.endpoint = endpoint
    thread = try Linux.Thread(name: "endpoint") { _ = endpoint.run() }
  }

  func connect() throws -> FrontendConnection { try FrontendConnection(path: socketPath) }

  /// Ends it and waits until it is gone. Idempotent.
  func close() {
    guard let running = thread.take() else { return }
    endpoint.stop()
    running.join()
    try? FileManager.default.removeItem(atPath: socketPath)
  }

  deinit {
    close()
  }
}

/// A backend with a driver that gets on with it.
final class Disk {
  let backend: Backend
  let driver: VhostUserDriver
  let clients: [BlockClient]

  /// Every feature that a block device may offer, and the ring's.
  static let everything = (UInt64(0)..<24).reduce(DriverWishes().features) { $0.union(.device($1)) }

  /// A driver with one queue that takes everything.
  static var wishes: DriverWishes {
    var wishes = DriverWishes()
    wishes.features = everything
    return wishes
  }

  /// - Parameters:
  ///   - contents: what the image begins with.
  ///   - features: what the driver takes of what is offered.
  init(
    _ way: Way = .ringBuffered, byteCount: Int = 4 << 20, contents: [UInt8] = [], image: ImageFile? = nil,
    queues: Int = 1, queueSize: Int = 128, memoryMiB: Int = 16, features: VirtioFeatures = Disk.everything,
    _ configure: (inout VolumeOptions) -> Void = { _ in }
  ) throws {
    var options = VolumeOptions(name: "test")
    options.queueCount = queues
    options.queueSize = queueSize
    options.direct = way.direct
    options.engine = way.engine
    options.pinnedMemory = way.pinned
    configure(&options)
    let image = try image ?? ImageFile(in: way.directory, byteCount: byteCount, contents: contents)
    backend = try Backend(image, options)
    var wishes = DriverWishes()
    wishes.queueCount = queues
    wishes.queueSize = queueSize
    wishes.features = features
    driver = try VhostUserDriver(
      try backend.connect(), ram: try GuestRAM(byteCount: memoryMiB << 20), wishes: wishes)
    // As every frontend that begins: who does not ask comes back (ConfigurationTests).
    _ = try driver.config(count: BlockConfig.byteCount)
    try driver.start()
    clients = driver.queues.map { BlockClient($0) }
  }

  var image: ImageFile { backend.image }
  var device: BlockDevice { backend.device }
  var client: BlockClient { clients[0] }

  /// The configuration space as the guest reads it.
  func config() throws -> BlockConfig {
    let bytes = try driver.config(count: BlockConfig.byteCount)
    return try #require(bytes.load(BlockConfig.self))
  }

  /// The guest leaves. Idempotent.
  func close() {
    driver.connection.close()
    backend.close()
  }

  deinit {
    close()
  }
}

/// Bytes that tell where they belong.
func pattern(_ count: Int, seed: Int = 1) -> [UInt8] {
  var state = UInt64(truncatingIfNeeded: seed) &* 0x9e37_79b9_7f4a_7c15 | 1
  return (0..<count).map { _ in
    state ^= state << 13
    state ^= state >> 7
    state ^= state << 17
    return UInt8(truncatingIfNeeded: state >> 32)
  }
}

/// Waits for what another thread or process does; minutes, because a disk may be busy with others' work.
func eventually(
  _ what: Comment, seconds: Double = 300, sourceLocation: SourceLocation = #_sourceLocation,
  _ condition: () throws -> Bool
) throws {
  let deadline = Linux.Clock.monotonic + Int64(seconds * 1e9)
  while Linux.Clock.monotonic < deadline {
    if try condition() { return }
    usleep(2000)
  }
  Issue.record(what, sourceLocation: sourceLocation)
}
