// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A mount of a backend as the bench has it: memory, queues, INIT as Linux sends it, and lanes of prepared requests.
// FuseClient does what is not measured, the lanes what is.

internal import FuseProtocol
internal import Frontend
internal import Linux
internal import VirtioProtocol
internal import Wire

/// What all sessions of a run have in common.
struct ShareSettings {
  /// Request queues to use, as far as a backend has them.
  var queues = 1
  var pollNanoseconds: Int64 = 200_000
  /// Process to meter behind a backend that was not started here.
  var process: Int32?
  /// Of each file for reads and writes.
  var fileByteCount = 256 << 20
  /// Starts another one of the same backend, which knows nothing yet; nil where that cannot be.
  var again: ((BackendSpec) throws(HumanError) -> RunningBackend)?
}

final class ShareSession: DrivenSession, Contestant {
  let backend: RunningBackend
  /// Tells the sessions of a run apart: they share a directory.
  let number: Int
  let client: FuseClient
  /// One per request queue in use.
  let lanes: [FuseLane]
  /// FORGETs go here.
  let forgets: FuseLane
  let connection: FrontendConnection
  let settings: ShareSettings

  /// What Linux 7 offers to a virtio-fs server, without what no server here knows.
  private static let offered: FuseInitFlags = [
    .asyncRead, .posixLocks, .atomicOTrunc, .exportSupport, .bigWrites, .dontMask, .flockLocks, .hasIoctlDir,
    .autoInvalData, .doReaddirplus, .readdirplusAuto, .asyncDIO, .writebackCache, .noOpenSupport, .parallelDirops,
    .handleKillpriv, .posixACL, .abortError, .maxPages, .cacheSymlinks, .noOpendirSupport, .explicitInvalData,
    .submounts, .handleKillprivV2, .setxattrExt, .initExt, .securityCtx, .createSuppGroup, .hasExpireOnly,
    .directIOAllowMmap, .noExportSupport, .hasResend, .allowIdmap,
  ]

  /// Slots of a lane: the deepest work, and all of its jobs on one queue.
  static let slotCount = 256
  /// Room for the largest transfers, and a little more: buffers that lie a power of two apart would meet in the same
  /// few lines of the processor's caches.
  static let slotByteCount = (1 << 20) + (68 << 10)
  private static let queueSize = 512
  private static let forgetSlotCount = 64
  private static let timeoutNanoseconds: Int64 = 30_000_000_000

  init(_ backend: RunningBackend, number: Int, _ settings: ShareSettings) throws(HumanError) {
    self.backend = backend
    self.number = number
    self.settings = settings
    (connection, client, lanes, forgets) = try backend.setUp { (peer) throws(HumanError) in
      try Self.attach(peer, settings)
    }
    client.timeoutNanoseconds = Self.timeoutNanoseconds
  }

  /// Everything up to the first request of a guest.
  private static func attach(_ peer: Backend, _ settings: ShareSettings) throws(HumanError) -> (
    FrontendConnection, FuseClient, lanes: [FuseLane], forgets: FuseLane
  ) {
    let connection = try peer.connect()
    let driver = try peer.talking { () throws(FrontendError) in
      let perLane = Self.slotCount * (Self.slotByteCount + (16 << 10))
      let ram = try GuestRAM(byteCount: settings.queues * perLane + (16 << 20))
      var wishes = DriverWishes()
      wishes.queueSize = Self.queueSize
      wishes.queueCount = 1 + settings.queues
      wishes.takesFewerQueues = true
      return try VhostUserDriver(connection, ram: ram, wishes: wishes)
    }
    try peer.expectShare(driver)
    let client = FuseClient(driver)
    client.timeoutNanoseconds = connection.timeoutNanoseconds
    let lanes = try peer.talking { () throws(FrontendError) in
      try driver.start()
      let sizes = [Int](repeating: Self.slotByteCount, count: Self.slotCount)
      return (
        try client.requests.map { (queue) throws(FrontendError) in try FuseLane(queue, dataByteCounts: sizes) },
        try FuseLane(client.highPriority, dataByteCounts: [Int](repeating: 0, count: Self.forgetSlotCount))
      )
    }
    do throws(FuseError) { _ = try client.initialize(Self.offered) } catch {
      throw .failure(peer.sentence("INIT", error))
    }
    return (connection, client, lanes.0, lanes.1)
  }

  var name: String { backend.spec.name }
  var role: Role { backend.spec.role }
  var meter: ProcessMeter? { backend.meter(peer: settings.process) }
  var isUsable: Bool { !isGone && isAlive }

  /// Runs requests that are part of the preparation; what goes wrong ends the bench.
  func orFail<Value>(_ what: String, _ body: () throws(FuseError) -> Value) throws(HumanError) -> Value {
    do {
      return try body()
    } catch {
      if isGone { throw failure(.closed) }
      let peer = Backend(socket: backend.socketPath, timeoutSeconds: Int(Self.timeoutNanoseconds / 1_000_000_000))
      throw .failure("\(backend.spec.name): \(peer.sentence(what, error))\(backend.lastWords)")
    }
  }

  /// Drops references, as the guest does when it frees inodes, and waits until the backend has taken them.
  func forget(_ nodes: [(node: UInt64, count: UInt64)]) throws(HumanError) {
    do throws(FrontendError) {
      var late: [Int] = []
      while forgets.inFlightCount > 0 { try reapForgets(&late) }
      var free = Array(0..<Self.forgetSlotCount)
      for entry in nodes where entry.node != 0 {
        while free.isEmpty { try reapForgets(&free) }
        send(forget: entry, in: free.removeLast())
        // In batches, so that the bench does not spend its time on kicks.
        if free.count % 16 == 0 { forgets.flush() }
      }
      forgets.flush()
      while forgets.inFlightCount > 0 { try reapForgets(&free) }
    } catch {
      throw failure(error)
    }
  }

  /// Offers one FORGET; a flush of the lane shows it to the backend.
  func send(forget entry: (node: UInt64, count: UInt64), in slot: Int) {
    forgets.arguments(of: slot).store(FuseForgetIn(nlookup: entry.count))
    forgets.send(
      slot, .forget, node: entry.node,
      FuseShape(argumentByteCount: FuseForgetIn.byteCount, isAnswered: false))
  }

  private func reapForgets(_ free: inout [Int]) throws(FrontendError) {
    forgets.flush()
    while let used = try forgets.take() { free.append(used.slot) }
    if forgets.inFlightCount > 0 {
      try forgets.wait(pollNanoseconds: 20_000, timeoutNanoseconds: Self.timeoutNanoseconds)
      while let used = try forgets.take() { free.append(used.slot) }
    }
  }

  /// True if the backend still answers and nothing of the lanes is left in its hands.
  private var isAlive: Bool {
    lanes.allSatisfy { $0.inFlightCount == 0 } && (try? client.statfs()) != nil
  }

  /// Ends the mount; the backend may serve another afterwards.
  func close() {
    if !isGone { try? client.destroy() }
    connection.close()
    backend.stop()
  }
}
