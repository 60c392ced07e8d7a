// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import Virtio
import VirtioProtocol
import Wire

/// The region of one queue, read and written by hand with the offsets of vhost-user.rst ("Inflight I/O tracking",
/// struct QueueRegionSplit and struct DescStateSplit).
struct HandRegion {
  let block: Block
  let size: Int

  init(size: Int = 16) {
    self.size = size
    block = Block((16 + 16 * size + 63) / 64 * 64)
  }

  var version: UInt16 { word(8) }
  var descriptorCount: UInt16 { word(10) }
  var lastBatchHead: UInt16 {
    get { word(12) }
    nonmutating set { block.segment.store(newValue, at: 12) }
  }
  var usedIndex: UInt16 {
    get { word(14) }
    nonmutating set { block.segment.store(newValue, at: 14) }
  }

  func initialize() {
    block.segment.store(UInt16(1), at: 8)
    block.segment.store(UInt16(size), at: 10)
  }

  func inflight(_ head: Int) -> UInt8 { block.segment.load(at: 16 + 16 * head) ?? 0xff }
  func setInflight(_ head: Int, _ value: UInt8) { block.segment.store(value, at: 16 + 16 * head) }
  func next(_ head: Int) -> UInt16 { word(16 + 16 * head + 6) }
  func setNext(_ head: Int, _ value: UInt16) { block.segment.store(value, at: 16 + 16 * head + 6) }
  func counter(_ head: Int) -> UInt64 { block.segment.load(at: 16 + 16 * head + 8) ?? .max }
  func setCounter(_ head: Int, _ value: UInt64) { block.segment.store(value, at: 16 + 16 * head + 8) }

  /// Heads that are marked.
  var marked: [Int] { (0..<size).filter { inflight($0) != 0 } }

  /// As a backend takes it over.
  func region() throws -> InflightRegion {
    guard let region = InflightRegion(memory: block.segment, size: UInt16(size), owner: block) else {
      throw InflightTests.NoRegion()
    }
    return region
  }

  private func word(_ offset: Int) -> UInt16 { block.segment.load(at: offset) ?? .max }
}

/// What the inflight region says at each moment, and what a successor makes of it. Invariants:
/// - a chain that was taken and not shown in the used ring is submitted again, in the order of taking, before new ones;
/// - a chain that was shown is not, wherever the crash was between two stores;
/// - after recovery the region is in order again.
@Suite struct InflightTests {
  struct NoRegion: Error {}

  private let base = TestRing.base

  private func ring(heads: [Int], startingAt index: UInt16 = 0) -> TestRing {
    let ring = TestRing(size: 16, startingAt: index)
    for head in heads {
      ring.link([.writable(base + UInt64(head), 1)], from: head)
      ring.offer(head)
    }
    return ring
  }

  @Test func `a fresh region is made ready and a used one is kept`() throws {
    let hand = HandRegion()
    _ = try hand.region()
    #expect(hand.version == 1)
    #expect(hand.descriptorCount == 16)
    hand.setInflight(3, 1)
    _ = try hand.region()
    #expect(hand.inflight(3) == 1)
  }

  @Test func `a region of another version or size is begun anew`() throws {
    for offset in [8, 10] {
      let hand = HandRegion()
      hand.initialize()
      hand.block.segment.store(UInt16(2), at: offset)
      hand.setInflight(3, 1)
      hand.usedIndex = 7
      _ = try hand.region()
      #expect(hand.version == 1)
      #expect(hand.descriptorCount == 16)
      #expect(hand.marked.isEmpty)
      #expect(hand.usedIndex == 0)
    }
  }

  @Test func `memory that is too small or misaligned is no region`() {
    let block = Block(1024)
    for memory in [block.segment.prefix(16 + 16 * 16), block.segment.dropFirst(8), block.segment.prefix(0)] {
      let refused = InflightRegion(memory: memory, size: 16, owner: block) == nil
      #expect(refused)
    }
    let refused = InflightRegion(memory: block.segment, size: 0, owner: block) == nil
    #expect(refused)
  }

  @Test func `each step leaves its mark`() throws {
    let ring = ring(heads: [5, 2, 9])
    let hand = HandRegion()
    let queue = try ring.queue(startingAt: 0, inflight: hand.region())
    let requests = try queue.popAll()
    #expect(hand.marked == [2, 5, 9])
    #expect(hand.counter(5) < hand.counter(2))
    #expect(hand.counter(2) < hand.counter(9))

    queue.complete(requests[1])
    #expect(hand.lastBatchHead == 2)
    queue.complete(requests[0])
    #expect(hand.lastBatchHead == 5)
    #expect(hand.next(5) == 2)
    #expect(hand.marked == [2, 5, 9])
    #expect(hand.usedIndex == 0)

    queue.flush()
    #expect(hand.marked == [9])
    #expect(hand.usedIndex == 2)
    queue.complete(requests[2])
    queue.flush()
    #expect(hand.marked.isEmpty)
    #expect(hand.usedIndex == 3)
  }

  @Test func `a full batch is cleared like a flush`() throws {
    let ring = ring(heads: [1, 2, 3])
    let hand = HandRegion()
    let queue = try ring.queue(batchLimit: 2, startingAt: 0, inflight: hand.region())
    let requests = try queue.popAll()
    queue.complete(requests[0])
    queue.complete(requests[1])
    #expect(hand.marked == [3])
    #expect(hand.usedIndex == 2)
  }

  /// The moments between the stores of a backend that took A, B and C (heads 5, 2 and 9), completed B and then A as
  /// one batch, and never completed C.
  enum Crash: Int, CaseIterable {
    case beforeMark, afterMarkOfA, afterMarkOfAll
    case putB, linkedB, headIsB, putA, linkedA, headIsA
    case published, clearedA, clearedB, noted

    /// Chains that the successor must submit again.
    var resubmitted: [Int] {
      switch self {
      case .beforeMark: []
      case .afterMarkOfA: [5]
      case .published, .clearedA, .clearedB, .noted: [9]
      default: [5, 2, 9]
      }
    }

    /// Chains that the predecessor had taken: what the frontend goes on after.
    var taken: Int { self == .beforeMark ? 0 : self == .afterMarkOfA ? 1 : 3 }
  }

  /// Does the stores of `crash` and all before it.
  private func play(_ crash: Crash, ring: TestRing, hand: HandRegion) {
    hand.initialize()
    let start = ring.usedIndex
    hand.usedIndex = start
    let stores: [(Crash, () -> Void)] = [
      (.beforeMark, { hand.setCounter(5, 0) }),
      (.afterMarkOfA, { hand.setInflight(5, 1) }),
      (
        .afterMarkOfAll,
        {
          for (counter, head) in [(1, 2), (2, 9)] {
            hand.setCounter(head, UInt64(counter))
            hand.setInflight(head, 1)
          }
        }
      ),
      (.putB, { ring.used.segment.store(UInt32(2), at: 4 + 8 * (Int(start) % 16)) }),
      (.linkedB, { hand.setNext(2, 0) }),
      (.headIsB, { hand.lastBatchHead = 2 }),
      (.putA, { ring.used.segment.store(UInt32(5), at: 4 + 8 * (Int(start &+ 1) % 16)) }),
      (.linkedA, { hand.setNext(5, 2) }),
      (.headIsA, { hand.lastBatchHead = 5 }),
      (.published, { ring.used.segment.store(start &+ 2, at: 2) }),
      (.clearedA, { hand.setInflight(5, 0) }),
      (.clearedB, { hand.setInflight(2, 0) }),
      (.noted, { hand.usedIndex = start &+ 2 }),
    ]
    for (moment, store) in stores where moment.rawValue <= crash.rawValue { store() }
  }

  @Test(arguments: Crash.allCases, [0, 65535] as [UInt16])
  func `a successor submits again exactly what was not shown`(crash: Crash, start: UInt16) throws {
    let ring = ring(heads: [5, 2, 9, 12], startingAt: start)
    let hand = HandRegion()
    play(crash, ring: ring, hand: hand)
    let shown = ring.usedIndex

    let queue = try ring.queue(startingAt: start &+ UInt16(crash.taken), inflight: hand.region())
    #expect(hand.usedIndex == shown)
    #expect(hand.marked == crash.resubmitted.sorted())
    #expect(queue.hasWork)
    #expect(queue.armKicks())
    let requests = try queue.popAll()
    let fresh = Array([5, 2, 9, 12].dropFirst(crash.taken))
    #expect(requests.map(\.head) == crash.resubmitted + fresh)
    #expect(requests.allSatisfy { $0.writable == [Buffer(base + UInt64($0.head), 1)] })
    // Marked again, in the order of taking: the next successor sees the same.
    let counters = requests.map { hand.counter($0.head) }
    #expect(counters == counters.sorted())
    #expect(Set(counters).count == counters.count)

    requests.forEach { queue.complete($0, written: 1) }
    queue.flush()
    #expect(hand.marked.isEmpty)
    #expect(hand.usedIndex == ring.usedIndex)
    #expect(ring.usedIndex == start &+ 4)
    let elements = (0..<4).map { Int(ring.usedElement(start &+ $0).id) }
    #expect(Set(elements) == [5, 2, 9, 12])
  }

  @Test func `a crash of the successor changes nothing`() throws {
    let ring = ring(heads: [5, 2, 9, 12])
    let hand = HandRegion()
    play(.headIsA, ring: ring, hand: hand)
    for _ in 0..<3 {
      // Each takes up one chain, completes it and dies before the batch is shown.
      let queue = try ring.queue(startingAt: 3, inflight: hand.region())
      let request = try #require(try queue.pop())
      #expect(request.head == 5)
      queue.complete(request)
    }
    let last = try ring.queue(startingAt: 3, inflight: hand.region())
    let requests = try last.popAll()
    #expect(requests.map(\.head) == [5, 2, 9, 12])
    requests.forEach { last.complete($0) }
    last.flush()
    #expect(hand.marked.isEmpty)
    #expect(ring.usedIndex == 4)
  }

  @Test func `links that lead nowhere or round are survived`() throws {
    for next in [UInt16(3), 16, 65535] {
      let ring = ring(heads: [])
      let hand = HandRegion()
      hand.initialize()
      hand.setInflight(3, 1)
      hand.setNext(3, next)
      hand.lastBatchHead = 3
      ring.used.segment.store(UInt16(9), at: 2)
      let queue = try ring.queue(startingAt: 0, inflight: hand.region())
      #expect(try queue.pop() == nil)
      #expect(hand.marked.isEmpty)
      #expect(hand.usedIndex == 9)
    }
  }
}
