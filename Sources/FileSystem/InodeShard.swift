// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// One shard of the inode table: slots in an array, a hash index over identities, and a list of the descriptors that
// are open only as a cache, oldest first. Plain values under the shard's lock; system calls happen outside.

internal import Linux

/// An inode's identity on the host: number and mount (see MountTable).
struct InodeKey: Equatable {
  var inode: UInt64
  var mount: UInt32

  var hash: UInt64 {
    // The finalizer of SplitMix64: inode numbers are dense, buckets should not be.
    var value = inode &+ UInt64(mount) &* 0x9e37_79b9_7f4a_7c15
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}

struct InodeShard {
  static let none = UInt32.max

  struct Slot {
    var key = InodeKey(inode: 0, mount: 0)
    /// When the inode was made, in nanoseconds, if that alone tells it from whatever gets its number later; else 0.
    var birth: Int64 = 0
    /// Lookups that the guest has not forgotten.
    var references: UInt64 = 0
    /// Counts how often the slot was used, so that an old node id never names a new inode.
    var generation: UInt32 = 0
    /// O_PATH descriptor, or one that is open for reading, or -1.
    var descriptor: Int32 = -1
    /// Operations that use the descriptor right now, and files that the guest has open by it.
    var pins: UInt32 = 0
    /// Next slot in the bucket, or in the free list.
    var next = InodeShard.none
    var older = InodeShard.none
    var newer = InodeShard.none
    var type = FileType.unknown
    /// False once forgotten; the slot is free when no pin is left either.
    var live = false
    /// True if the descriptor is open for reading.
    var isReadable = false
    /// True if the descriptor can be closed and opened again by handle.
    var hasHandle = false
    /// True if the handle is but the inode's number: the birth tells whether it is the same inode.
    var isNumbered = false
    /// True if the handle is in `largeHandles`.
    var handleIsLarge = false
    var handle: CompactHandle?
  }

  var slots: [Slot] = []
  private var buckets: [UInt32] = [UInt32](repeating: none, count: 16)
  private var free = InodeShard.none
  private(set) var count = 0
  private var largeHandles: [UInt32: FileHandle] = [:]
  /// Ends of the list of cached descriptors.
  private var oldest = InodeShard.none
  private var newest = InodeShard.none
  private(set) var cached = 0

  // MARK: Index

  private func bucket(_ key: InodeKey) -> Int {
    Int(truncatingIfNeeded: key.hash >> 4) & (buckets.count - 1)
  }

  enum Match {
    case slot(UInt32)
    /// An inode of this number is known but closed: only its handle can tell whether it is the same file.
    case needsHandle
    case none
  }

  /// Finds the live inode of an identity. An entry with an open descriptor matches by number, because an inode that
  /// is held open cannot have been replaced; one without matches by its birth or by handle.
  func find(_ key: InodeKey, birth: Int64, handle: FileHandle?) -> Match {
    var result = Match.none
    var index = buckets[bucket(key)]
    while index != InodeShard.none {
      let next = slots[Int(index)].next
      if slots[Int(index)].key == key {
        if slots[Int(index)].descriptor >= 0 { return .slot(index) }
        if birth != 0, slots[Int(index)].birth == birth { return .slot(index) }
        if let handle, !slots[Int(index)].isNumbered {
          if self.handle(of: index) == handle { return .slot(index) }
        } else {
          result = .needsHandle
        }
      }
      index = next
    }
    return result
  }

  func handle(of index: UInt32) -> FileHandle? {
    let slot = slots[Int(index)]
    if slot.handleIsLarge { return largeHandles[index] }
    return slot.handle?.handle
  }

  /// A new slot in the index; references and descriptor are the caller's to set.
  mutating func add(_ key: InodeKey, type: FileType, handle: FileHandle?) -> UInt32 {
    let index: UInt32
    if free != InodeShard.none {
      index = free
      free = slots[Int(index)].next
    } else {
      index = UInt32(slots.count)
      slots.append(Slot())
    }
    if count >= buckets.count { growBuckets() }
    let place = bucket(key)
    let generation = slots[Int(index)].generation
    var slot = Slot()
    slot.key = key
    slot.generation = generation
    slot.type = type
    slot.live = true
    slot.next = buckets[place]
    if let handle {
      slot.hasHandle = true
      slot.handle = CompactHandle(handle)
      if slot.handle == nil {
        slot.handleIsLarge = true
        largeHandles[index] = handle
      }
    }
    slots[Int(index)] = slot
    buckets[place] = index
    count += 1
    return index
  }

  private mutating func growBuckets() {
    buckets = [UInt32](repeating: InodeShard.none, count: buckets.count * 2)
    for index in slots.indices where slots[index].live {
      let place = bucket(slots[index].key)
      slots[index].next = buckets[place]
      buckets[place] = UInt32(index)
    }
  }

  /// Takes a slot out of the index: nobody finds it any more, pins may still hold it.
  mutating func kill(_ index: UInt32) {
    let place = bucket(slots[Int(index)].key)
    if buckets[place] == index {
      buckets[place] = slots[Int(index)].next
    } else {
      var previous = buckets[place]
      while previous != InodeShard.none, slots[Int(previous)].next != index { previous = slots[Int(previous)].next }
      if previous != InodeShard.none { slots[Int(previous)].next = slots[Int(index)].next }
    }
    slots[Int(index)].live = false
    slots[Int(index)].next = InodeShard.none
    if slots[Int(index)].handleIsLarge { largeHandles[index] = nil }
    count -= 1
  }

  /// Puts a dead slot without pins on the free list; returns the descriptor to close, or -1.
  mutating func recycle(_ index: UInt32) -> Int32 {
    let descriptor = slots[Int(index)].descriptor
    if descriptor >= 0, slots[Int(index)].hasHandle { unlink(index) }
    slots[Int(index)].descriptor = -1
    slots[Int(index)].isReadable = false
    slots[Int(index)].generation &+= 1
    slots[Int(index)].next = free
    slots[Int(index)].handle = nil
    free = index
    return descriptor
  }

  // MARK: Cached descriptors

  /// Appends at the newest end.
  mutating func link(_ index: UInt32) {
    slots[Int(index)].older = newest
    slots[Int(index)].newer = InodeShard.none
    if newest != InodeShard.none { slots[Int(newest)].newer = index } else { oldest = index }
    newest = index
    cached += 1
  }

  mutating func unlink(_ index: UInt32) {
    let older = slots[Int(index)].older
    let newer = slots[Int(index)].newer
    if older != InodeShard.none { slots[Int(older)].newer = newer } else { oldest = newer }
    if newer != InodeShard.none { slots[Int(newer)].older = older } else { newest = older }
    cached -= 1
  }

  /// A cached descriptor was used: it is the newest now.
  mutating func touch(_ index: UInt32) {
    if newest == index { return }
    unlink(index)
    link(index)
  }

  /// Takes the oldest cached descriptor that nobody uses; -1 if the oldest few are in use. These count as new again: a
  /// guest that has many files open must not make everybody else's search long.
  mutating func evict() -> Int32 {
    for _ in 0..<min(InodeShard.mostLooks, cached) {
      let index = oldest
      if slots[Int(index)].pins > 0 {
        touch(index)
        continue
      }
      let descriptor = slots[Int(index)].descriptor
      unlink(index)
      slots[Int(index)].descriptor = -1
      slots[Int(index)].isReadable = false
      return descriptor
    }
    return -1
  }

  /// Cached descriptors that `evict` looks at.
  private static let mostLooks = 8
}
