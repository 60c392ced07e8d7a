// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import Virtio
import VirtioProtocol
import Wire

/// The region of one packed queue, read and written by hand with the offsets of vhost-user.rst (struct
/// QueueRegionPacked and struct DescStatePacked).
struct PackedHandRegion {
  let block: Block
  let size: Int

  init(size: Int = 8) {
    self.size = size
    block = Block((32 + 32 * size + 63) / 64 * 64)
  }

  private func word(_ offset: Int) -> UInt16 { block.segment.load(at: offset) ?? .max }

  var version: UInt16 { word(8) }
  var freeHead: UInt16 { word(12) }
  var oldFreeHead: UInt16 { word(14) }
  var used: (UInt16, UInt8) { (word(16), block.segment.load(at: 20) ?? .max) }
  var oldUsed: (UInt16, UInt8) { (word(18), block.segment.load(at: 21) ?? .max) }

  func inflight(_ entry: Int) -> UInt8 { block.segment.load(at: 32 + 32 * entry) ?? .max }
  func setInflight(_ entry: Int, _ value: UInt8) { block.segment.store(value, at: 32 + 32 * entry) }
  func next(_ entry: Int) -> UInt16 { word(32 + 32 * entry + 2) }
  func last(_ entry: Int) -> UInt16 { word(32 + 32 * entry + 4) }
  func count(_ entry: Int) -> UInt16 { word(32 + 32 * entry + 6) }
  func counter(_ entry: Int) -> UInt64 { block.segment.load(at: 32 + 32 * entry + 8) ?? .max }
  func id(_ entry: Int) -> UInt16 { word(32 + 32 * entry + 16) }
  func length(_ entry: Int) -> UInt32 { block.segment.load(at: 32 + 32 * entry + 20) ?? .max }
  func address(_ entry: Int) -> UInt64 { block.segment.load(at: 32 + 32 * entry + 24) ?? .max }

  /// Entries that are marked.
  var marked: [Int] { (0..<size).filter { inflight($0) != 0 } }

  /// As a backend takes it over.
  func region() throws -> PackedInflightRegion {
    guard let region = PackedInflightRegion(memory: block.segment, size: UInt16(size), owner: block) else {
      throw InflightTests.NoRegion()
    }
    return region
  }
}

/// Invariants: those of InflightTests. What a list was made of is known even when the ring has come round.
@Suite struct PackedInflightTests {
  private let base = TestRing.base

  private func buffer(_ id: Int) -> Buffer { Buffer(base + UInt64(id) * 64, id + 1) }

  /// A list of one readable and one writable buffer, named by its id.
  private func offer(_ ring: PackedTestRing, _ id: Int) {
    ring.offer([.readable(base, 1), Piece(buffer: buffer(id), writable: true)], id: UInt16(id))
  }

  @Test func eachStepLeavesItsMark() throws {
    let ring = PackedTestRing()
    let hand = PackedHandRegion()
    let queue = try ring.queue(inflight: hand.region())
    #expect(hand.version == 1)
    #expect(hand.used == (0, 1) && hand.oldUsed == (0, 1))
    offer(ring, 5)
    offer(ring, 2)
    let requests = try queue.popAll()
    #expect(hand.marked == [0, 2])
    #expect([hand.count(0), hand.last(0), hand.count(2), hand.last(2)] == [2, 1, 2, 3])
    #expect(hand.counter(0) < hand.counter(2))
    #expect(hand.id(1) == 5 && hand.id(3) == 2)
    #expect(hand.address(3) == buffer(2).address && hand.length(3) == 3)
    #expect(hand.freeHead == 4 && hand.oldFreeHead == 4)

    queue.complete(requests[1], written: 3)
    // Shown at once, so that a successor finds no used descriptor behind one that is not.
    #expect(hand.marked == [0])
    #expect(hand.used == (2, 1) && hand.oldUsed == (2, 1))
    #expect(hand.freeHead == 2 && hand.oldFreeHead == 2 && hand.next(3) == 4)
    #expect(try #require(ring.takeUsed(2)) == (2, 3, 2))
    #expect(ring.notifier.calls == 0, "interrupts come in batches all the same")
    queue.flush()
    #expect(ring.notifier.calls == 1)
    queue.complete(requests[0], written: 6)
    queue.flush()
    #expect(hand.marked.isEmpty)
    #expect(hand.freeHead == 0 && hand.next(1) == 2)
  }

  @Test func aSuccessorTakesUpWhatWasNotShown() throws {
    for start in [0, 5, 8, 13] {
      let ring = PackedTestRing(startingAt: start)
      let hand = PackedHandRegion()
      do {
        let first = try ring.queue(inflight: hand.region())
        for id in [5, 2, 7] { offer(ring, id) }
        let requests = try first.popAll()
        first.complete(requests[1], written: 3)
        // The guest adds over the descriptors of the one that was used; then the process dies.
        #expect(ring.takeUsed(2)?.id == 2)
        offer(ring, 1)
        offer(ring, 3)
        let more = try #require(try first.pop())
        #expect(more.head == 1)
      }
      // What the frontend remembers is old.
      let second = try ring.queue(base: 0x8000_8000, inflight: hand.region())
      #expect(second.hasWork)
      #expect(second.armKicks())
      let requests = try second.popAll()
      #expect(requests.map(\.head) == [5, 7, 1, 3])
      #expect(requests.map(\.writable) == [5, 7, 1, 3].map { [buffer($0)] })
      #expect(requests.map(\.readable) == Array(repeating: [Buffer(base, 1)], count: 4))
      for request in requests.reversed() { second.complete(request, written: request.head + 1) }
      second.flush()
      #expect(hand.marked.isEmpty)
      for id in [3, 1, 7, 5] as [UInt16] { #expect(try #require(ring.takeUsed(2)) == (id, UInt32(id) + 1, 2)) }
      #expect(second.base == ring.base(ring.added))
    }
  }

  /// The moments between the stores of a backend that answers the first of two requests.
  enum Crash: Int, CaseIterable {
    case linked, freed, counted, shown, cleared, committed
  }

  @Test(arguments: Crash.allCases, [0, 6, 8, 14])
  func aCrashBetweenTwoStoresIsRepaired(crash: Crash, start: Int) throws {
    let ring = PackedTestRing(startingAt: start)
    let hand = PackedHandRegion()
    let first = try ring.queue(inflight: hand.region())
    offer(ring, 4)
    offer(ring, 6)
    _ = try first.popAll()
    // By hand, in the specification's order.
    let next = start + 2
    let stores: [(Crash, () -> Void)] = [
      (.linked, { hand.block.segment.store(hand.freeHead, at: 32 + 32 * 1 + 2) }),
      (.freed, { hand.block.segment.store(UInt16(0), at: 12) }),
      (
        .counted,
        {
          hand.block.segment.store(UInt16(next % 8), at: 16)
          hand.block.segment.store(UInt8(ring.wrap(next) ? 1 : 0), at: 20)
        }
      ),
      (.shown, { ring.describe(start % 8, 0, 5, id: 4, flags: ring.wrap(start) ? 0x8082 : 2) }),
      (.cleared, { hand.setInflight(0, 0) }),
      (
        .committed,
        {
          hand.block.segment.store(UInt16(0), at: 14)
          hand.block.segment.store(UInt16(next % 8), at: 18)
          hand.block.segment.store(UInt8(ring.wrap(next) ? 1 : 0), at: 21)
        }
      ),
    ]
    for (moment, store) in stores where moment.rawValue <= crash.rawValue { store() }
    let wasShown = crash.rawValue >= Crash.shown.rawValue

    let second = try ring.queue(base: 0, inflight: hand.region())
    let requests = try second.popAll()
    #expect(requests.map(\.head) == (wasShown ? [6] : [4, 6]))
    #expect(hand.marked == (wasShown ? [2] : [0, 2]))
    for request in requests { second.complete(request, written: 9) }
    second.flush()
    #expect(hand.marked.isEmpty)
    #expect(ring.takeUsed(2)?.id == 4)
    #expect(ring.takeUsed(2)?.id == 6)
    #expect(second.base == ring.base(start + 4))
    // Every entry is in the free list once.
    var free: [UInt16] = []
    var entry = hand.freeHead
    while Int(entry) < 8, free.count <= 8 {
      free.append(entry)
      entry = hand.next(Int(entry))
    }
    #expect(free.sorted() == Array(0..<8))
  }

  @Test func aChainThatTheDriverHasTakenBackIsNotDoneAgain() throws {
    let ring = PackedTestRing()
    let hand = PackedHandRegion()
    let first = try ring.queue(inflight: hand.region())
    for id in [0, 2, 4, 6] { offer(ring, id) }
    _ = try first.popAll()
    // By hand: the first is shown, and the process dies before it notes that.
    hand.block.segment.store(hand.freeHead, at: 32 + 32 * 1 + 2)
    hand.block.segment.store(UInt16(0), at: 12)
    hand.block.segment.store(UInt16(2), at: 16)
    ring.describe(0, 0, 5, id: 0, flags: 0x8082)
    #expect(ring.takeUsed(2)?.id == 0)
    // The ring was full: the next list goes where that one was.
    offer(ring, 7)

    let second = try ring.queue(base: 0, inflight: hand.region())
    let requests = try second.popAll()
    #expect(requests.map(\.head) == [2, 4, 6, 7])
    for request in requests { second.complete(request, written: 1) }
    second.flush()
    for id in [2, 4, 6, 7] as [UInt16] { #expect(ring.takeUsed(2)?.id == id) }
  }

  @Test func aMarkWithoutItsListIsForgotten() throws {
    let ring = PackedTestRing()
    let hand = PackedHandRegion()
    do { _ = try ring.queue(inflight: hand.region()) }
    offer(ring, 3)
    // The process died between marking the list and taking its entries out of the free ones.
    hand.setInflight(0, 1)
    let second = try ring.queue(inflight: hand.region())
    #expect(try second.popAll().map(\.head) == [3])
    #expect(hand.marked == [0])
  }

  /// The area is shared: whoever writes nonsense into it must not bring the process down.
  @Test(arguments: [1, 2, 3, 4, 5, 6, 7, 8] as [UInt64])
  func nonsenseInTheAreaIsSurvived(seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    for _ in 0..<200 {
      let ring = PackedTestRing()
      let hand = PackedHandRegion()
      let queue = try ring.queue(inflight: hand.region())
      offer(ring, 1)
      offer(ring, 2)
      let requests = try queue.popAll()
      for _ in 0..<Int(random.next() % 8) {
        let nonsense = UInt16(random.next() % 4 == 0 ? random.next() % 65536 : random.next() % 9)
        // Version and size stay, or the area would be begun anew.
        hand.block.segment.store(nonsense, at: 12 + 2 * Int(random.next() % 138))
      }
      queue.complete(requests[1], written: 1)
      queue.complete(requests[0], written: 1)
      offer(ring, 3)
      for request in (try? queue.popAll()) ?? [] { queue.complete(request, written: 1) }
      queue.flush()
      guard let second = try? ring.queue(inflight: hand.region()) else { continue }
      for _ in 0..<Int(random.next() % 4) {
        hand.block.segment.store(UInt16(random.next() % 65536), at: 12 + 2 * Int(random.next() % 138))
      }
      for request in (try? second.popAll()) ?? [] { second.complete(request, written: 1) }
      second.flush()
    }
  }
}
