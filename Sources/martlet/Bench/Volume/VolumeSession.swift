// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A block device driven through virtqueues of this program, as Linux lays its requests out.

internal import BlockProtocol
internal import Frontend
internal import Linux
internal import VirtioProtocol
internal import Wire

final class VolumeSession: DrivenSession, Contestant {
  let backend: RunningBackend
  let connection: FrontendConnection
  /// One per queue.
  private let lanes: [BlockLane]
  /// The first queue again, with buffers that begin in the middle of a sector.
  private let unaligned: BlockLane
  private let settings: ShareSettings
  /// What may be read and written.
  private let byteCount: Int

  private static let slotCount = 128
  private static let unalignedSlotCount = 32
  /// Room for the largest transfers, and a little more (see ShareSession).
  private static let slotByteCount = (128 << 10) + (4 << 10)
  private static let smallByteCount = 8 << 10
  private static let misalignment = 8
  static let queueSize = 256

  init(_ backend: RunningBackend, _ settings: ShareSettings) throws(HumanError) {
    self.backend = backend
    self.settings = settings
    let connected = try backend.setUp { (peer) throws(HumanError) in try Self.attach(peer, settings) }
    (connection, lanes, unaligned) = (connected.connection, connected.lanes, connected.unaligned)
    byteCount = min(Int(clamping: connected.capacity), Int.max / 512) * 512
    guard byteCount >= settings.fileByteCount else {
      throw .failure(
        "the volume of \(backend.spec.name) is too small: \(byteCount >> 20) of \(settings.fileByteCount >> 20) MiB; "
          + "give its size with --file-mib")
    }
  }

  private static func attach(_ peer: Backend, _ settings: ShareSettings) throws(HumanError) -> (
    connection: FrontendConnection, capacity: UInt64, lanes: [BlockLane], unaligned: BlockLane
  ) {
    let connection = try peer.connect()
    let driver = try peer.talking { () throws(FrontendError) in
      let perLane = Self.slotCount * (Self.slotByteCount + (8 << 10)) + (2 << 20)
      let ram = try GuestRAM(byteCount: settings.queues * perLane + (16 << 20))
      var wishes = DriverWishes()
      wishes.queueSize = Self.queueSize
      wishes.queueCount = settings.queues
      wishes.takesFewerQueues = true
      // A driver that cannot flush gets writes that are safe when they are answered: no system boots like that.
      wishes.features.insert(.device(BlockFeatureBit.flush))
      return try VhostUserDriver(connection, ram: ram, wishes: wishes)
    }
    guard let first = driver.queues.first else {
      throw .failure("the backend at '\(peer.socket)' is no volume: it has no queue; see martlet inspect")
    }
    return try peer.talking { () throws(FrontendError) in
      let config = try driver.config(count: 60)
      try driver.start()
      let lanes = try driver.queues.map { (queue) throws(FrontendError) in
        try BlockLane(queue, depth: Self.slotCount, dataByteCount: Self.slotByteCount)
      }
      let unaligned = try BlockLane(
        first, depth: Self.unalignedSlotCount, dataByteCount: Self.smallByteCount, misalignment: Self.misalignment)
      return (connection, config.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }, lanes, unaligned)
    }
  }

  var name: String { backend.spec.name }
  var role: Role { backend.spec.role }
  var meter: ProcessMeter? { backend.meter(peer: settings.process) }
  var isUsable: Bool { !isGone && lanes.allSatisfy { $0.inFlightCount == 0 } }

  func runner(for work: Work) throws(HumanError) -> (any Runner)? {
    switch work.kind {
    case .data(let pattern) where pattern.isUnaligned:
      let load = BlockLoad(pattern, fileByteCount: settings.fileByteCount, job: 0)
      return drive([unaligned], DriveJob.share(load, depth: work.depth, over: 1))
    case .data(let pattern):
      let lanes = Array(self.lanes.prefix(work.queues))
      let loads = (0..<work.jobs).map { BlockLoad(pattern, fileByteCount: settings.fileByteCount, job: $0) }
      return drive(lanes, DriveJob.spread(loads, depth: work.depth, over: lanes.count))
    case .empty: return drive([lanes[0]], DriveJob.share(EmptyBlockLoad(), depth: work.depth, over: 1))
    default: return nil
    }
  }

  private func drive(_ lanes: [BlockLane], _ jobs: [DriveJob<BlockLane>]) -> any Runner {
    Drive(self, lanes, jobs, pollNanoseconds: settings.pollNanoseconds)
  }

  func close() {
    connection.close()
    backend.stop()
  }
}

/// Reads or writes of one size.
final class BlockLoad: Load {
  private let type: BlockRequestType
  private let byteCount: Int
  private var blocks: BlockSequence
  private static let sectorByteCount: UInt64 = 512

  init(_ pattern: DataPattern, fileByteCount: Int, job: Int) {
    type = pattern.writes ? .write : .read
    byteCount = pattern.byteCount
    blocks = BlockSequence(pattern, fileByteCount: fileByteCount, job: job)
  }

  func begin(_ lane: BlockLane, _ slot: Int) {
    lane.send(slot, type, sector: blocks.nextOffset() / Self.sectorByteCount, byteCount: byteCount)
  }

  func advance(_ lane: BlockLane, _ slot: Int, _ detail: Int) throws(LoadError) -> LoadProgress {
    guard detail == Int(BlockStatus.ok.rawValue) else {
      throw LoadError(message: "a \(type) was answered with status \(detail)")
    }
    return .done(1)
  }
}

/// GET_ID: twenty bytes that no disk is asked for.
final class EmptyBlockLoad: Load {
  private static let byteCount = 20

  func begin(_ lane: BlockLane, _ slot: Int) {
    lane.send(slot, .getID, sector: 0, byteCount: Self.byteCount)
  }

  func advance(_ lane: BlockLane, _ slot: Int, _ detail: Int) throws(LoadError) -> LoadProgress {
    guard detail == Int(BlockStatus.ok.rawValue) else {
      throw LoadError(message: "GET_ID was answered with status \(detail)")
    }
    return .done(1)
  }
}
