// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

//
// A share from end to end in one process: a directory of the host, the device behind an endpoint on a socket, and a
// client that drives it over shared memory as a guest's kernel would. Tests act through `client` and check with `Host`
// what the host sees, or the other way round.

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Synchronization
import Testing
import VhostUser
import Wire

/// A file system of the host to put shares on.
enum Ground: String, CaseIterable {
  /// Usually a real disk: handles, ACLs, file flags.
  case disk = "/var/tmp"
  /// tmpfs: large attributes, and fast.
  case memory = "/dev/shm"
}

final class Mount {
  /// The share's directory on the host.
  let directory: String
  let device: FileSystemDevice
  let driver: VhostUserDriver
  /// Uses all request queues.
  let client: FuseClient
  private let endpoint: Endpoint
  private var thread: Linux.Thread?
  let socketPath: String
  /// Goes after `close`: something may still be mounted in it.
  private let own: TemporaryDirectory?
  private static let counter = Atomic<Int>(0)

  /// What Linux 7.2's virtiofs offers in INIT.
  static let linux: FuseInitFlags = [
    .asyncRead, .posixLocks, .atomicOTrunc, .exportSupport, .bigWrites, .dontMask, .spliceWrite, .spliceMove,
    .spliceRead, .flockLocks, .hasIoctlDir, .autoInvalData, .doReaddirplus, .readdirplusAuto, .asyncDIO,
    .writebackCache, .noOpenSupport, .parallelDirops, .handleKillpriv, .posixACL, .abortError, .maxPages,
    .cacheSymlinks, .noOpendirSupport, .explicitInvalData, .submounts, .handleKillprivV2, .setxattrExt, .initExt,
    .securityCtx, .createSuppGroup, .hasExpireOnly, .directIOAllowMmap, .noExportSupport, .hasResend, .allowIdmap,
    .requestTimeout,
  ]

  /// - Parameters:
  ///   - directory: what to share; nil for an empty directory of its own.
  ///   - guest: what INIT offers; nil leaves INIT to the test.
  ///   - queues: number of request queues.
  init(
    of directory: String? = nil, on ground: Ground = .disk, guest: FuseInitFlags? = Mount.linux, queues: Int = 1,
    queueSize: Int = 256, memoryMiB: Int = 8, _ configure: (inout ShareOptions) -> Void = { _ in }
  ) throws {
    let number = Mount.counter.add(1, ordering: .relaxed).newValue
    let name = "martlet-fs-\(getpid())-\(number)"
    let own = directory == nil ? try TemporaryDirectory(on: ground) : nil
    self.own = own
    self.directory = own?.path ?? directory ?? ""
    socketPath = "/tmp/\(name).sock"
    var options = ShareOptions(name: name)
    options.requestQueues = queues
    configure(&options)
    let device = try Mount.device(options, sharing: self.directory)
    let endpoint = Endpoint(listener: try ListeningSocket(path: socketPath, mode: 0o700), device: device)
    self.device = device
    self.endpoint = endpoint
    thread = try Linux.Thread(name: "endpoint") { _ = endpoint.run() }
    var wishes = DriverWishes()
    wishes.queueCount = queues + 1
    wishes.queueSize = queueSize
    driver = try VhostUserDriver(
      try FrontendConnection(path: socketPath), ram: try GuestRAM(byteCount: memoryMiB << 20), wishes: wishes)
    try driver.start()
    client = FuseClient(driver)
    // A debug build on a busy machine, with requests that work for seconds.
    client.timeoutNanoseconds = 60_000_000_000
    if let guest { try client.initialize(guest) }
  }

  /// The device alone.
  static func device(_ options: ShareOptions, sharing directory: String) throws -> FileSystemDevice {
    let root = try Host.open(directory, OpenFlags.path)
    let descriptors = SharedDescriptor(try Host.open("/proc/self/fd", OpenFlags.path | OpenFlags.directory))
    return try FileSystemDevice(options, root: root, descriptorDirectory: descriptors)
  }

  /// The guest leaves; nothing of it may be left. Idempotent.
  func close(sourceLocation: SourceLocation = #_sourceLocation) {
    guard let running = thread.take() else { return }
    driver.connection.close()
    endpoint.stop()
    running.join()
    try? FileManager.default.removeItem(atPath: socketPath)
    let left = device.population
    #expect(left == (0, 0), "inodes and open files of a guest that left", sourceLocation: sourceLocation)
    guard own != nil else { return }
    // The root, and the root again as the anchor of its mount.
    let open = Host.descriptors(below: directory)
    #expect(open.count <= 2, "descriptors of a guest that left: \(open)", sourceLocation: sourceLocation)
  }

  deinit {
    close()
  }

  /// The host's path of a name in the share.
  func path(_ name: String) -> String { directory + "/" + name }

  /// Looks a path up, component by component; every node on the way keeps a reference.
  func node(_ path: String) throws -> UInt64 {
    var node = Fuse.rootID
    for name in path.split(separator: "/") { node = try client.lookup(node, String(name)).nodeid }
    return node
  }

  /// Makes a file on the host and opens it in the guest.
  func open(_ name: String, containing text: String = "", flags: Int32 = O_RDWR) throws -> (
    node: UInt64, handle: UInt64
  ) {
    if !FileManager.default.fileExists(atPath: path(name)) { try Host.write(text, to: path(name)) }
    let node = try node(name)
    return (node, try client.open(node, flags: UInt32(bitPattern: flags)).fh)
  }

  /// The contents of a small file.
  func contents(_ node: UInt64) throws -> [UInt8] {
    let handle = try client.open(node, flags: 0).fh
    let bytes = try client.read(node, handle, offset: 0, count: 4096)
    try client.release(node, handle)
    return bytes
  }

  /// Runs `body` with the client acting for another user.
  func with<Result>(user: UInt32, group: UInt32? = nil, _ body: () throws -> Result) rethrows -> Result {
    (client.uid, client.gid) = (user, group ?? user)
    defer { (client.uid, client.gid) = (0, 0) }
    return try body()
  }
}

/// Expects that the share answers with an error number.
func expectRefused<Result>(
  _ errno: Errno, _ comment: Comment? = nil, sourceLocation: SourceLocation = #_sourceLocation,
  _ body: () throws -> Result
) {
  #expect(throws: FuseError.refused(errno), comment, sourceLocation: sourceLocation) { try body() }
}

/// What `body` returns, or nil if the share refuses it with one of the errors; any other error is thrown.
func unlessRefused<Result>(_ errors: Errno..., body: () throws -> Result) throws -> Result? {
  do {
    return try body()
  } catch let error as FuseError {
    if case .refused(let errno) = error, errors.contains(errno) { return nil }
    throw error
  }
}

/// A value that one thread hands to another and does not use meanwhile; that is why it may be unchecked Sendable.
struct Handed<Value>: @unchecked Sendable {
  let value: Value
}

/// Something that runs once on a thread of its own.
final class Job {
  private var thread: Linux.Thread?

  init(_ body: @escaping @Sendable () -> Void) throws {
    thread = try Linux.Thread(name: "job", body)
  }

  func join() {
    if let thread = thread.take() { thread.join() }
  }

  deinit {
    join()
  }
}

/// Does something on a thread of its own again and again, until `stop`.
final class Disturbance {
  private let stopping = SharedFlag()
  private var thread: Linux.Thread?

  init(_ body: @escaping @Sendable () -> Void) throws {
    let stopping = stopping
    thread = try Linux.Thread(name: "disturbance") {
      while !stopping.flag.load(ordering: .relaxed) { body() }
    }
  }

  func stop() {
    stopping.flag.store(true, ordering: .relaxed)
    if let thread = thread.take() { thread.join() }
  }

  deinit {
    stop()
  }
}

private final class SharedFlag: Sendable {
  let flag = Atomic<Bool>(false)
}
