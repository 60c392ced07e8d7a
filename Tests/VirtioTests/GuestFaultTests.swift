// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import Virtio
import VirtioProtocol
import Wire

/// A way in which a driver breaks the rules.
struct Offence: Sendable, CustomTestStringConvertible {
  let testDescription: String
  var features: VirtioFeatures = [.eventIndex, .indirectDescriptors]
  let commit: @Sendable (TestRing) -> Void

  init(
    _ name: String, features: VirtioFeatures = [.eventIndex, .indirectDescriptors],
    _ commit: @escaping @Sendable (TestRing) -> Void
  ) {
    testDescription = name
    self.features = features
    self.commit = commit
  }
}

/// Every `GuestFault` in every way known. Invariants: the fault names the rule that was broken; nothing outside the
/// shared memory is read; a chain that faulted shows nothing outside it either.
@Suite struct GuestFaultTests {
  private static let base = TestRing.base
  private static let end = TestRing.base + UInt64(TestRing.byteCount)

  /// A ring of 16 with one region that ends in nothing and one that another adjoins.
  private func expect(_ fault: GuestFault, from offence: Offence) throws {
    let ring = TestRing(
      size: 16, features: offence.features,
      regions: [
        (TestRing.base, TestRing.byteCount), (0x100_0000, 0x1000), (0x100_1000, 0x1000), (0x200_0000, 0x1000),
      ])
    offence.commit(ring)
    let queue = try ring.queue(startingAt: 0)
    #expect(throws: fault) { try queue.pop() }
    #expect(ring.usedIndex == 0)
  }

  @Test(arguments: [
    Offence("one more than the ring holds") { $0.jump(to: 17) },
    Offence("half way round") { $0.jump(to: 0x8000) },
    Offence("one back") { $0.jump(to: 0xffff) },
  ])
  func `an available index that jumps is noticed`(_ offence: Offence) throws {
    try expect(.availableIndexJumped, from: offence)
  }

  @Test(arguments: [
    Offence("head is the size") { $0.offer(16) },
    Offence("head is 65535") { $0.offer(65535) },
    Offence("next is the size") {
      $0.describe(0, base, 1, flags: TestRing.next, next: 16)
      $0.offer(0)
    },
    Offence("next is 65535") {
      $0.describe(0, base, 1, flags: TestRing.next, next: 65535)
      $0.offer(0)
    },
    Offence("next leaves the indirect table") {
      $0.describe(0, base, 32, flags: TestRing.indirect)
      $0.describe(0, base, 1, flags: TestRing.next, next: 2, in: $0.bytes(base, 32))
      $0.offer(0)
    },
  ])
  func `an index outside its table is noticed`(_ offence: Offence) throws {
    try expect(.descriptorOutOfRange, from: offence)
  }

  @Test(arguments: [
    Offence("a descriptor that follows itself") {
      $0.describe(0, base, 1, flags: TestRing.next, next: 0)
      $0.offer(0)
    },
    Offence("two that follow each other, without bytes") {
      $0.describe(0, base, 0, flags: TestRing.next, next: 1)
      $0.describe(1, base, 0, flags: TestRing.next, next: 0)
      $0.offer(0)
    },
    Offence("the whole table and back to its start") { ring in
      ring.link((0..<16).map { .readable(base + UInt64($0), 1) })
      ring.describe(15, base, 1, flags: TestRing.next, next: 0)
      ring.offer(0)
    },
    Offence("a loop in an indirect table") {
      $0.describe(0, base, 32, flags: TestRing.indirect)
      $0.describe(0, base + 64, 1, flags: TestRing.next, next: 1, in: $0.bytes(base, 32))
      $0.describe(1, base + 64, 1, flags: TestRing.next, next: 0, in: $0.bytes(base, 32))
      $0.offer(0)
    },
  ])
  func `a loop is noticed`(_ offence: Offence) throws {
    try expect(.chainTooLong, from: offence)
  }

  private static let outside: [(address: UInt64, length: UInt32)] = [
    (0, 1), (base - 1, 1), (base - 1, 2), (end, 1), (end - 1, 2), (base, UInt32(TestRing.byteCount) + 1),
    (base, .max), (0x100_0000, 0x2001), (0x100_1fff, 2), (0x1ff_ffff, 2), (0x200_0fff, 2), (.max, 1),
    (.max - 0xfff, .max),
  ]

  @Test(arguments: outside)
  func `a buffer outside the memory is noticed`(address: UInt64, length: UInt32) throws {
    for flags in [0, TestRing.write] {
      try expect(
        .addressOutsideMemory,
        from: Offence("") {
          $0.describe(0, address, length, flags: flags)
          $0.offer(0)
        })
    }
  }

  private static let tablesOutside: [(address: UInt64, length: UInt32)] = [
    (0, 16), (end - 16, 32), (0x100_0ff0, 32), (end, 16), (.max - 15, 16),
  ]

  @Test(arguments: tablesOutside)
  func `an indirect table outside the memory or across regions is noticed`(address: UInt64, length: UInt32) throws {
    try expect(
      .addressOutsideMemory,
      from: Offence("") {
        $0.describe(0, address, length, flags: TestRing.indirect)
        $0.offer(0)
      })
  }

  @Test func `a buffer outside the memory is noticed in an indirect table`() throws {
    try expect(
      .addressOutsideMemory,
      from: Offence("") {
        $0.linkIndirect([.readable(Self.base, 1), .writable(Self.end, 1)], slot: 0, tableAt: Self.base)
        $0.offer(0)
      })
  }

  @Test(arguments: [
    Offence("direct") {
      $0.link([.writable(base, 1), .readable(base, 1)])
      $0.offer(0)
    },
    Offence("after a readable one") {
      $0.link([.readable(base, 1), .writable(base, 1), .readable(base, 1)])
      $0.offer(0)
    },
    Offence("indirect") {
      $0.linkIndirect([.writable(base + 64, 1), .readable(base + 64, 1)], slot: 0, tableAt: base)
      $0.offer(0)
    },
    Offence("readable table after a writable descriptor") {
      $0.linkIndirect([.readable(base + 64, 1)], slot: 1, tableAt: base)
      $0.describe(0, base, 1, flags: TestRing.write | TestRing.next, next: 1)
      $0.offer(0)
    },
    Offence("across a border of regions") {
      $0.link([.writable(0x100_0fff, 2), .readable(0x100_0fff, 2)])
      $0.offer(0)
    },
  ])
  func `a readable buffer after a writable one is noticed`(_ offence: Offence) throws {
    try expect(.readableAfterWritable, from: offence)
  }

  @Test(arguments: [
    Offence("not negotiated", features: [.eventIndex]) {
      $0.linkIndirect([.readable(base + 64, 1)], slot: 0, tableAt: base)
      $0.offer(0)
    },
    Offence("with NEXT") {
      $0.describe(0, base, 16, flags: TestRing.indirect | TestRing.next, next: 1)
      $0.offer(0)
    },
    Offence("nested") {
      $0.describe(0, base, 16, flags: TestRing.indirect)
      $0.describe(0, base, 16, flags: TestRing.indirect, in: $0.bytes(base, 16))
      $0.offer(0)
    },
  ])
  func `an indirect descriptor where none may be is noticed`(_ offence: Offence) throws {
    try expect(.misplacedIndirect, from: offence)
  }

  private static let badTables: [(address: UInt64, length: UInt32)] = [
    (base, 0), (base, 1), (base, 15), (base, 17), (base + 4, 16), (base, 16 * 32769),
  ]

  @Test(arguments: badTables)
  func `an indirect table of a wrong size or place is noticed`(address: UInt64, length: UInt32) throws {
    try expect(
      .badIndirectTable,
      from: Offence("") {
        $0.describe(0, address, length, flags: TestRing.indirect)
        $0.offer(0)
      })
  }

  /// What is wrong with a ring: its size, or the bytes missing from the end or the start of an area.
  struct BadRing: Sendable {
    var size: UInt16 = 16
    var short: (descriptors: Int, available: Int, used: Int) = (0, 0, 0)
    var shift: (descriptors: Int, available: Int, used: Int) = (0, 0, 0)
  }

  @Test(arguments: [
    BadRing(size: 0), BadRing(size: 3), BadRing(size: 15), BadRing(size: 32769), BadRing(size: 65535),
    BadRing(short: (1, 0, 0)), BadRing(short: (0, 1, 0)), BadRing(short: (0, 0, 1)),
    BadRing(shift: (4, 0, 0)), BadRing(shift: (0, 1, 0)), BadRing(shift: (0, 0, 2)),
  ])
  func `a ring that does not fit is refused`(_ bad: BadRing) {
    let ring = TestRing(size: 16)
    // Longer than needed by what is cut off at the start, so that only the alignment is wrong.
    let wanted = [256, 38, 134]
    let short = [bad.short.descriptors, bad.short.available, bad.short.used]
    let shift = [bad.shift.descriptors, bad.shift.available, bad.shift.used]
    let blocks = (0..<3).map { Block(wanted[$0] + shift[$0]) }
    let areas = (0..<3).map { blocks[$0].segment.dropFirst(shift[$0]).prefix(wanted[$0] - short[$0]) }
    #expect(throws: GuestFault.badRing) {
      _ = try Virtqueue(
        VirtqueueConfiguration(
          size: bad.size, rings: RingAreas(descriptors: areas[0], available: areas[1], used: areas[2]),
          memory: ring.memory(), features: [.eventIndex], base: 0, notifier: ring.notifier))
    }
  }

  @Test func `without EVENT_IDX the rings may be two bytes shorter`() throws {
    let ring = TestRing(size: 16)
    let areas = RingAreas(
      descriptors: ring.table.segment, available: ring.available.segment.prefix(36), used: ring.used.segment.prefix(132)
    )
    for features in [[], [.eventIndex]] as [VirtioFeatures] {
      let made = Result { () throws(GuestFault) in
        _ = try Virtqueue(
          VirtqueueConfiguration(
            size: 16, rings: areas, memory: ring.memory(), features: features, base: 0, notifier: ring.notifier
          ))
      }
      #expect((try? made.get()) != nil || features.contains(.eventIndex))
      if features.contains(.eventIndex) { #expect(throws: GuestFault.badRing) { try made.get() } }
    }
  }

  @Test func `a full ring is no jump`() throws {
    let ring = TestRing(size: 16)
    for head in 0..<16 {
      ring.link([.writable(Self.base, 1)], from: head)
      ring.offer(head)
    }
    let queue = try ring.queue(startingAt: 0)
    #expect(try queue.popAll().count == 16)
  }
}
