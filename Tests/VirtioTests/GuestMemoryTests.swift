// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import Virtio
import Wire

/// The table of regions. Invariants: regions do not overlap in guest addresses; an address is found in its region and
/// nowhere else, by guest address and by the frontend's own, however many regions there are.
@Suite struct GuestMemoryTests {
  private func region(_ address: UInt64, _ count: Int, user: UInt64? = nil, _ block: Block) -> MemoryRegion {
    MemoryRegion(
      guestAddress: address, userAddress: user ?? address, memory: block.segment.prefix(count), owner: block)
  }

  private func isAt(_ found: Segment?, _ block: Block, _ offset: Int, _ count: Int) -> Bool {
    guard let found else { return false }
    return unsafe found.base - block.segment.base == offset && found.count == count
  }

  @Test(
    arguments: [
      [(0, 0x1000), (0xfff, 0x1000)], [(0x1000, 0x1000), (0, 0x1001)], [(0x1000, 0x1000), (0x1000, 0x1000)],
      [(0, 0x3000), (0x1000, 0x1000)], [(0, 0)], [(0x1000, 0x1000), (0x3000, 0)], [(.max, 1)], [(.max - 0xffe, 0x1000)],
    ] as [[(UInt64, Int)]])
  func `a table with an overlap, an empty region or one that wraps around is refused`(_ list: [(UInt64, Int)]) {
    let block = Block(0x3000)
    #expect(GuestMemory(list.map { region($0.0, $0.1, block) }) == nil)
  }

  @Test func `an empty table knows no address`() throws {
    let memory = try #require(GuestMemory([]))
    #expect(memory.regionCount == 0)
    #expect(memory.bytes(guestAddress: 0, byteCount: 1) == nil)
    #expect(memory.ring(userAddress: 0, byteCount: 1) == nil)
  }

  @Test func `adjoining regions in any order are no overlap`() throws {
    let block = Block(0x3000)
    let memory = try #require(GuestMemory([0x2000, 0, 0x1000].map { region($0, 0x1000, block) }))
    #expect(memory.regionCount == 3)
    #expect(memory.bytes(guestAddress: 0x1fff, byteCount: 1) != nil)
    // One region each: a structure that is read in place may not cross.
    #expect(memory.bytes(guestAddress: 0xfff, byteCount: 2) == nil)
  }

  @Test(arguments: [1, 2, 3, 7, 8, 9, 10, 63, 64, 255, 509])
  func `every address is found where it is mapped`(count: Int) throws {
    // With gaps, and in the frontend's space the other way round.
    let blocks = (0..<count).map { _ in Block(0x100, alignment: 64) }
    func address(_ index: Int) -> UInt64 { 0x4000 + UInt64(index) * 0x180 }
    func user(_ index: Int) -> UInt64 { 0x7f00_0000_0000 + UInt64(count - index) * 0x1000 }
    let regions = (0..<count).map { region(address($0), 0x100, user: user($0), blocks[$0]) }
    let memory = try #require(GuestMemory(regions.shuffled()))
    #expect(memory.regionCount == count)
    for index in 0..<count {
      for (offset, length) in [(0, 0x100), (0, 1), (0xff, 1), (0x80, 0x80), (5, 0)] {
        let found = memory.bytes(guestAddress: address(index) + UInt64(offset), byteCount: length)
        #expect(isAt(found, blocks[index], offset, length))
        let ring = memory.ring(userAddress: user(index) + UInt64(offset), byteCount: length)
        #expect(isAt(ring, blocks[index], offset, length))
      }
      for (offset, length) in [(0, 0x101), (0xff, 2), (0x100, 1), (0x17f, 1), (-1, 1), (-1, 2), (0, Int.max), (0, -1)] {
        let guest = UInt64(Int64(address(index)) + Int64(offset))
        #expect(memory.bytes(guestAddress: guest, byteCount: length) == nil)
        #expect(memory.ring(userAddress: UInt64(Int64(user(index)) + Int64(offset)), byteCount: length) == nil)
      }
    }
    #expect(memory.bytes(guestAddress: .max, byteCount: 1) == nil)
  }

  @Test(arguments: [1, 8, 9, 509]) func `a queue finds buffers in every region`(count: Int) throws {
    let ring = TestRing(regions: (0..<count).map { (UInt64($0) * 0x1000, 0x800) })
    let queue = try ring.queue()
    for index in 0..<count {
      let address = UInt64(index) * 0x1000
      ring.link([.readable(address, 0x800), .writable(address + 0x7ff, 1)])
      ring.offer(0)
      let request = try #require(try queue.pop())
      #expect(request.readable == [Buffer(address, 0x800)])
      #expect(request.writable == [Buffer(address + 0x7ff, 1)])
      queue.complete(request)
    }
    for address in [0x7ff, UInt64(count - 1) * 0x1000 + 0x7ff] {
      ring.link([.readable(address, 2)])
      ring.offer(0)
      #expect(throws: GuestFault.addressOutsideMemory) { try queue.pop() }
    }
  }

  @Test func `a region keeps its owner as long as the table lives`() throws {
    weak var owner: Block?
    var memory: GuestMemory?
    do {
      let block = Block(0x1000)
      owner = block
      memory = GuestMemory([region(0, 0x1000, block)])
    }
    #expect(owner != nil)
    #expect(memory?.regionCount == 1)
    memory = nil
    #expect(owner == nil)
  }

  @Test func `a queue keeps the memory alive`() throws {
    weak var owner: Block?
    let table = Block(16 * 16)
    let available = Block(6 + 2 * 16)
    let used = Block(6 + 8 * 16)
    do {
      let block = Block(0x1000)
      owner = block
      let memory = try #require(GuestMemory([region(0, 0x1000, block)]))
      let queue = try Virtqueue(
        VirtqueueConfiguration(
          size: 16,
          rings: RingAreas(descriptors: table.segment, available: available.segment, used: used.segment),
          memory: memory, features: [], base: 0, notifier: CountingNotifier()))
      #expect(owner != nil)
      _ = consume queue
    }
    #expect(owner == nil)
  }
}
