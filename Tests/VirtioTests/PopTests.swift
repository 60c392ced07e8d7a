// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import Virtio
import Wire

/// Taking chains and giving them back. Invariants:
/// - chains come in the order in which the driver made them available;
/// - a chain shows the driver's buffers, readable ones first, and nothing else;
/// - what is given back appears in the used ring in the order of completion, never before `flush` or a full batch;
/// - indices run on and on, modulo 65536, whatever the ring's size.
@Suite struct PopTests {
  private let base = TestRing.base

  @Test func `an empty ring gives nothing`() throws {
    let ring = TestRing()
    let queue = try ring.queue()
    #expect(try queue.pop() == nil)
    #expect(!queue.hasWork)
    #expect(queue.nextAvailable == 0)
    #expect(queue.size == 16)
  }

  @Test func `a chain shows the driver's buffers, readable ones first`() throws {
    let ring = TestRing()
    ring.link([.readable(base, 40), .readable(base + 0x100, 8), .writable(base + 0x200, 16)], from: 3)
    ring.offer(3)
    let queue = try ring.queue(startingAt: 0)
    #expect(queue.hasWork)
    let request = try #require(try queue.pop())
    #expect(request.head == 3)
    #expect(request.readable == [Buffer(base, 40), Buffer(base + 0x100, 8)])
    #expect(request.writable == [Buffer(base + 0x200, 16)])
    #expect(try queue.pop() == nil)
    #expect(queue.nextAvailable == 1)
  }

  @Test func `descriptors are followed by next, not by position`() throws {
    let ring = TestRing()
    ring.describe(9, base, 1, flags: TestRing.next, next: 2)
    ring.describe(2, base + 1, 2, flags: TestRing.next, next: 15)
    ring.describe(15, base + 3, 3, next: 4)
    ring.offer(9)
    let request = try #require(try ring.queue(startingAt: 0).pop())
    #expect(request.readable == [Buffer(base, 1), Buffer(base + 1, 2), Buffer(base + 3, 3)])
    #expect(request.writable.isEmpty)
  }

  @Test func `an indirect table stands for its descriptor`() throws {
    let ring = TestRing()
    ring.linkIndirect(
      [.readable(base, 4), .writable(base + 64, 5), .writable(base + 128, 6)], slot: 1, tableAt: base + 4096)
    ring.offer(1)
    let request = try #require(try ring.queue(startingAt: 0).pop())
    #expect(request.head == 1)
    #expect(request.readable == [Buffer(base, 4)])
    #expect(request.writable == [Buffer(base + 64, 5), Buffer(base + 128, 6)])
  }

  @Test func `an indirect table may come last in a direct chain`() throws {
    let ring = TestRing()
    ring.linkIndirect([.writable(base + 64, 5)], slot: 1, tableAt: base + 4096)
    ring.describe(0, base, 4, flags: TestRing.next, next: 1)
    ring.offer(0)
    let request = try #require(try ring.queue(startingAt: 0).pop())
    #expect(request.readable == [Buffer(base, 4)])
    #expect(request.writable == [Buffer(base + 64, 5)])
  }

  @Test func `an indirect table may be longer than the ring`() throws {
    let ring = TestRing(size: 2)
    ring.linkIndirect((0..<1000).map { .readable(base + UInt64($0), 1) }, slot: 0, tableAt: base + 0x1_0000)
    ring.offer(0)
    let request = try #require(try ring.queue(startingAt: 0).pop())
    #expect(request.readable == (0..<1000).map { Buffer(base + $0, 1) })
  }

  @Test func `a buffer of no bytes makes no segment`() throws {
    let ring = TestRing()
    ring.link([.readable(0, 0), .readable(base, 4), .writable(.max, 0), .writable(base + 8, 1)])
    ring.offer(0)
    let request = try #require(try ring.queue(startingAt: 0).pop())
    #expect(request.readable == [Buffer(base, 4)])
    #expect(request.writable == [Buffer(base + 8, 1)])
  }

  @Test func `a buffer that crosses adjoining regions becomes a segment in each`() throws {
    let ring = TestRing(regions: [(0x1000, 0x1000), (0x2000, 0x1000), (0x3000, 0x1000)])
    ring.link([.readable(0x1ff0, 0x20), .writable(0x1fff, 0x1002)])
    ring.offer(0)
    let request = try #require(try ring.queue(startingAt: 0).pop())
    #expect(request.readable == [Buffer(0x1ff0, 0x10), Buffer(0x2000, 0x10)])
    #expect(request.writable == [Buffer(0x1fff, 1), Buffer(0x2000, 0x1000), Buffer(0x3000, 1)])
  }

  @Test(arguments: [1, 2, 3]) func `a chain longer than its storage makes it grow`(capacity: Int) throws {
    let ring = TestRing(size: 64)
    ring.link((0..<40).map { .readable(base + UInt64($0), 1) } + (0..<24).map { .writable(base + 100 + UInt64($0), 1) })
    ring.offer(0)
    let request = try #require(try ring.queue(startingAt: 0).pop(capacity: capacity))
    #expect(request.readable == (0..<40).map { Buffer(base + $0, 1) })
    #expect(request.writable == (0..<24).map { Buffer(base + 100 + $0, 1) })
  }

  @Test func `pieces of a crossing buffer make the storage grow too`() throws {
    let ring = TestRing(regions: (0..<20).map { (UInt64($0 + 1) * 0x1000, 0x1000) })
    ring.link([.writable(0x1800, 19 * 0x1000)])
    ring.offer(0)
    let request = try #require(try ring.queue(startingAt: 0).pop(capacity: 1))
    #expect(request.writable.count == 20)
    #expect(request.writable.allSatisfy { $0 != nil })
  }

  @Test func `storage is used again for the next chain`() throws {
    let ring = TestRing()
    ring.link([.readable(base, 1), .readable(base + 1, 1), .writable(base + 2, 1)])
    ring.link([.writable(base + 9, 7)], from: 5)
    ring.offer(0)
    ring.offer(5)
    var chain = Chain(capacity: 1)
    var queue = try Virtqueue(
      VirtqueueConfiguration(
        size: 16,
        rings: RingAreas(
          descriptors: ring.table.segment, available: ring.available.segment, used: ring.used.segment),
        memory: ring.memory(), features: ring.features, base: 0, notifier: ring.notifier))
    for expected in [(2, 1), (0, 1)] {
      let took = try queue.pop(into: &chain)
      #expect(took)
      let counts = (chain.readable.count, chain.writable.count)
      #expect(counts == expected)
    }
    let more = try queue.pop(into: &chain)
    #expect(!more)
  }

  @Test func `chains come in the order of the available ring and go in the order of completion`() throws {
    let ring = TestRing()
    for head in 0..<8 { ring.link([.writable(base + UInt64(head), 1)], from: head) }
    let order = [5, 0, 7, 3]
    order.forEach(ring.offer)
    let queue = try ring.queue(startingAt: 0)
    let requests = try queue.popAll()
    #expect(requests.map(\.head) == order)
    for index in [2, 0, 3] { queue.complete(requests[index], written: 100 + index) }
    #expect(ring.usedIndex == 0)
    queue.complete(requests[1], written: 101)
    queue.flush()
    #expect(ring.usedIndex == 4)
    #expect((0..<4).map { Int(ring.usedElement($0).id) } == [7, 5, 3, 0])
    #expect((0..<4).map { Int(ring.usedElement($0).length) } == [102, 100, 103, 101])
  }

  @Test(arguments: [(-1, 0), (0, 0), (7, 7), (0x1_0000_0000, 0xffff_ffff), (Int.max, 0xffff_ffff)] as [(Int, UInt32)])
  func `the used length is what fits the field`(written: Int, length: UInt32) throws {
    let ring = TestRing()
    ring.link([.writable(base, 8)])
    ring.offer(0)
    let queue = try ring.queue(startingAt: 0)
    let request = try #require(try queue.pop())
    queue.complete(request, written: written)
    queue.flush()
    #expect(ring.usedElement(0).length == length)
  }

  @Test(arguments: (0...15).map { 1 << $0 }) func `a ring of every size can be filled and drained twice`(size: Int)
    throws
  {
    let ring = TestRing(size: size)
    let queue = try ring.queue(startingAt: 0)
    for head in 0..<size { ring.link([.writable(base + UInt64(head), 1)], from: head) }
    for round in 0..<2 {
      for head in 0..<size { ring.offer(head) }
      let requests = try queue.popAll()
      #expect(requests.map(\.head) == Array(0..<size))
      #expect(requests.last?.writable == [Buffer(base + UInt64(size - 1), 1)])
      for request in requests { queue.complete(request, written: request.head) }
      queue.flush()
      #expect(ring.usedIndex == UInt16(truncatingIfNeeded: size * (round + 1)))
      let last = ring.usedElement(ring.usedIndex &- 1)
      #expect(last.id == UInt32(size - 1) && last.length == UInt32(size - 1))
    }
  }

  @Test func `the longest direct chain is the whole table`() throws {
    let ring = TestRing(size: 32768)
    ring.link((0..<32768).map { .readable(base + UInt64($0), 1) })
    ring.offer(0)
    let request = try #require(try ring.queue(startingAt: 0).pop())
    #expect(request.readable.count == 32768)
    #expect(request.readable.last == Buffer(base + 32767, 1))
  }

  @Test(arguments: [1, 4, 16, 32768]) func `indices go on after 65535`(size: Int) throws {
    let ring = TestRing(size: size, startingAt: 65530)
    let queue = try ring.queue()
    for step in 0..<20 {
      let head = step % size
      ring.link([.writable(base + UInt64(step), 1)], from: head)
      ring.offer(head)
      let request = try #require(try queue.pop())
      #expect(request.writable == [Buffer(base + UInt64(step), 1)])
      #expect(try queue.pop() == nil)
      queue.complete(request, written: step)
      queue.flush()
      #expect(ring.usedIndex == 65531 &+ UInt16(step))
      #expect(queue.nextAvailable == 65531 &+ UInt16(step))
      #expect(ring.usedElement(65530 &+ UInt16(step)).length == UInt32(step))
    }
  }

  @Test func `a full ring across 65535 is taken whole`() throws {
    let ring = TestRing(size: 8, startingAt: 65532)
    let queue = try ring.queue()
    for head in 0..<8 { ring.link([.writable(base, 1)], from: head) }
    for head in 0..<8 { ring.offer(head) }
    #expect(try queue.popAll().map(\.head) == Array(0..<8))
    #expect(queue.nextAvailable == 4)
  }

  @Test func `a queue goes on from where another has stopped`() throws {
    let ring = TestRing()
    for head in 0..<4 { ring.link([.writable(base, 1)], from: head) }
    for head in 0..<4 { ring.offer(head) }
    let first = try ring.queue(startingAt: 0)
    let taken = [try #require(try first.pop()), try #require(try first.pop())]
    taken.forEach { first.complete($0) }
    first.flush()
    let second = try ring.queue(startingAt: first.nextAvailable)
    let rest = try second.popAll()
    #expect(rest.map(\.head) == [2, 3])
    rest.forEach { second.complete($0, written: 1) }
    second.flush()
    #expect(ring.usedIndex == 4)
    #expect((0..<4).map { Int(ring.usedElement($0).id) } == [0, 1, 2, 3])
  }
}
