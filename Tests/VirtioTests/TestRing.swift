// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The driver's side of a split ring, written from VIRTIO 1.3 section 2.7 with its numbers and not with
// `SplitRingLayout`: what room Virtio reads is laid down here by hand.

import Synchronization
import Virtio
import VirtioProtocol
import Wire

/// Memory that lives as long as the object.
/// Sendable because it is only an address; who writes where is each test's business.
@safe
final class Block: @unchecked Sendable {
  let segment: Segment

  init(_ byteCount: Int, alignment: Int = 4096) {
    let base = UnsafeMutableRawPointer.allocate(byteCount: max(byteCount, 1), alignment: alignment)
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    unsafe segment = Segment(base: base, count: byteCount)
  }

  deinit {
    unsafe segment.base.deallocate()
  }
}

/// Counts the interrupts.
final class CountingNotifier: QueueNotifier {
  private let count = Atomic(0)

  var calls: Int { count.load(ordering: .relaxed) }

  func call() {
    count.add(1, ordering: .relaxed)
  }
}

/// One buffer of a chain, as the driver names it.
struct Buffer: Equatable, CustomStringConvertible {
  var address: UInt64
  var count: Int

  init(_ address: UInt64, _ count: Int) {
    self.address = address
    self.count = count
  }

  var description: String { "\(String(address, radix: 16))+\(count)" }
}

/// A descriptor that is to be written: `write` and `next` are set by whoever links the chain.
struct Piece {
  var buffer: Buffer
  var writable: Bool

  static func readable(_ address: UInt64, _ count: Int) -> Piece {
    Piece(buffer: Buffer(address, count), writable: false)
  }
  static func writable(_ address: UInt64, _ count: Int) -> Piece {
    Piece(buffer: Buffer(address, count), writable: true)
  }
}

/// A ring and the guest memory behind it.
final class TestRing {
  static let next: UInt16 = 1
  static let write: UInt16 = 2
  static let indirect: UInt16 = 4

  /// Where the one region of the usual test lies, and how much of it there is.
  static let base: UInt64 = 0x10_0000
  static let byteCount = 0x10_0000

  let size: Int
  let features: VirtioFeatures
  let table: Block
  let available: Block
  let used: Block
  let regions: [(address: UInt64, block: Block)]
  let notifier = CountingNotifier()
  /// The driver's available index.
  private(set) var index: UInt16

  init(
    size: Int = 16, features: VirtioFeatures = [.eventIndex, .indirectDescriptors], startingAt index: UInt16 = 0,
    regions: [(address: UInt64, byteCount: Int)] = [(base, byteCount)]
  ) {
    self.size = size
    self.features = features
    self.index = index
    table = Block(16 * size)
    available = Block(6 + 2 * size)
    used = Block(6 + 8 * size)
    self.regions = regions.map { ($0.address, Block($0.byteCount)) }
    available.segment.store(index, at: 2)
    used.segment.store(index, at: 2)
  }

  // MARK: What the driver writes

  /// Writes one descriptor: of the ring's table, or of a table in guest memory.
  func describe(
    _ slot: Int, _ address: UInt64, _ length: UInt32, flags: UInt16 = 0, next: UInt16 = 0, in table: Segment? = nil
  ) {
    let table = table ?? self.table.segment
    table.store(address, at: 16 * slot)
    table.store(length, at: 16 * slot + 8)
    table.store(flags, at: 16 * slot + 12)
    table.store(next, at: 16 * slot + 14)
  }

  /// Links `pieces` from descriptor `first` on, one after the other.
  func link(_ pieces: [Piece], from first: Int = 0, in table: Segment? = nil) {
    for (offset, piece) in pieces.enumerated() {
      let last = offset == pieces.count - 1
      describe(
        first + offset, piece.buffer.address, UInt32(piece.buffer.count),
        flags: (piece.writable ? TestRing.write : 0) | (last ? 0 : TestRing.next),
        next: last ? 0 : UInt16(first + offset + 1), in: table)
    }
  }

  /// Links `pieces` in a table of their own at guest address `address`, behind descriptor `slot`.
  func linkIndirect(_ pieces: [Piece], slot: Int, tableAt address: UInt64) {
    let table = bytes(address, 16 * pieces.count)
    link(pieces, in: table)
    describe(slot, address, UInt32(16 * pieces.count), flags: TestRing.indirect)
  }

  /// Makes the chain at `head` available.
  func offer(_ head: Int) {
    available.segment.store(UInt16(truncatingIfNeeded: head), at: 4 + 2 * (Int(index) % size))
    index &+= 1
    available.segment.store(index, at: 2)
  }

  /// Sets the available index as no honest driver would.
  func jump(to index: UInt16) {
    self.index = index
    available.segment.store(index, at: 2)
  }

  var usedEvent: UInt16 {
    get { available.segment.load(at: 4 + 2 * size) ?? 0 }
    set { available.segment.store(newValue, at: 4 + 2 * size) }
  }

  var availableFlags: UInt16 {
    get { available.segment.load(at: 0) ?? 0 }
    set { available.segment.store(newValue, at: 0) }
  }

  // MARK: What the driver reads

  var usedFlags: UInt16 { used.segment.load(at: 0) ?? 0 }
  var usedIndex: UInt16 { used.segment.load(at: 2) ?? 0 }
  var availableEvent: UInt16 { used.segment.load(at: 4 + 8 * size) ?? 0 }

  /// The used element at an index that counts on and on.
  func usedElement(_ index: UInt16) -> (id: UInt32, length: UInt32) {
    let offset = 4 + 8 * (Int(index) % size)
    return (used.segment.load(at: offset) ?? .max, used.segment.load(at: offset + 4) ?? .max)
  }

  // MARK: Guest memory

  /// The guest's bytes at `address`.
  func bytes(_ address: UInt64, _ count: Int) -> Segment {
    for region in regions where address >= region.address {
      let offset = Int(address - region.address)
      if offset + count <= region.block.segment.count { return region.block.segment.dropFirst(offset).prefix(count) }
    }
    fatalError("the test's own address is outside its memory")
  }

  /// The guest address of mapped bytes; nil if any of them is not the guest's.
  func buffer(_ segment: Segment) -> Buffer? {
    for region in regions {
      let offset = unsafe segment.base - region.block.segment.base
      if offset >= 0, segment.count >= 0, offset + segment.count <= region.block.segment.count {
        return Buffer(region.address + UInt64(offset), segment.count)
      }
    }
    return nil
  }

  func memory() -> GuestMemory {
    let list = regions.map {
      MemoryRegion(guestAddress: $0.address, userAddress: $0.address, memory: $0.block.segment, owner: $0.block)
    }
    guard let memory = GuestMemory(list) else { fatalError("the test's own regions overlap") }
    return memory
  }

  /// A queue over this ring. `Block`s stay alive with the ring: keep it.
  func queue(
    batchLimit: UInt16 = Virtqueue.defaultBatchLimit, startingAt next: UInt16? = nil,
    inflight: consuming InflightRegion? = nil, dirtyLog: DirtyLog? = nil, loggedUsedAddress: UInt64? = nil
  ) throws(GuestFault) -> TestQueue {
    let configuration = VirtqueueConfiguration(
      size: UInt16(size),
      rings: RingAreas(descriptors: table.segment, available: available.segment, used: used.segment),
      memory: memory(), features: features, base: UInt32(next ?? index), notifier: notifier, inflight: inflight,
      dirtyLog: dirtyLog, loggedUsedAddress: loggedUsedAddress)
    return TestQueue(try Virtqueue(configuration, batchLimit: batchLimit), self)
  }
}

/// A chain as a class, so that a test can hold several.
final class Request {
  var chain: Chain
  private let ring: TestRing

  init(_ ring: TestRing, capacity: Int = 512) {
    chain = Chain(capacity: capacity)
    self.ring = ring
  }

  var head: Int { Int(chain.head) }
  /// Guest addresses; a nil is a segment outside guest memory.
  var readable: [Buffer?] { (0..<chain.readable.count).map { ring.buffer(chain.readable[$0]) } }
  var writable: [Buffer?] { (0..<chain.writable.count).map { ring.buffer(chain.writable[$0]) } }
}

/// A `Virtqueue` as a class: the macros of Swift Testing cannot call a mutating method.
final class TestQueue {
  private var queue: Virtqueue
  private let ring: TestRing

  init(_ queue: consuming Virtqueue, _ ring: TestRing) {
    self.queue = queue
    self.ring = ring
  }

  var hasWork: Bool { queue.hasWork }
  var base: UInt32 { queue.base }
  var nextAvailable: UInt16 { UInt16(truncatingIfNeeded: queue.base) }
  var size: UInt16 { queue.size }

  func pop(capacity: Int = 512) throws(GuestFault) -> Request? {
    let request = Request(ring, capacity: capacity)
    return try queue.pop(into: &request.chain) ? request : nil
  }

  /// Takes all that there is; the heads in order.
  func popAll() throws(GuestFault) -> [Request] {
    var requests: [Request] = []
    while let request = try pop() { requests.append(request) }
    return requests
  }

  func complete(_ request: Request, written: Int = 0) { queue.complete(request.chain, written: written) }
  func flush() { queue.flush() }
  func armKicks() -> Bool { queue.armKicks() }
  func suppressKicks() { queue.suppressKicks() }
}
