// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import Virtio
import Wire

/// The migration bitmap (vhost-user.rst, "Migration"). Invariants: a bit is set for every page written and for no
/// other; bits that are set stay set; nothing outside the bitmap is written.
@Suite struct DirtyLogTests {
  private let base = TestRing.base
  private let firstPage = Int(TestRing.base >> 12)

  /// A log with a guard byte behind it.
  private func log(_ byteCount: Int) -> (log: DirtyLog, block: Block) {
    let block = Block(byteCount + 1)
    return (DirtyLog(bitmap: block.segment.prefix(byteCount), owner: block), block)
  }

  /// Pages whose bits are set.
  private func pages(_ block: Block) -> [Int] {
    block.segment.bytes().enumerated().flatMap { index, byte in
      (0..<8).filter { byte & (1 << $0) != 0 }.map { index * 8 + $0 }
    }
  }

  @Test(
    arguments: [
      (0, 1, [0]), (0xfff, 1, [0]), (0xfff, 2, [0, 1]), (0x1000, 0x1000, [1]), (0x7fff, 1, [7]), (0x8000, 1, [8]),
      (0x7001, 0x2000, [7, 8, 9]), (0x3000, 0, []), (0x3000, -1, []),
    ] as [(UInt64, Int, [Int])])
  func `a range marks the pages that it touches`(address: UInt64, count: Int, expected: [Int]) {
    let (log, block) = log(4)
    log.mark(guestAddress: address, byteCount: count)
    #expect(pages(block) == expected)
  }

  @Test(arguments: [(32 << 12, 1), (31 << 12, 0x2000), (.max, 1), (.max, 2), (.max - 0xfff, .max)] as [(UInt64, Int)])
  func `pages beyond the log are ignored`(address: UInt64, count: Int) {
    let (log, block) = log(4)
    log.mark(guestAddress: address, byteCount: count)
    #expect(pages(block) == (address == 31 << 12 ? [31] : []))
  }

  @Test func `bits of others stay`() {
    let (log, block) = log(4)
    block.segment.store(UInt8(0x81), at: 1)
    log.mark(guestAddress: 9 << 12, byteCount: 1)
    #expect(pages(block) == [8, 9, 15])
  }

  @Test(arguments: [
    (0, []), (1, [0]), (0x10, [0]), (0x11, [0, 2]), (0x1010, [0, 2]), (0x1011, [0, 2, 3]), (Int.max, [0, 2, 3, 5]),
  ])
  func `what a chain wrote is marked, and no more`(written: Int, expected: [Int]) throws {
    let ring = TestRing()
    let (log, block) = log(64)
    ring.link([
      .readable(base + 0x8000, 0x1000), .writable(base + 0xff0, 0x10), .writable(base + 0x2000, 0x1001),
      .writable(base + 0x5000, 1),
    ])
    ring.offer(0)
    let queue = try ring.queue(startingAt: 0, dirtyLog: log)
    queue.complete(try #require(try queue.pop()), written: written)
    queue.flush()
    #expect(pages(block) == expected.map { firstPage + $0 })
  }

  @Test func `the used ring is marked where it lies: the element with its chain, the index with the batch`() throws {
    let ring = TestRing(size: 1024)
    let (log, block) = log(64)
    let queue = try ring.queue(startingAt: 0, dirtyLog: log, loggedUsedAddress: 0x2_0000)
    for head in 0..<600 {
      ring.link([.writable(base, 1)], from: head)
      ring.offer(head)
    }
    let requests = try queue.popAll()
    // Elements 0 to 510 begin in the first page, 511 to 1022 in the second, the index lies in the first.
    queue.complete(requests[0], written: 0)
    #expect(pages(block) == [0x20])
    queue.flush()
    for request in requests[1..<511] { queue.complete(request, written: 0) }
    queue.flush()
    #expect(pages(block) == [0x20])
    queue.complete(requests[511], written: 0)
    #expect(pages(block) == [0x20, 0x21])
    block.segment.zero()
    queue.complete(requests[512], written: 0)
    #expect(pages(block) == [0x21])
    queue.flush()
    #expect(pages(block) == [0x20, 0x21])
  }

  @Test func `a used address at the end of the address space is survived`() throws {
    let ring = TestRing()
    let (log, block) = log(4)
    ring.link([.writable(base, 1)])
    ring.offer(0)
    let queue = try ring.queue(startingAt: 0, dirtyLog: log, loggedUsedAddress: .max)
    queue.complete(try #require(try queue.pop()))
    queue.flush()
    #expect(pages(block).allSatisfy { $0 == 0 })
  }

  @Test func `without a log nothing is marked and without a used address no ring`() throws {
    let ring = TestRing()
    let (log, block) = log(64)
    ring.link([.writable(base, 1)])
    ring.offer(0)
    ring.offer(0)
    let unlogged = try ring.queue(startingAt: 0)
    unlogged.complete(try #require(try unlogged.pop()), written: 1)
    unlogged.flush()
    #expect(pages(block).isEmpty)
    let logged = try ring.queue(startingAt: 1, dirtyLog: log)
    logged.complete(try #require(try logged.pop()), written: 0)
    logged.flush()
    #expect(pages(block).isEmpty)
  }
}
