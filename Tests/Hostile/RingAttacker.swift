// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A driver of a victim that can take a broken queue down and up again.

import Frontend
import Linux
import Synchronization
import Testing
import VhostUserProtocol
import VirtioProtocol
import Wire

/// Queue 0 is attacked, queue 1 stays honest.
final class RingAttacker {
  let driver: VhostUserDriver
  var attacked: DriverQueue { driver.queues[0] }
  var honest: DriverQueue { driver.queues[1] }

  init(_ victim: Victim, queueSize: Int = 64, indirect: Bool = true) throws {
    var wishes = DriverWishes()
    wishes.queueCount = 2
    wishes.queueSize = queueSize
    if !indirect { wishes.features.remove(.indirectDescriptors) }
    // Two regions with a hole between them, none at 0.
    let ram = try GuestRAM([
      GuestRegionLayout(guestAddress: 0x10_0000, byteCount: 1 << 20, userAddress: 0x7000_0000_0000),
      GuestRegionLayout(guestAddress: 0x40_0000, byteCount: 1 << 20, userAddress: 0x7100_0000_0000),
    ])
    driver = try VhostUserDriver(try victim.connect(), ram: ram, wishes: wishes)
    try driver.start()
  }

  /// Memory that random descriptors may point to: the device writes there, so it holds nothing that has to last.
  func arena() throws -> GuestBuffer {
    try driver.ram.allocate(512 << 10)
  }

  /// Stops the attacked queue, empties it and starts it again.
  func revive() throws {
    let connection = driver.connection
    _ = try connection.getRingBase(0)
    attacked.reset()
    try connection.setRingBase(0, 0, needReply: true)
    try connection.setKick(0, attacked.kickEvent.file, needReply: true)
  }
}

/// Overwrites parts of guest memory in a thread of its own until told to stop.
final class Scribbler: Sendable {
  private let stopping = Atomic<Bool>(false)

  /// - Parameters:
  ///   - targets: runs of guest memory, of at least 16 bytes each.
  ///   - arena: where the descriptors that it writes point to.
  func start(
    _ ram: GuestRAM, _ targets: [(guestAddress: UInt64, count: Int)], arena: (guestAddress: UInt64, count: Int),
    seed: UInt64
  ) throws -> Linux.Thread {
    try Linux.Thread(name: "scribbler") {
      var dice = Dice(seed: seed)
      while !self.stopping.load(ordering: .relaxed) {
        let target = dice.pick(targets)
        guard let segment = ram.segment(at: target.guestAddress, count: target.count) else { return }
        let place = dice.roll(target.count / 16) * 16
        let descriptor = dice.descriptor(into: arena.guestAddress, arena.count)
        if dice.hits(4) {
          // Half of one: only its length and flags, or its flags and next, are new.
          let part =
            dice.hits(2) ? UInt64(descriptor.length) | UInt64(descriptor.flags) << 32 : UInt64(descriptor.flags)
          segment.store(part, at: place + 8)
        } else {
          segment.store(descriptor, at: place)
        }
      }
    }
  }

  func stop() {
    stopping.store(true, ordering: .relaxed)
  }
}

extension Dice {
  /// A descriptor that may pass every check, or fail any. What it describes lies in the arena, or nowhere.
  mutating func descriptor(into arena: UInt64, _ count: Int) -> SplitDescriptor {
    let memory: ClosedRange<UInt64> = 0x10_0000...0x50_0000
    let anywhere = edge()
    let length = hits(8) ? UInt32(truncatingIfNeeded: edge()) : UInt32(roll(2048))
    return SplitDescriptor(
      address: hits(8) && !memory.contains(anywhere) ? anywhere : arena + UInt64(roll(count - 2048)),
      length: length <= 2048 || length > 4 << 20 ? length : 2048,
      flags: hits(20) ? UInt16(truncatingIfNeeded: next()) : UInt16(pick([0, 1, 1, 2, 3, 4])),
      next: hits(20) ? UInt16(truncatingIfNeeded: next()) : UInt16(roll(64)))
  }
}
