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

  /// - Parameter targets: runs of guest memory, of at least 16 bytes each.
  func start(_ ram: GuestRAM, _ targets: [(guestAddress: UInt64, count: Int)], seed: UInt64) throws -> Linux.Thread {
    let base = ram.regions[0].layout.guestAddress
    return try Linux.Thread(name: "scribbler") {
      var dice = Dice(seed: seed)
      while !self.stopping.load(ordering: .relaxed) {
        let target = dice.pick(targets)
        guard let segment = ram.segment(at: target.guestAddress, count: target.count) else { return }
        // Whole descriptors, mostly believable, now and then half of one.
        let place = dice.roll(target.count / 16) * 16
        if dice.hits(4) {
          segment.store(UInt16(truncatingIfNeeded: dice.next()), at: place + dice.roll(8) * 2)
        } else {
          segment.store(Dice.descriptor(&dice, base: base), at: place)
        }
      }
    }
  }

  func stop() {
    stopping.store(true, ordering: .relaxed)
  }
}

extension Dice {
  /// A descriptor that may pass every check, or fail any.
  static func descriptor(_ dice: inout Dice, base: UInt64) -> SplitDescriptor {
    SplitDescriptor(
      address: dice.hits(8) ? dice.edge() : base + UInt64(dice.roll(1 << 20)),
      length: dice.hits(8) ? UInt32(truncatingIfNeeded: dice.edge()) : UInt32(dice.roll(2048)),
      flags: dice.hits(20) ? UInt16(truncatingIfNeeded: dice.next()) : UInt16(dice.pick([0, 1, 1, 2, 3, 4])),
      next: dice.hits(20) ? UInt16(truncatingIfNeeded: dice.next()) : UInt16(dice.roll(64)))
  }
}
