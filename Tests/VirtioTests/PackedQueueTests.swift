// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import Virtio
import VirtioProtocol
import Wire

/// The packed ring. Invariants: what the driver made available is taken in its order, once, whatever round it lies in;
/// what is used stands where the driver looks next, and is shown from its first descriptor on; nobody is told who does
/// not want to be, and nobody who wants to be is forgotten; a broken ring is a `GuestFault`.
@Suite struct PackedQueueTests {
  private let base = TestRing.base

  private func fault(_ queue: TestQueue) -> GuestFault? {
    do {
      _ = try queue.pop()
      return nil
    } catch {
      return error
    }
  }

  @Test func aListIsTakenAndUsedInPlace() throws {
    let ring = PackedTestRing()
    ring.offer([.readable(base, 16), .readable(base + 64, 8), .writable(base + 128, 32)], id: 5)
    let queue = try ring.queue()
    #expect(queue.hasWork)
    let request = try #require(try queue.pop())
    #expect(request.readable == [Buffer(base, 16), Buffer(base + 64, 8)])
    #expect(request.writable == [Buffer(base + 128, 32)])
    #expect(request.head == 5)
    #expect(try queue.pop() == nil)
    #expect(!queue.hasWork)
    queue.complete(request, written: 0x0a0b)
    #expect(ring.takeUsed(3) == nil, "not before the flush")
    queue.flush()
    // Golden: the address is not touched, length 0x0a0b, id 5, flags AVAIL | USED | WRITE.
    #expect(ring.bytes(0).dropFirst(8) == [0x0b, 0x0a, 0, 0, 5, 0, 0x82, 0x80])
    #expect(ring.bytes(0).prefix(8) == [0, 0, 0x10, 0, 0, 0, 0, 0])
    let used = try #require(ring.takeUsed(3))
    #expect(used == (5, 0x0a0b, 2))
    #expect(queue.base == ring.base(3))
  }

  @Test func nothingWrittenIsSaidByAClearFlag() throws {
    let ring = PackedTestRing()
    ring.offer([.readable(base, 16)], id: 1)
    let queue = try ring.queue()
    queue.complete(try #require(try queue.pop()), written: 0)
    queue.flush()
    #expect(try #require(ring.takeUsed(1)) == (1, 0, 0))
  }

  @Test func anIndirectTableIsReadInOrderToItsEnd() throws {
    let ring = PackedTestRing()
    ring.offerIndirect(
      [.readable(base, 16), .writable(base + 16, 1), .writable(base + 64, 2)], id: 7, tableAt: base + 4096)
    ring.offer([.writable(base, 4)], id: 2)
    let queue = try ring.queue()
    let requests = try queue.popAll()
    #expect(requests.map(\.head) == [7, 2])
    #expect(requests[0].readable == [Buffer(base, 16)])
    #expect(requests[0].writable == [Buffer(base + 16, 1), Buffer(base + 64, 2)])
    queue.complete(requests[0], written: 3)
    queue.complete(requests[1], written: 4)
    queue.flush()
    #expect(try #require(ring.takeUsed(1)) == (7, 3, 2))
    #expect(try #require(ring.takeUsed(1)) == (2, 4, 2))
  }

  @Test func aBatchIsShownByItsFirstDescriptor() throws {
    let ring = PackedTestRing()
    for id in 0..<3 { ring.offer([.writable(base, 1)], id: UInt16(id)) }
    let queue = try ring.queue()
    let requests = try queue.popAll()
    for request in requests { queue.complete(request, written: 1) }
    // The later ones stand there, and the driver does not look past the first.
    #expect(ring.flags(0) == 0x82)
    #expect((1..<3).allSatisfy { ring.flags($0) == 0x8082 })
    queue.flush()
    #expect((0..<3).allSatisfy { ring.flags($0) == 0x8082 })
    #expect(ring.notifier.calls == 1)
  }

  @Test func aFullBatchIsShownAtOnce() throws {
    let ring = PackedTestRing()
    for id in 0..<4 { ring.offer([.writable(base, 1)], id: UInt16(id)) }
    let queue = try ring.queue(batchLimit: 2)
    let requests = try queue.popAll()
    queue.complete(requests[0], written: 1)
    #expect(ring.takeUsed(1) == nil)
    queue.complete(requests[1], written: 1)
    #expect(ring.takeUsed(1)?.id == 0)
    #expect(ring.takeUsed(1)?.id == 1)
    #expect(ring.takeUsed(1) == nil)
  }

  /// Lists of 1 to 4 descriptors, answered in random order, many rounds, in rings of any size.
  @Test(arguments: [1, 2, 3, 5, 8, 64], [1, 2] as [UInt64])
  func everyRoundIsLikeTheFirst(size: Int, seed: UInt64) throws {
    var random = SeededGenerator(seed: seed)
    let ring = PackedTestRing(size: size)
    let queue = try ring.queue(batchLimit: 3)
    var freeIDs = (0..<size).map { UInt16($0) }
    var lengths: [UInt16: Int] = [:]
    var offered: [UInt16] = []
    var held: [Request] = []
    for _ in 0..<2000 {
      switch random.next() % 4 {
      case 0:
        let count = Int(random.next() % 4) + 1
        guard ring.added - ring.taken + count <= size, let id = freeIDs.popLast() else { break }
        ring.offer((0..<count).map { .writable(base + UInt64(id) * 64 + UInt64($0), 1 + Int(id)) }, id: id)
        lengths[id] = count
        offered.append(id)
      case 1:
        if let request = try queue.pop() {
          #expect(request.head == Int(offered.removeFirst()))
          #expect(request.writable.count == lengths[UInt16(request.head)])
          #expect(request.writable.first == Buffer(base + UInt64(request.head) * 64, 1 + request.head))
          held.append(request)
        } else {
          #expect(offered.isEmpty)
        }
      case 2:
        guard !held.isEmpty else {
          queue.flush()
          break
        }
        let request = held.remove(at: Int(random.next() % UInt64(held.count)))
        queue.complete(request, written: request.head + 1)
        if random.next() % 2 == 0 { queue.flush() }
      default:
        // The driver knows how long the list of an id is only when it has read the id.
        let place = ring.taken % size
        guard ring.flags(place) & 0x8080 == (ring.wrap(ring.taken) ? 0x8080 : 0), ring.taken < ring.added else { break }
        let id: UInt16 = ring.descriptors.segment.load(at: 16 * place + 12) ?? .max
        let known = lengths.removeValue(forKey: id)
        let length = try #require(known)
        let used = try #require(ring.takeUsed(length))
        #expect(used == (id, UInt32(id) + 1, 2))
        freeIDs.append(id)
      }
    }
    #expect(ring.added > 4 * size)
  }

  @Test(arguments: [0, 3, 7, 8, 11, 16, 21])
  func aQueueGoesOnWhereItsBaseSays(number: Int) throws {
    let ring = PackedTestRing(size: 8, startingAt: number)
    let queue = try ring.queue()
    #expect(!queue.hasWork)
    #expect(queue.base == ring.base(number))
    ring.offer([.readable(base, 1), .writable(base + 8, 1)], id: 3)
    let request = try #require(try queue.pop())
    queue.complete(request, written: 1)
    queue.flush()
    #expect(try #require(ring.takeUsed(2)) == (3, 1, 2))
    #expect(queue.base == ring.base(number + 2))
  }

  @Test func theDriverIsToldWhenItWantsToBe() throws {
    let ring = PackedTestRing(size: 4)
    let queue = try ring.queue()
    func serve(_ count: Int) throws {
      for id in 0..<count { ring.offer([.writable(base, 1)], id: UInt16(id)) }
      while let request = try queue.pop() { queue.complete(request, written: 1) }
      queue.flush()
      for _ in 0..<count { #expect(ring.takeUsed(1) != nil) }
    }
    ring.wish(0, flags: 0)
    try serve(1)
    #expect(ring.notifier.calls == 1, "always")
    ring.wish(0, flags: 1)
    try serve(3)
    #expect(ring.notifier.calls == 1, "never")
    // At the second descriptor from here, in this round or the next.
    for round in 0..<12 {
      ring.wish(ring.offsetWrap(ring.taken + 1), flags: 2)
      try serve(1)
      #expect(ring.notifier.calls == 1 + round)
      try serve(1)
      #expect(ring.notifier.calls == 2 + round)
      if round % 3 == 2 {
        // A stale wish does not call again.
        try serve(1)
        #expect(ring.notifier.calls == 2 + round)
      }
    }
  }

  @Test func theDeviceAsksForKicksWhereItStands() throws {
    let ring = PackedTestRing(size: 3, startingAt: 4)
    let queue = try ring.queue()
    #expect(!queue.armKicks())
    // Place 1 of the second round, whose counter is 0; DESC.
    #expect(ring.deviceWish == [0x0001, 2])
    ring.offer([.readable(base, 1)], id: 0)
    #expect(queue.armKicks(), "there is one already")
    _ = try queue.pop()
    queue.suppressKicks()
    #expect(!queue.armKicks())
    #expect(ring.deviceWish == [0x0002, 2])
    let plain = PackedTestRing(size: 3, features: [])
    let other = try plain.queue()
    other.suppressKicks()
    #expect(plain.deviceWish == [0, 1])
    #expect(!other.armKicks())
    #expect(plain.deviceWish == [0, 0])
  }

  @Test func brokenListsAreFaults() throws {
    func expect(
      _ wanted: GuestFault, features: VirtioFeatures = [.indirectDescriptors], _ commit: (PackedTestRing) -> Void
    )
      throws
    {
      let ring = PackedTestRing(size: 4, features: features)
      commit(ring)
      let queue = try ring.queue()
      let before = queue.base
      #expect(fault(queue) == wanted)
      #expect(queue.base == before, "the list was not taken")
    }
    let end = base + UInt64(TestRing.byteCount)
    try expect(.addressOutsideMemory) { $0.offer([.readable(end - 1, 2)], id: 0) }
    try expect(.addressOutsideMemory) { $0.offer([.readable(0, 1)], id: 0) }
    try expect(.readableAfterWritable) { $0.offer([.writable(base, 1), .readable(base, 1)], id: 0) }
    try expect(.descriptorOutOfRange) { $0.offer([.readable(base, 1)], id: 4) }
    try expect(.chainTooLong) { ring in
      for place in 0..<4 { ring.describe(place, base, 1, id: 0, flags: ring.availableFlags | 1) }
    }
    try expect(.misplacedIndirect, features: []) { $0.offerIndirect([.readable(base, 1)], id: 0, tableAt: base + 64) }
    try expect(.misplacedIndirect) { $0.describe(0, base, 16, id: 0, flags: $0.availableFlags | 5) }
    try expect(.misplacedIndirect) { ring in
      ring.describe(1, base, 16, id: 0, flags: ring.availableFlags | 4)
      ring.describe(0, base, 1, id: 0, flags: ring.availableFlags | 1)
    }
    try expect(.misplacedIndirect) { ring in
      ring.offerIndirect([.readable(base, 1)], id: 0, tableAt: base + 64)
      ring.describe(0, base, 16, id: 0, flags: 4, in: ring.ring.bytes(base + 64, 16))
    }
    for count in [0, 8, 24, 16 * 32769] {
      try expect(.badIndirectTable) {
        $0.offerIndirect([.readable(base, 1)], id: 0, tableAt: base + 64, byteCount: count)
      }
    }
    try expect(.badIndirectTable) { $0.describe(0, base + 4, 16, id: 0, flags: $0.availableFlags | 4) }
    try expect(.addressOutsideMemory) { $0.describe(0, end - 16, 32, id: 0, flags: $0.availableFlags | 4) }
  }

  /// A driver that makes descriptors available again that the device has not used.
  @Test func aRingThatIsOverrunIsAFault() throws {
    let ring = PackedTestRing(size: 4)
    let queue = try ring.queue()
    for id in 0..<4 { ring.offer([.readable(base, 1)], id: UInt16(id)) }
    _ = try queue.popAll()
    ring.offer([.readable(base, 1)], id: 0)
    #expect(fault(queue) == .availableIndexJumped)
    let other = PackedTestRing(size: 4)
    let second = try other.queue()
    other.offer([.readable(base, 1)], id: 0)
    _ = try second.popAll()
    other.offer([.readable(base, 1), .readable(base, 1), .readable(base, 1), .readable(base, 1)], id: 1)
    #expect(fault(second) == .availableIndexJumped)
  }

  @Test func areasAndBasesThatDoNotFitAreRefused() throws {
    for (number, used) in [(3, 4), (12, 3), (13, 4)] {
      let ring = PackedTestRing(size: 8)
      #expect(throws: GuestFault.badRing) { try ring.queue(base: ring.base(number, used: used)) }
    }
    let ring = PackedTestRing(size: 8)
    #expect(throws: GuestFault.badRing) { try ring.queue(base: 0x8008_8008) }
    #expect(throws: GuestFault.badRing) {
      let areas = RingAreas(
        descriptors: ring.descriptors.segment.prefix(127), available: ring.driverEvent.segment,
        used: ring.deviceEvent.segment)
      _ = try Virtqueue(
        VirtqueueConfiguration(
          size: 8, rings: areas, memory: ring.ring.memory(), features: .ringPacked, base: 0x8000_8000,
          notifier: ring.notifier))
    }
  }

  @Test func whatIsWrittenIsInTheDirtyLog() throws {
    // The descriptor ring itself lies in guest memory here, on a page of its own.
    let guest = TestRing()
    let place = base + 0x8000
    let bitmap = Block(0x100)
    let driver = Block(4)
    let device = Block(4)
    let ring = guest.bytes(place, 16 * 8)
    ring.store(base, at: 0)
    ring.store(UInt32(0x3000), at: 8)
    ring.store(UInt16(0x82), at: 14)
    var queue = try Virtqueue(
      VirtqueueConfiguration(
        size: 8, rings: RingAreas(descriptors: ring, available: driver.segment, used: device.segment),
        memory: guest.memory(), features: .ringPacked, base: 0x8000_8000, notifier: guest.notifier,
        dirtyLog: DirtyLog(bitmap: bitmap.segment, owner: bitmap), loggedUsedAddress: 0x4000))
    var chain = Chain()
    let isThere = try queue.pop(into: &chain)
    #expect(isThere)
    queue.complete(chain, written: 0x1001)
    func takeDirty() -> [Int] {
      let dirty = (0..<0x200).filter { page in
        (bitmap.segment.load(UInt8.self, at: page / 8) ?? 0) >> UInt8(page % 8) & 1 != 0
      }
      bitmap.segment.zero()
      return dirty
    }
    #expect(takeDirty() == [0x100, 0x101, 0x108])
    // The flags that show it are written after that.
    queue.flush()
    #expect(takeDirty() == [0x108])
  }
}
