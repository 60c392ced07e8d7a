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

final class ShareSession {
  let backend: RunningBackend
  /// Tells the sessions of a run apart: they share a directory.
  let number: Int
  let client: FuseClient
  /// One per request queue in use.
  let lanes: [FuseLane]
  /// FORGETs go here.
  let forgets: FuseLane
  private let connection: FrontendConnection

  /// What Linux 7 offers to a virtio-fs server, without what no server here knows.
  private static let offered: FuseInitFlags = [
    .asyncRead, .posixLocks, .atomicOTrunc, .exportSupport, .bigWrites, .dontMask, .flockLocks, .hasIoctlDir,
    .autoInvalData, .doReaddirplus, .readdirplusAuto, .asyncDIO, .writebackCache, .noOpenSupport, .parallelDirops,
    .handleKillpriv, .posixACL, .abortError, .maxPages, .cacheSymlinks, .noOpendirSupport, .explicitInvalData,
    .submounts, .handleKillprivV2, .setxattrExt, .initExt, .securityCtx, .createSuppGroup, .hasExpireOnly,
    .directIOAllowMmap, .noExportSupport, .hasResend, .allowIdmap,
  ]

  /// Slots of a lane: the first ones have room for the largest transfers.
  static let slotCount = 64
  static let largeSlotCount = 16
  static let largeByteCount = 1 << 20
  static let smallByteCount = 128 << 10
  private static let forgetSlotCount = 64
  private static let timeoutNanoseconds: Int64 = 30_000_000_000

  /// - Parameter queues: request queues to use, as far as the backend has them.
  init(_ backend: RunningBackend, number: Int, queues wanted: Int) throws(HumanError) {
    self.backend = backend
    self.number = number
    do throws(FrontendError) {
      connection = try FrontendConnection(path: backend.socketPath, timeoutNanoseconds: Self.timeoutNanoseconds)
      let perLane =
        Self.largeSlotCount * Self.largeByteCount
        + (Self.slotCount - Self.largeSlotCount) * Self.smallByteCount + (4 << 20)
      let ram = try GuestRAM(byteCount: (wanted * perLane) + (16 << 20))
      var wishes = DriverWishes()
      wishes.queueSize = 256
      wishes.queueCount = 1 + wanted
      wishes.takesFewerQueues = true
      let driver = try VhostUserDriver(connection, ram: ram, wishes: wishes)
      try driver.start()
      client = FuseClient(driver)
      client.timeoutNanoseconds = Self.timeoutNanoseconds
      let sizes = (0..<Self.slotCount).map { $0 < Self.largeSlotCount ? Self.largeByteCount : Self.smallByteCount }
      lanes = try client.requests.map { (queue) throws(FrontendError) in try FuseLane(queue, dataByteCounts: sizes) }
      forgets = try FuseLane(
        client.highPriority, dataByteCounts: [Int](repeating: 0, count: Self.forgetSlotCount))
    } catch {
      throw .failure("\(backend.spec.name) is no share to measure: \(error)\(backend.lastWords)")
    }
    try orFail("INIT") { () throws(FuseError) in _ = try client.initialize(Self.offered) }
  }

  /// Runs requests that are part of the preparation; what goes wrong ends the bench.
  func orFail<Value>(_ what: String, _ body: () throws(FuseError) -> Value) throws(HumanError) -> Value {
    do {
      return try body()
    } catch {
      throw .failure("\(backend.spec.name): \(what) failed: \(error)\(backend.lastWords)")
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
      throw .failure("\(backend.spec.name): FORGET failed: \(error)\(backend.lastWords)")
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
  var isAlive: Bool {
    lanes.allSatisfy { $0.inFlightCount == 0 } && (try? client.statfs()) != nil
  }

  /// Ends the mount; the backend may serve another afterwards.
  func close() {
    try? client.destroy()
    connection.close()
  }
}
