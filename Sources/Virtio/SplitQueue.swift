// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The split ring, device side (VIRTIO 1.3 section 2.7). The unsafe core: raw loads and stores over three areas whose
// sizes were checked once, in `init`. Indices are masked or compared before they are used; every descriptor is read
// once, into registers. It must not call the kernel, allocate, or hold a reference per request.

internal import Synchronization
public import VirtioProtocol
internal import Wire

@usableFromInline @safe
struct SplitQueue: ~Copyable {
  private let descriptors: UnsafeMutableRawPointer
  private let available: UnsafeMutableRawPointer
  @usableFromInline let used: UnsafeMutableRawPointer
  let size: UInt16
  @usableFromInline let mask: UInt16
  private let eventIndex: Bool
  private let indirect: Bool
  let regions: RegionTable
  private let lost: UnsafeMutablePointer<Atomic<UInt32>>
  /// Keeps `regions` and `lost` alive; never touched per chain, so that no reference is counted.
  let memory: GuestMemory

  /// Next available entry to take.
  private(set) var nextAvailable: UInt16
  private var seenAvailable: UInt16
  /// Used index as the driver will see it after `publish`.
  @usableFromInline var nextUsed: UInt16
  @usableFromInline var publishedUsed: UInt16
  /// Used index at the last decision about an interrupt; nil forces the first one.
  private var signalledUsed: UInt16?
  /// The same, for counting: what was put since.
  private var decidedUsed: UInt16

  init(_ configuration: borrowing VirtqueueConfiguration) throws(GuestFault) {
    let size = Int(configuration.size)
    let rings = configuration.rings
    eventIndex = configuration.features.contains(.eventIndex)
    guard SplitRingLayout.isValid(queueSize: size),
      rings.descriptors.count >= SplitRingLayout.descriptorTableSize(size),
      rings.available.count >= SplitRingLayout.availSize(size, eventIndex: eventIndex),
      rings.used.count >= SplitRingLayout.usedSize(size, eventIndex: eventIndex),
      unsafe UInt(bitPattern: rings.descriptors.base) % 8 == 0,
      unsafe UInt(bitPattern: rings.available.base) % 2 == 0,
      unsafe UInt(bitPattern: rings.used.base) % 4 == 0
    else { throw .badRing }
    unsafe descriptors = rings.descriptors.base
    unsafe available = rings.available.base
    unsafe used = rings.used.base
    self.size = configuration.size
    mask = configuration.size &- 1
    indirect = configuration.features.contains(.indirectDescriptors)
    memory = configuration.memory
    regions = configuration.memory.table
    unsafe lost = configuration.memory.health.lost
    nextAvailable = UInt16(truncatingIfNeeded: configuration.base)
    seenAvailable = nextAvailable
    let usedIndex = unsafe SplitQueue.word(rings.used.base + SplitRingLayout.usedIndexOffset)
    nextUsed = unsafe usedIndex.pointee.load(ordering: .acquiring)
    publishedUsed = nextUsed
    decidedUsed = nextUsed
  }

  /// A queue that stands beside a packed one and is never asked anything.
  init(idleBeside configuration: borrowing VirtqueueConfiguration) {
    unsafe descriptors = configuration.rings.descriptors.base
    unsafe available = configuration.rings.available.base
    unsafe used = configuration.rings.used.base
    size = 0
    mask = 0
    eventIndex = false
    indirect = false
    memory = configuration.memory
    regions = configuration.memory.table
    unsafe lost = configuration.memory.health.lost
    nextAvailable = 0
    seenAvailable = 0
    nextUsed = 0
    publishedUsed = 0
    decidedUsed = 0
  }

  /// Atomics bound onto ring memory: the driver is another processor on the same words.
  @inline(__always)
  private static func word(_ address: UnsafeMutableRawPointer) -> UnsafeMutablePointer<Atomic<UInt16>> {
    unsafe address.assumingMemoryBound(to: Atomic<UInt16>.self)
  }

  /// True if the driver has made chains available that were not taken.
  @inline(__always)
  var hasWork: Bool {
    if nextAvailable != seenAvailable { return true }
    let index = unsafe SplitQueue.word(available + SplitRingLayout.availIndexOffset)
    return unsafe index.pointee.load(ordering: .acquiring) != nextAvailable
  }

  /// Some of the memory is gone, and what was read may be zeroes that the driver never wrote; see
  /// `MemoryHealth.isLost`.
  @inline(__always)
  var memoryIsLost: Bool {
    atomicMemoryFence(ordering: .acquiring)
    return unsafe lost.pointee.load(ordering: .relaxed) != 0
  }

  /// Chains that the driver has made available and that were not taken.
  var waitingCount: UInt16 {
    let index = unsafe SplitQueue.word(available + SplitRingLayout.availIndexOffset)
    return min(unsafe index.pointee.load(ordering: .acquiring) &- nextAvailable, size)
  }

  /// Every chain that the last look showed has been taken.
  @inline(__always)
  var seenIsTaken: Bool { nextAvailable == seenAvailable }

  /// Looks how far the driver has come; false if there is nothing new.
  @inline(__always)
  mutating func look() throws(GuestFault) -> Bool {
    let index = unsafe SplitQueue.word(available + SplitRingLayout.availIndexOffset)
    seenAvailable = unsafe index.pointee.load(ordering: .acquiring)
    if nextAvailable == seenAvailable { return false }
    if seenAvailable &- nextAvailable > size { throw .availableIndexJumped }
    return true
  }

  /// Takes the head of the next chain; only when `seenIsTaken` is false.
  @inline(__always)
  mutating func takeHead() throws(GuestFault) -> UInt16 {
    let slot = SplitRingLayout.availRingOffset &+ 2 &* Int(nextAvailable & mask)
    let head = unsafe available.load(fromByteOffset: slot, as: UInt16.self)
    if head >= size { throw .descriptorOutOfRange }
    nextAvailable &+= 1
    return head
  }

  /// Walks the chain that starts at `head` into `chain`. Mutating, although nothing of the queue changes: the compiler
  /// copies a struct that it borrows, for every chain, and not one that it mutates.
  @inline(__always)
  mutating func read(_ head: UInt16, into chain: inout Chain) throws(GuestFault) {
    chain.begin(head: head)
    var table = unsafe descriptors
    var tableSize = UInt32(size)
    var index = UInt32(head)
    var budget = tableSize
    var mayBeIndirect = indirect
    var count = 0
    while true {
      if budget == 0 { throw .chainTooLong }
      budget &-= 1
      // Two loads, then decoding from registers: the guest may change the descriptor at any time.
      let entry = unsafe table + Int(index) &* 16
      let address = unsafe entry.load(as: UInt64.self)
      let rest = unsafe entry.load(fromByteOffset: 8, as: UInt64.self)
      let length = UInt32(truncatingIfNeeded: rest)
      let flags = UInt16(truncatingIfNeeded: rest &>> 32)
      if flags & DescriptorFlags.indirect != 0 {
        if !mayBeIndirect || flags & DescriptorFlags.next != 0 { throw .misplacedIndirect }
        unsafe table = try regions.indirectTable(address, length)
        tableSize = length / 16
        budget = tableSize
        index = 0
        mayBeIndirect = false
        continue
      }
      // What `RegionTable.append` does, once more: through it every descriptor costs an instruction or two more.
      if length != 0 {
        let isReadable = flags & DescriptorFlags.write == 0
        if isReadable, chain.readableCount != count { throw .readableAfterWritable }
        if let base = unsafe regions.host(address, UInt64(length)) {
          unsafe chain.set(count, to: Segment(base: base, count: Int(length)))
          count &+= 1
        } else {
          count = try regions.appendPieces(address, length, to: &chain, at: count)
        }
        if isReadable { chain.readableCount = count }
      }
      if flags & DescriptorFlags.next == 0 { break }
      index = UInt32(truncatingIfNeeded: rest &>> 48)
      if index >= tableSize { throw .descriptorOutOfRange }
    }
    chain.finish(count)
  }

  /// Writes a used element; the driver sees it after `publish`.
  @inlinable @inline(__always)
  mutating func put(_ head: UInt16, written: UInt32) {
    let slot = unsafe used + SplitRingLayout.usedRingOffset + 8 &* Int(nextUsed & mask)
    unsafe slot.storeBytes(of: UInt32(head), as: UInt32.self)
    unsafe slot.storeBytes(of: written, toByteOffset: 4, as: UInt32.self)
    nextUsed &+= 1
  }

  /// Used elements not yet shown to the driver.
  @inlinable @inline(__always)
  var unpublished: UInt16 { nextUsed &- publishedUsed }

  /// Used elements since the last decision about an interrupt.
  @inline(__always)
  var undecided: UInt16 { nextUsed &- decidedUsed }

  /// Shows the batch to the driver: one release store.
  @inline(__always)
  mutating func publish() {
    let index = unsafe SplitQueue.word(used + SplitRingLayout.usedIndexOffset)
    unsafe index.pointee.store(nextUsed, ordering: .releasing)
    publishedUsed = nextUsed
  }

  /// Whether the driver wants an interrupt for what was published since the last time this was asked.
  @inline(__always)
  mutating func shouldSignal() -> Bool {
    decidedUsed = publishedUsed
    // The used index must be visible before used_event is read, or both sides may sleep (2.7.10).
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    if !eventIndex {
      let flags = unsafe SplitQueue.word(available + SplitRingLayout.availFlagsOffset)
      return unsafe flags.pointee.load(ordering: .relaxed) & AvailFlags.noInterrupt == 0
    }
    let event = unsafe SplitQueue.word(available + SplitRingLayout.usedEventOffset(Int(size)))
    let wanted = unsafe event.pointee.load(ordering: .relaxed)
    let old = signalledUsed
    signalledUsed = publishedUsed
    guard let old else { return true }
    return SplitRingLayout.needsEvent(wanted, new: publishedUsed, old: old)
  }

  /// Asks the driver to kick for the next chain; true if there is one already.
  mutating func armKicks() -> Bool {
    if eventIndex {
      let event = unsafe SplitQueue.word(used + SplitRingLayout.availEventOffset(Int(size)))
      unsafe event.pointee.store(nextAvailable, ordering: .relaxed)
    } else {
      let flags = unsafe SplitQueue.word(used + SplitRingLayout.usedFlagsOffset)
      unsafe flags.pointee.store(0, ordering: .relaxed)
    }
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    return hasWork
  }

  /// Asks the driver not to kick while the queue is being drained. With EVENT_IDX an old event index does it.
  func suppressKicks() {
    if eventIndex { return }
    let flags = unsafe SplitQueue.word(used + SplitRingLayout.usedFlagsOffset)
    unsafe flags.pointee.store(UsedFlags.noNotify, ordering: .relaxed)
  }

  /// Offset of the used element that `put` wrote last, and of the index: for the dirty log.
  var lastUsedElementOffset: Int { SplitRingLayout.usedRingOffset + 8 * Int((nextUsed &- 1) & mask) }
}
