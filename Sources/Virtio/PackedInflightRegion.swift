// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// As InflightRegion, for packed rings (vhost-user "Inflight I/O tracking", struct QueueRegionPacked). The ring itself
// forgets a chain's descriptors when it comes round, so they are copied into entries of the region, which are linked
// into lists. Two states of the list's head and of the used position say whether a completion was under way.

internal import Synchronization
internal import VirtioProtocol
public import Wire

/// A chain that a predecessor left in flight: the head of a split chain, or the entry of the inflight area that stands
/// for a packed one and the descriptors it took in the ring.
struct LeftChain: Equatable {
  var entry: UInt16
  var ringEntries: UInt16
}

/// One queue's part of the inflight area.
@safe
public struct PackedInflightRegion: ~Copyable {
  private let base: UnsafeMutableRawPointer
  private let size: UInt16
  private let owner: AnyObject
  private var counter: UInt64 = 0
  /// A queue has worked with this part before.
  private let wasUsed: Bool

  /// Nil if `memory` is too small for a ring of `size` descriptors.
  public init?(memory: Segment, size: UInt16, owner: AnyObject) {
    guard memory.count >= InflightLayout.packedQueueSize(Int(size)), size > 0,
      unsafe UInt(bitPattern: memory.base) % 16 == 0
    else { return nil }
    unsafe base = memory.base
    self.size = size
    self.owner = owner
    let header = memory.load(InflightQueuePacked.self)
    wasUsed = header?.version == InflightLayout.version && header?.descNum == size
  }

  // MARK: Access

  private func load<Value: WireValue>(_ offset: Int) -> Value {
    unsafe base.load(fromByteOffset: offset, as: Value.self)
  }

  /// Stores in the order of the calls: a crash between two of them leaves the earlier ones.
  private func store<Value: WireValue>(_ value: Value, at offset: Int) {
    atomicMemoryFence(ordering: .releasing)
    unsafe base.storeBytes(of: value, toByteOffset: offset, as: Value.self)
  }

  private func offset(_ entry: UInt16) -> Int {
    precondition(entry < size, "entry outside the region")
    return InflightLayout.packedDescriptorOffset(Int(entry))
  }

  private func entry(_ index: UInt16) -> InflightDescriptorPacked { load(offset(index)) }

  /// The four fields that say how far the device has come, as one word: they change together or not at all.
  private struct Progress {
    var used: PackedPosition
    var oldUsed: PackedPosition

    init(_ word: UInt64) {
      used = PackedPosition(index: UInt16(truncatingIfNeeded: word), wrap: word >> 32 & 0xff != 0)
      oldUsed = PackedPosition(index: UInt16(truncatingIfNeeded: word >> 16), wrap: word >> 40 & 0xff != 0)
    }

    init(used: PackedPosition, oldUsed: PackedPosition) {
      self.used = used
      self.oldUsed = oldUsed
    }

    var word: UInt64 {
      let wraps = (used.wrap ? 1 : 0) | (oldUsed.wrap ? UInt64(1) << 8 : 0)
      return UInt64(used.index) | UInt64(oldUsed.index) << 16 | wraps << 32
    }
  }

  private var progress: Progress {
    get { Progress(load(InflightLayout.packedProgressOffset)) }
    nonmutating set { store(newValue.word, at: InflightLayout.packedProgressOffset) }
  }

  private var freeHead: UInt16 {
    get { load(InflightLayout.freeHeadOffset) }
    nonmutating set { store(newValue, at: InflightLayout.freeHeadOffset) }
  }

  private var oldFreeHead: UInt16 {
    get { load(InflightLayout.oldFreeHeadOffset) }
    nonmutating set { store(newValue, at: InflightLayout.oldFreeHeadOffset) }
  }

  // MARK: While the queue runs

  /// Notes a chain that was taken, with its `taken` descriptors.
  /// - Returns: the entry that stands for the chain.
  mutating func begin(_ ring: borrowing PackedQueue, taken: UInt16) -> UInt16 {
    let head = oldFreeHead
    // The frontend shares the area and may break its lists: then the chain is served without being noted.
    guard head < size else { return head }
    var note = entry(head)
    note.num = taken
    note.counter = counter
    counter &+= 1
    var place = head
    var last = head
    var index: UInt16 = 0
    while index < taken {
      guard place < size else { return place }
      let descriptor = ring.takenDescriptor(index, of: taken)
      var copy = place == head ? note : entry(place)
      copy.addr = descriptor.address
      copy.len = descriptor.length
      copy.flags = descriptor.flags
      copy.id = descriptor.id
      store(copy, at: offset(place))
      last = place
      place = copy.next
      index &+= 1
    }
    store(last, at: offset(head) + InflightLayout.lastOffset)
    store(UInt8(1), at: offset(head) + InflightLayout.inflightOffset)
    freeHead = place
    oldFreeHead = place
    return head
  }

  /// A chain is about to be shown as used, after which the ring goes on at `used`.
  func release(_ entry: UInt16, used: PackedPosition) {
    guard entry < size else { return }
    let last = self.entry(entry).last
    guard last < size else { return }
    store(freeHead, at: offset(last) + InflightLayout.packedNextOffset)
    freeHead = entry
    progress = Progress(used: used, oldUsed: progress.oldUsed)
  }

  /// The chain has been shown.
  func commit(_ entry: UInt16) {
    guard entry < size else { return }
    store(UInt8(0), at: offset(entry) + InflightLayout.inflightOffset)
    oldFreeHead = freeHead
    progress = Progress(used: progress.used, oldUsed: progress.used)
  }

  // MARK: After a crash

  /// Where the queue goes on and the entries still in flight, oldest first; repairs what a crash left half done. A
  /// region that nobody has used, or that makes no sense, is begun anew where `ring` stands.
  mutating func recover(_ ring: borrowing PackedQueue) -> (base: PackedBase, chains: [LeftChain]) {
    // Read once: the frontend shares the area.
    let known = progress
    guard wasUsed, known.oldUsed.index < ring.size else { return (begin(at: ring.base), []) }
    var used = known.oldUsed
    if known.used != known.oldUsed, known.used.index < ring.size,
      ring.flags(at: known.oldUsed.index) & PackedFlags.both != PackedFlags.available(known.oldUsed.wrap)
    {
      // It was shown: the driver may even have taken it and put another list there.
      used = known.used
      oldFreeHead = freeHead
    }
    // What was not shown did not happen.
    freeHead = oldFreeHead
    progress = Progress(used: used, oldUsed: used)
    clearFreeList()
    var found: [(counter: UInt64, chain: LeftChain)] = []
    var count = 0
    for index in 0..<size {
      let entry = entry(index)
      guard entry.inflight == 1, entry.num > 0, count + Int(entry.num) <= Int(ring.size) else { continue }
      count += Int(entry.num)
      found.append((entry.counter, LeftChain(entry: index, ringEntries: entry.num)))
    }
    found.sort { $0.counter < $1.counter }
    counter = (found.last?.counter ?? 0) &+ 1
    var available = used
    available.advance(by: UInt16(count), size: ring.size)
    return (PackedBase(available: available, used: used), found.map { $0.chain })
  }

  private func clearFreeList() {
    var index = freeHead
    var left = size
    while index < size, left > 0 {
      store(UInt8(0), at: offset(index) + InflightLayout.inflightOffset)
      index = entry(index).next
      left -= 1
    }
  }

  private func begin(at base: PackedBase) -> PackedBase {
    unsafe Segment(base: self.base, count: InflightLayout.packedQueueSize(Int(size))).zero()
    for index in 0..<size { store(index + 1, at: offset(index) + InflightLayout.packedNextOffset) }
    progress = Progress(used: base.used, oldUsed: base.used)
    var header: InflightQueuePacked = load(0)
    header.descNum = size
    header.version = InflightLayout.version
    store(header, at: 0)
    return base
  }

  /// The descriptors that were noted for a chain; nil if the list has become shorter than it was.
  func descriptors(of chain: LeftChain) -> [PackedDescriptor]? {
    var noted: [PackedDescriptor] = []
    var index = chain.entry
    for _ in 0..<chain.ringEntries {
      guard index < size else { return nil }
      let entry = entry(index)
      noted.append(PackedDescriptor(address: entry.addr, length: entry.len, id: entry.id, flags: entry.flags))
      index = entry.next
    }
    return noted
  }
}
