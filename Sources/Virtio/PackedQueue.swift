// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The packed ring, device side (VIRTIO 1.3 section 2.8). The unsafe core, with the rules of SplitQueue: areas checked
// once, positions kept below the ring's size, every descriptor read once into registers, no kernel, no allocation, no
// reference per request.

internal import Synchronization
internal import VirtioProtocol
internal import Wire

@usableFromInline @safe
struct PackedQueue: ~Copyable {
  private let descriptors: UnsafeMutableRawPointer
  /// The driver's and the device's event suppression areas.
  private let driverEvent: UnsafeMutableRawPointer
  private let deviceEvent: UnsafeMutableRawPointer
  let size: UInt16
  private let eventIndex: Bool
  private let indirect: Bool
  let regions: RegionTable
  /// Keeps `regions` and `lost` alive; never touched per chain, so that no reference is counted.
  private let memory: GuestMemory
  private let lost: UnsafeMutablePointer<Atomic<UInt32>>

  /// Next descriptor to look at, and to use.
  private(set) var nextAvailable: PackedPosition
  private(set) var nextUsed: PackedPosition
  /// Where the batch begins that the driver has not been shown, and the flags that will show it.
  private var batchStart: UInt16 = 0
  private var batchFlags: UInt16 = 0
  /// Chains in that batch.
  private(set) var unpublished: UInt16 = 0
  /// Descriptors that were taken and not used. Never more than the ring has, whatever the driver writes into it.
  private var outstanding: UInt32
  private(set) var takenCount: UInt16 = 0
  /// Chains that were put since the last decision about an interrupt, and the descriptors they took.
  private(set) var unflushed: UInt16 = 0
  private var unsignalled: UInt16 = 0

  init(_ configuration: borrowing VirtqueueConfiguration) throws(GuestFault) {
    let size = Int(configuration.size)
    let rings = configuration.rings
    let base = PackedBase(rawValue: configuration.base)
    guard PackedRingLayout.isValid(queueSize: size),
      rings.descriptors.count >= PackedRingLayout.descriptorRingSize(size),
      rings.available.count >= PackedRingLayout.eventSize, rings.used.count >= PackedRingLayout.eventSize,
      unsafe UInt(bitPattern: rings.descriptors.base) % 8 == 0,
      unsafe UInt(bitPattern: rings.available.base) % 4 == 0,
      unsafe UInt(bitPattern: rings.used.base) % 4 == 0,
      Int(base.available.index) < size, Int(base.used.index) < size,
      let outstanding = base.outstanding(size: configuration.size)
    else { throw .badRing }
    self.outstanding = outstanding
    unsafe descriptors = rings.descriptors.base
    unsafe driverEvent = rings.available.base
    unsafe deviceEvent = rings.used.base
    self.size = configuration.size
    eventIndex = configuration.features.contains(.eventIndex)
    indirect = configuration.features.contains(.indirectDescriptors)
    memory = configuration.memory
    regions = configuration.memory.table
    unsafe lost = configuration.memory.health.lost
    nextAvailable = base.available
    nextUsed = base.used
  }

  /// A queue that stands beside a split one and is never asked anything.
  init(idleBeside configuration: borrowing VirtqueueConfiguration) {
    unsafe descriptors = configuration.rings.descriptors.base
    unsafe driverEvent = configuration.rings.available.base
    unsafe deviceEvent = configuration.rings.used.base
    size = 0
    eventIndex = false
    indirect = false
    memory = configuration.memory
    regions = configuration.memory.table
    unsafe lost = configuration.memory.health.lost
    nextAvailable = .start
    nextUsed = .start
    outstanding = 0
  }

  /// Goes on elsewhere: what an inflight area knows.
  mutating func move(to base: PackedBase) {
    guard let count = base.outstanding(size: size) else { preconditionFailure("an area's base was checked") }
    nextAvailable = base.available
    nextUsed = base.used
    outstanding = count
  }

  var base: PackedBase { PackedBase(available: nextAvailable, used: nextUsed) }

  // MARK: Taking

  @inline(__always)
  private func entry(_ index: UInt16) -> UnsafeMutableRawPointer {
    unsafe descriptors + Int(index) &* 16
  }

  /// Length, id and flags of a descriptor in one load; what the driver wrote before its flags is visible afterwards.
  @inline(__always)
  private func tail(_ entry: UnsafeMutableRawPointer) -> UInt64 {
    // An atomic has the layout of its value; entries are aligned to 8 bytes at least.
    let word = unsafe (entry + PackedRingLayout.lengthOffset).assumingMemoryBound(to: Atomic<UInt64>.self)
    return unsafe word.pointee.load(ordering: .acquiring)
  }

  @inline(__always)
  private func isAvailable(_ tail: UInt64) -> Bool {
    UInt16(truncatingIfNeeded: tail &>> 48) & PackedFlags.both == PackedFlags.available(nextAvailable.wrap)
  }

  /// True if the driver has made a chain available that was not taken.
  @inline(__always)
  var hasWork: Bool { unsafe isAvailable(tail(entry(nextAvailable.index))) }

  /// Chains that begin in the next few descriptors and were not taken: the driver of a packed ring writes no count.
  var waitingCount: Int {
    var position = nextAvailable
    var count = 0
    for _ in 0..<min(16, size) {
      let flags = flags(at: position.index)
      if flags & PackedFlags.both != PackedFlags.available(position.wrap) { break }
      if flags & DescriptorFlags.next == 0 { count += 1 }
      position.advance(by: 1, size: size)
    }
    return count
  }

  /// Some of the memory is gone, and what was read may be zeroes that the driver never wrote.
  @inline(__always)
  private var memoryIsLost: Bool {
    atomicMemoryFence(ordering: .acquiring)
    return unsafe lost.pointee.load(ordering: .relaxed) != 0
  }

  /// Takes the next chain; false if there is none. A chain that cannot be read is not taken.
  @inline(__always)
  mutating func take(into chain: inout Chain) throws(GuestFault) -> Bool {
    var position = nextAvailable
    var entry = unsafe entry(position.index)
    var tail = unsafe tail(entry)
    if !isAvailable(tail) { return false }
    let budget = UInt32(size) &- outstanding
    if budget == 0 { throw .availableIndexJumped }
    chain.begin(head: 0)
    var taken: UInt16 = 0
    var count = 0
    while true {
      let address = unsafe entry.load(as: UInt64.self)
      let flags = UInt16(truncatingIfNeeded: tail &>> 48)
      taken &+= 1
      count = try add(address, UInt32(truncatingIfNeeded: tail), flags, to: &chain, at: count, isFirst: taken == 1)
      position.advance(by: 1, size: size)
      if flags & DescriptorFlags.next == 0 { break }
      if UInt32(taken) == budget { throw taken == size ? .chainTooLong : .availableIndexJumped }
      unsafe entry = self.entry(position.index)
      unsafe tail = self.tail(entry)
    }
    try name(&chain, UInt16(truncatingIfNeeded: tail &>> 32), taken: taken)
    if memoryIsLost { throw .memoryLost }
    chain.finish(count)
    nextAvailable = position
    outstanding &+= UInt32(taken)
    takenCount &+= 1
    return true
  }

  /// Takes a chain again that a predecessor had taken, from its note of the descriptors.
  mutating func retake(_ noted: [PackedDescriptor], into chain: inout Chain) throws(GuestFault) {
    chain.begin(head: 0)
    var count = 0
    for (index, descriptor) in noted.enumerated() {
      count = try add(
        descriptor.address, descriptor.length, descriptor.flags, to: &chain, at: count, isFirst: index == 0)
    }
    try name(&chain, noted.last?.id ?? .max, taken: UInt16(noted.count))
    if memoryIsLost { throw .memoryLost }
    chain.finish(count)
  }

  /// The driver may choose any id; one beyond the ring would be of no use to devices that keep a table.
  @inline(__always)
  private func name(_ chain: inout Chain, _ id: UInt16, taken: UInt16) throws(GuestFault) {
    if id >= size { throw .descriptorOutOfRange }
    chain.head = id
    chain.ringEntries = taken
  }

  /// Appends what one descriptor of the ring describes.
  @inline(__always)
  private func add(
    _ address: UInt64, _ length: UInt32, _ flags: UInt16, to chain: inout Chain, at count: Int, isFirst: Bool
  ) throws(GuestFault) -> Int {
    if flags & DescriptorFlags.indirect == 0 {
      return try regions.append(address, length, flags: flags, to: &chain, at: count)
    }
    // Not in a list with others (2.8.19).
    if !indirect || !isFirst || flags & DescriptorFlags.next != 0 { throw .misplacedIndirect }
    return try addTable(address, length, to: &chain)
  }

  /// Every descriptor of an indirect table, one after the other: only WRITE means something there (2.8.8).
  @inline(__always)
  private func addTable(_ address: UInt64, _ length: UInt32, to chain: inout Chain) throws(GuestFault) -> Int {
    let table = unsafe try regions.indirectTable(address, length)
    let end = unsafe table + Int(length)
    var entry = unsafe table
    var count = 0
    while unsafe entry < end {
      let address = unsafe entry.load(as: UInt64.self)
      let tail = unsafe entry.load(fromByteOffset: PackedRingLayout.lengthOffset, as: UInt64.self)
      let flags = UInt16(truncatingIfNeeded: tail &>> 48)
      if flags & DescriptorFlags.indirect != 0 { throw .misplacedIndirect }
      count = try regions.append(
        address, UInt32(truncatingIfNeeded: tail), flags: flags, to: &chain, at: count)
      unsafe entry += 16
    }
    return count
  }

  // MARK: Giving back

  /// Writes a used descriptor; the driver sees it after `publish`. Of a batch the first keeps its old flags until then,
  /// and the driver does not look past it.
  @inline(__always)
  mutating func put(_ id: UInt16, written: UInt32, taken: UInt16) {
    let flags = PackedFlags.used(nextUsed.wrap) | (written > 0 ? DescriptorFlags.write : 0)
    let entry = unsafe entry(nextUsed.index)
    if unpublished > 0 {
      let tail = UInt64(written) | UInt64(id) &<< 32 | UInt64(flags) &<< 48
      unsafe entry.storeBytes(of: tail, toByteOffset: PackedRingLayout.lengthOffset, as: UInt64.self)
    } else {
      unsafe entry.storeBytes(of: written, toByteOffset: PackedRingLayout.lengthOffset, as: UInt32.self)
      unsafe entry.storeBytes(of: id, toByteOffset: PackedRingLayout.idOffset, as: UInt16.self)
      batchStart = nextUsed.index
      batchFlags = flags
    }
    nextUsed.advance(by: taken, size: size)
    outstanding &-= UInt32(taken)
    unpublished &+= 1
    unflushed &+= 1
    unsignalled &+= taken
  }

  /// Shows the batch to the driver: one release store.
  @inline(__always)
  mutating func publish() {
    if unpublished == 0 { return }
    unpublished = 0
    let flags = unsafe (entry(batchStart) + PackedRingLayout.flagsOffset).assumingMemoryBound(to: Atomic<UInt16>.self)
    unsafe flags.pointee.store(batchFlags, ordering: .releasing)
  }

  /// Whether the driver wants an interrupt for what was published since the last time this was asked.
  @inline(__always)
  mutating func shouldSignal() -> Bool {
    let count = unsignalled
    unsignalled = 0
    unflushed = 0
    // The used flags must be visible before the event area is read, or both sides may sleep.
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    let word = unsafe driverEvent.assumingMemoryBound(to: Atomic<UInt32>.self)
    let bits = unsafe word.pointee.load(ordering: .relaxed)
    let event = PackedEvent(
      offsetWrap: UInt16(truncatingIfNeeded: bits), flags: UInt16(truncatingIfNeeded: bits &>> 16))
    return PackedRingLayout.needsEvent(event, at: nextUsed, size: size, count: count)
  }

  // MARK: Kicks

  /// Asks the driver to kick for the next chain; true if there is one already.
  mutating func armKicks() -> Bool {
    store(
      eventIndex
        ? PackedEvent(offsetWrap: nextAvailable.offsetWrap, flags: PackedEventFlags.descriptor)
        : PackedEvent(offsetWrap: 0, flags: PackedEventFlags.enable))
    atomicMemoryFence(ordering: .sequentiallyConsistent)
    return hasWork
  }

  /// Asks the driver not to kick while the queue is being drained. With EVENT_IDX an old event position does it.
  func suppressKicks() {
    if !eventIndex { store(PackedEvent(offsetWrap: 0, flags: PackedEventFlags.disable)) }
  }

  private func store(_ event: PackedEvent) {
    let word = unsafe deviceEvent.assumingMemoryBound(to: Atomic<UInt32>.self)
    unsafe word.pointee.store(UInt32(event.offsetWrap) | UInt32(event.flags) << 16, ordering: .relaxed)
  }

  // MARK: For the logs

  /// One of the `count` descriptors from which a chain was just taken, for a successor's sake. It is read again: who
  /// takes it up checks it anew.
  func takenDescriptor(_ index: UInt16, of count: UInt16) -> PackedDescriptor {
    var place = Int(nextAvailable.index) - Int(count) + Int(index)
    if place < 0 { place += Int(size) }
    return unsafe (descriptors + 16 * place).load(as: PackedDescriptor.self)
  }

  /// The flags in the ring at a position: what the driver sees there.
  func flags(at index: UInt16) -> UInt16 {
    precondition(index < size, "descriptor outside the ring")
    let flags = unsafe (entry(index) + PackedRingLayout.flagsOffset).assumingMemoryBound(to: Atomic<UInt16>.self)
    return unsafe flags.pointee.load(ordering: .acquiring)
  }

  /// Where in guest memory the descriptor lies that `put` will write next; nil if the ring lies in no region.
  var nextUsedGuestAddress: UInt64? {
    regions.guestAddress(of: unsafe Segment(base: entry(nextUsed.index), count: 16))
  }
}
