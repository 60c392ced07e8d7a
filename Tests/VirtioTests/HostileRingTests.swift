// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Synchronization
import Testing
import Virtio
import VirtioProtocol
import Wire

/// A driver that changes everything while the queue reads it. Invariants: no crash; every segment of every chain lies
/// in the shared memory; what the queue says is a chain or a `GuestFault`. The seed of a failure is in its name.
@Suite(.serialized) struct HostileRingTests {
  private static let regions: [(address: UInt64, byteCount: Int)] = [
    (0, 0x8000), (0x8000, 0x1000), (0x10_0000, 0x4000),
  ]

  @Test(arguments: [1, 2, 3, 4] as [UInt64], [4, 64])
  func `descriptors that change while they are read do no harm`(seed: UInt64, size: Int) throws {
    let ring = TestRing(size: size, regions: Self.regions)
    let vandal = Vandal(ring, seed: seed)
    try vandal.run {
      var tally = Tally()
      while !tally.isDone {
        // A fault ends a queue; the next driver starts with a new one at the same place.
        var queue = try Virtqueue(
          VirtqueueConfiguration(
            size: UInt16(size),
            rings: RingAreas(
              descriptors: ring.table.segment, available: ring.available.segment, used: ring.used.segment),
            memory: ring.memory(), features: ring.features, base: UInt32(ring.availableIndex),
            notifier: ring.notifier))
        let request = Request(ring, capacity: 4)
        guard tally.serve(&queue, request, waits: false) else { return }
        queue.flush()
      }
      #expect(tally.faults > 0)
      #expect(tally.chains > 0)
    }
  }

  /// The same vandal on a packed ring: it also turns the bits that say whose a descriptor is.
  @Test(arguments: [1, 2, 3, 4] as [UInt64], [3, 64])
  func `packed descriptors that change while they are read do no harm`(seed: UInt64, size: Int) throws {
    let ring = PackedTestRing(size: size)
    let vandal = Vandal(ring.ring, seed: seed, packed: ring.descriptors.segment)
    try vandal.run {
      var tally = Tally()
      while !tally.isDone {
        var queue = try Virtqueue(
          VirtqueueConfiguration(
            size: UInt16(size),
            rings: RingAreas(
              descriptors: ring.descriptors.segment, available: ring.driverEvent.segment,
              used: ring.deviceEvent.segment),
            memory: ring.ring.memory(), features: [.ringPacked, .indirectDescriptors, .eventIndex],
            base: PackedBase.start.rawValue, notifier: ring.notifier))
        let request = Request(ring.ring, capacity: 4)
        guard tally.serve(&queue, request, waits: true) else { return }
        queue.flush()
      }
      #expect(tally.faults > 0)
      #expect(tally.chains > 0)
    }
  }
}

/// What came of the chains that a vandal's ring gave.
private struct Tally {
  var faults = 0
  var chains = 0

  var isDone: Bool { chains + faults >= 3_000 }

  /// Takes chains until there are enough, or one faults, or the ring is empty and is not waited for.
  /// - Returns: false if a chain showed memory that is not the guest's.
  mutating func serve(_ queue: inout Virtqueue, _ request: Request, waits: Bool) -> Bool {
    do throws(GuestFault) {
      while !isDone {
        guard try queue.pop(into: &request.chain) else {
          if waits { continue }
          break
        }
        let segments = request.readable + request.writable
        guard segments.allSatisfy({ $0 != nil && $0!.count > 0 }) else {
          Issue.record("a segment outside the memory")
          return false
        }
        #expect(request.head < queue.size)
        queue.complete(request.chain, written: request.chain.writable.byteCount)
        chains += 1
      }
    } catch {
      faults += 1
      let shown = (request.readable + request.writable).allSatisfy { $0 != nil }
      #expect(shown, "a chain that faulted shows memory that is not the guest's")
    }
    return true
  }
}

extension TestRing {
  /// The available index as it is in memory.
  var availableIndex: UInt16 { available.segment.load(at: 2) ?? 0 }
}

/// Writes nonsense that is nearly sense into a ring until it is stopped, on a thread of its own.
/// Sendable because the races are the purpose; the stop flag is atomic.
private final class Vandal: @unchecked Sendable {
  private let ring: TestRing
  private let stop = Atomic(false)
  private var random: SeededGenerator
  /// The descriptors of a packed ring, if that is what is to be spoilt.
  private let packed: Segment?

  init(_ ring: TestRing, seed: UInt64, packed: Segment? = nil) {
    self.ring = ring
    self.packed = packed
    random = SeededGenerator(seed: seed)
  }

  /// Runs `body` beside the vandal.
  func run(_ body: () throws -> Void) throws {
    var thread = pthread_t()
    let context = unsafe Unmanaged.passRetained(self).toOpaque()
    let result = unsafe pthread_create(
      &thread, nil,
      { context in
        if let context = unsafe context { unsafe Unmanaged<Vandal>.fromOpaque(context).takeRetainedValue().work() }
        return nil
      }, context)
    try #require(result == 0)
    defer {
      stop.store(true, ordering: .relaxed)
      pthread_join(thread, nil)
    }
    try body()
  }

  private func work() {
    while !stop.load(ordering: .relaxed) {
      if let packed {
        spoil(packed)
        continue
      }
      // The indirect tables lie where buffers lie too.
      let table = random.next() % 2 == 0 ? ring.table.segment : ring.bytes(0x1000, 16 * 16)
      let slots = table.count / 16
      let slot = Int(random.next() % UInt64(slots))
      switch random.next() % 8 {
      case 0: table.store(address(), at: 16 * slot)
      case 1: table.store(length(), at: 16 * slot + 8)
      case 2: table.store(UInt16(random.next() % 8), at: 16 * slot + 12)
      case 3: table.store(UInt16(random.next() % UInt64(slots + 1)), at: 16 * slot + 14)
      case 4:
        let head = UInt16(random.next() % UInt64(ring.size) + (random.next() % 64 == 0 ? 1 : 0))
        ring.available.segment.store(head, at: 4 + 2 * Int(random.next() % UInt64(ring.size)))
      default:
        // Mostly a step forward, so that chains are taken at all.
        let step: UInt16 = random.next() % 256 == 0 ? 0x4000 : 1
        ring.available.segment.store(ring.availableIndex &+ step, at: 2)
      }
    }
  }

  private func spoil(_ packed: Segment) {
    let table = random.next() % 4 == 0 ? ring.bytes(TestRing.base + 0x1000, 16 * 16) : packed
    let slot = Int(random.next() % UInt64(table.count / 16))
    switch random.next() % 4 {
    case 0: table.store(TestRing.base &+ random.next() % 0x11_0000 & ~7, at: 16 * slot)
    case 1: table.store(length(), at: 16 * slot + 8)
    case 2: table.store(UInt16(random.next() % UInt64(packed.count / 16 + 1)), at: 16 * slot + 12)
    default:
      let kind = UInt16(random.next() % 8) & (random.next() % 4 == 0 ? 7 : 2)
      table.store(kind | (random.next() % 2 == 0 ? 0x80 : 0x8000), at: 16 * slot + 14)
    }
  }

  private func address() -> UInt64 {
    let near: [UInt64] = [0, 0x1000, 0x7ff0, 0x8ff0, 0x10_0000, 0x10_3ff8, 0x20_0000, .max - 7]
    return near[Int(random.next() % UInt64(near.count))] &+ random.next() % 16 * (random.next() % 2 * 8)
  }

  private func length() -> UInt32 {
    let near: [UInt32] = [0, 1, 16, 32, 256, 0x1000, 0x9000, .max]
    return near[Int(random.next() % UInt64(near.count))]
  }
}

/// SplitMix64: the same numbers on every run for the same seed.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}
