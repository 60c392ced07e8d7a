// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// All inodes that the guest knows, by node id. A node id is (generation, slot, shard), so finding one takes a shift
// and a compare; the shard is chosen by the inode's identity, so that looking up a name and using its node id take
// the same lock. Whoever uses a node pins it: its descriptor stays open until the pin is released, whatever other
// threads forget or evict meanwhile.

internal import Linux
internal import Synchronization
internal import Wire

/// A node in use; give it back with `InodeTable.release`.
struct PinnedNode {
  let id: UInt64
  /// Descriptor of the inode, O_PATH or open for reading.
  let file: File
  let mount: UInt32
  let type: FileType
  /// True if the descriptor is open for reading.
  var isReadable = false
}

final class InodeTable: Sendable {
  static let rootID: UInt64 = 1
  private static let shardCount = 16

  private final class Shard: Sendable {
    let state = Mutex(InodeShard())
  }

  private let shards: [Shard]
  private let root: FileDescriptor
  private let rootType: FileType
  private let mounts: MountTable
  private let cacheLimitPerShard: Int

  /// - Parameter cacheLimit: descriptors that may stay open although a handle could open them again.
  init(root: consuming FileDescriptor, rootType: FileType, mounts: MountTable, cacheLimit: Int) {
    self.root = root
    self.rootType = rootType
    self.mounts = mounts
    cacheLimitPerShard = max(cacheLimit / InodeTable.shardCount, 2)
    shards = (0..<InodeTable.shardCount).map { _ in Shard() }
  }

  /// Number of inodes known, without the root.
  var count: Int {
    shards.reduce(0) { $0 + $1.state.withLock { $0.count } }
  }

  // MARK: Node ids

  private func encode(shard: Int, slot: UInt32, generation: UInt32) -> UInt64 {
    // Slots count from 1 here, so that no id is 0 (none) or 1 (the root).
    UInt64(generation) << 32 | UInt64(slot + 1) << 4 | UInt64(shard)
  }

  private func decode(_ id: UInt64) -> (shard: Int, slot: UInt32, generation: UInt32)? {
    let slot = UInt32(truncatingIfNeeded: id) >> 4
    guard slot > 0 else { return nil }
    return (Int(id & 15), slot - 1, UInt32(truncatingIfNeeded: id >> 32))
  }

  private func shardIndex(_ key: InodeKey) -> Int { Int(key.hash & 15) }

  // MARK: Lookups

  /// Adds one reference to the inode of an identity, if the guest knows it; nil if it does not, or if only a handle can
  /// tell.
  /// - Parameter birth: when it was made; 0 if that is not to be relied on.
  func reference(_ key: InodeKey, birth: Int64) -> UInt64? {
    let shard = shardIndex(key)
    return shards[shard].state.withLock { state in
      guard case .slot(let slot) = state.find(key, birth: birth, handle: nil) else { return nil }
      state.slots[Int(slot)].references &+= 1
      return encode(shard: shard, slot: slot, generation: state.slots[Int(slot)].generation)
    }
  }

  /// Adds an inode with one reference, or references the one that another thread added meanwhile.
  ///
  /// With a handle the descriptor (if any) is a cache; without, it is all there is and stays open.
  /// - Parameter settledBirth: when the inode was made, if nothing that is made from now on can have the same time.
  func insert(
    _ key: InodeKey, type: FileType, handle: FileHandle?, descriptor: consuming FileDescriptor?, settledBirth: Int64
  ) -> UInt64 {
    let shard = shardIndex(key)
    let raw = descriptor.take()?.release() ?? -1
    let (id, spare) = shards[shard].state.withLock { state in
      if case .slot(let slot) = state.find(key, birth: settledBirth, handle: handle) {
        state.slots[Int(slot)].references &+= 1
        // It is this inode, now, by handle or because it is open.
        if !state.slots[Int(slot)].isNumbered { state.slots[Int(slot)].birth = settledBirth }
        return (encode(shard: shard, slot: slot, generation: state.slots[Int(slot)].generation), raw)
      }
      // Its birth counts from the second look on: between the two calls of the first somebody may have renamed, so that
      // number and birth are one file's and the handle is another's.
      let slot = state.add(key, type: type, handle: handle)
      state.slots[Int(slot)].references = 1
      state.slots[Int(slot)].descriptor = raw
      if raw >= 0, handle != nil { state.link(slot) }
      let excess = state.cached > cacheLimitPerShard ? state.evict() : -1
      return (encode(shard: shard, slot: slot, generation: state.slots[Int(slot)].generation), excess)
    }
    if spare >= 0 { File(raw: spare).close() }
    return id
  }

  /// The same for an inode whose handle is but its number, and which its birth tells from others of that number. Nil if
  /// one of that number is known by a real handle, or was born at another time: only the real handle can tell whether
  /// it is the same inode, and an inode with two node ids would have two page caches in the guest.
  func insert(_ key: InodeKey, type: FileType, numbered handle: FileHandle, settledBirth: Int64) -> UInt64? {
    let shard = shardIndex(key)
    return shards[shard].state.withLock { state in
      let slot: UInt32
      switch state.find(key, birth: settledBirth, handle: nil) {
      case .needsHandle: return nil
      case .slot(let known): slot = known
      case .none:
        slot = state.add(key, type: type, handle: handle)
        state.slots[Int(slot)].isNumbered = true
        // What it is was told by one call, so the birth counts at once.
        state.slots[Int(slot)].birth = settledBirth
      }
      state.slots[Int(slot)].references &+= 1
      return encode(shard: shard, slot: slot, generation: state.slots[Int(slot)].generation)
    }
  }

  // MARK: Use

  /// Pins a node and makes sure that it has a descriptor.
  func acquire(_ id: UInt64) throws(Errno) -> PinnedNode {
    if id == InodeTable.rootID { return PinnedNode(id: id, file: root.file, mount: 0, type: rootType) }
    guard let place = decode(id) else { throw .noEntry }
    let slotIndex = Int(place.slot)
    let found = shards[place.shard].state.withLock { state -> (node: PinnedNode, wanted: Wanted?)? in
      guard slotIndex < state.slots.count, state.slots[slotIndex].live,
        state.slots[slotIndex].generation == place.generation
      else { return nil }
      state.slots[slotIndex].pins += 1
      let slot = state.slots[slotIndex]
      let node = PinnedNode(
        id: id, file: File(raw: slot.descriptor), mount: slot.key.mount, type: slot.type, isReadable: slot.isReadable)
      if slot.descriptor >= 0 {
        if slot.hasHandle { state.touch(place.slot) }
        return (node, nil)
      }
      guard let handle = state.handle(of: place.slot) else { return (node, nil) }
      return (node, Wanted(handle: handle, inode: slot.key.inode, birth: slot.isNumbered ? slot.birth : nil))
    }
    guard let found else { throw .noEntry }
    if found.node.file.raw >= 0 { return found.node }
    do throws(Errno) {
      guard let wanted = found.wanted else { throw .stale }
      let descriptor = try open(wanted, as: found.node)
      return install(descriptor, for: found.node, at: place)
    } catch {
      release(found.node)
      throw error
    }
  }

  /// An inode to open by handle.
  private struct Wanted {
    let handle: FileHandle
    let inode: UInt64
    /// When it was made, if the handle does not say which inode of this number it is.
    let birth: Int64?
  }

  /// Opens an inode by handle and makes sure that it is the one that was looked up: between that and now its name may
  /// have been given to another file, and a handle says nothing of the kind of file.
  private func open(_ wanted: Wanted, as node: PinnedNode) throws(Errno) -> FileDescriptor {
    guard let anchor = mounts[node.mount].anchor else { throw .stale }
    var descriptor: FileDescriptor
    do throws(Errno) {
      descriptor = try anchor.file.open(wanted.handle, flags: OpenFlags.path | OpenFlags.noFollow)
    } catch .tooManyFiles {
      relieve()
      descriptor = try anchor.file.open(wanted.handle, flags: OpenFlags.path | OpenFlags.noFollow)
    }
    let status = try descriptor.file.status()
    guard status.inode == wanted.inode, status.type == node.type,
      wanted.birth == nil || wanted.birth == status.birthNanoseconds
    else {
      distrust(node.id)
      throw .stale
    }
    return descriptor
  }

  /// The handle of a node is another file's: a lookup must not find the node by its number and birth any more.
  private func distrust(_ id: UInt64) {
    guard let place = decode(id) else { return }
    shards[place.shard].state.withLock { $0.slots[Int(place.slot)].birth = 0 }
  }

  private func install(
    _ descriptor: consuming FileDescriptor, for node: PinnedNode,
    at place: (shard: Int, slot: UInt32, generation: UInt32)
  ) -> PinnedNode {
    let raw = descriptor.release()
    let slotIndex = Int(place.slot)
    let (used, spare) = shards[place.shard].state.withLock { state in
      if state.slots[slotIndex].descriptor >= 0 { return (state.slots[slotIndex].descriptor, raw) }
      state.slots[slotIndex].descriptor = raw
      state.link(place.slot)
      return (raw, state.cached > cacheLimitPerShard ? state.evict() : -1)
    }
    if spare >= 0 { File(raw: spare).close() }
    return PinnedNode(id: node.id, file: File(raw: used), mount: node.mount, type: node.type)
  }

  /// Holds an inode open for as long as the guest knows it, unless descriptors are short: those from `limit` on are
  /// not for keeping.
  func keepOpen(_ id: UInt64, below limit: Int32) {
    guard let place = decode(id), let node = try? acquire(id) else { return }
    defer { release(node) }
    guard node.file.raw < limit else { return }
    shards[place.shard].state.withLock { state in
      let slot = Int(place.slot)
      guard state.slots[slot].hasHandle else { return }
      // Out of the list of those that may be closed.
      state.unlink(place.slot)
      state.slots[slot].hasHandle = false
    }
  }

  /// Makes a file that was opened for reading the descriptor of its node: it does all that the O_PATH descriptor did,
  /// and who opens the file for reading next needs no other. Gives it back if others use the node at this moment, who
  /// rely on the old one. Afterwards `node` shows a closed descriptor: pin it anew.
  func replace(_ node: PinnedNode, with descriptor: consuming FileDescriptor) -> FileDescriptor? {
    guard node.id != InodeTable.rootID, let place = decode(node.id) else { return descriptor }
    let raw = descriptor.file.raw
    let old = shards[place.shard].state.withLock { state -> Int32 in
      let slot = Int(place.slot)
      guard state.slots[slot].pins == 1, state.slots[slot].descriptor >= 0 else { return -1 }
      let old = state.slots[slot].descriptor
      state.slots[slot].descriptor = raw
      state.slots[slot].isReadable = true
      return old
    }
    if old < 0 { return descriptor }
    _ = descriptor.release()
    File(raw: old).close()
    return nil
  }

  /// Pins a node once more, for a file that the guest has open by the node's descriptor; `release(_:)` ends that.
  func hold(_ node: PinnedNode) -> File? {
    guard node.id != InodeTable.rootID, let place = decode(node.id) else { return nil }
    return shards[place.shard].state.withLock { state -> File? in
      let slot = Int(place.slot)
      guard state.slots[slot].isReadable else { return nil }
      state.slots[slot].pins += 1
      return File(raw: state.slots[slot].descriptor)
    }
  }

  /// Ends the use of a node.
  func release(_ node: PinnedNode) {
    release(node.id)
  }

  /// Ends one use of the node of this number, which whoever calls has pinned.
  func release(_ id: UInt64) {
    guard id != InodeTable.rootID, let place = decode(id) else { return }
    let slot = Int(place.slot)
    let closed = shards[place.shard].state.withLock { state in
      state.slots[slot].pins -= 1
      return state.slots[slot].pins == 0 && !state.slots[slot].live ? state.recycle(place.slot) : -1
    }
    if closed >= 0 { File(raw: closed).close() }
  }

  /// FORGET: takes back `count` lookups; more than there are is the guest's mistake and takes all.
  func forget(_ id: UInt64, count: UInt64) {
    guard id != InodeTable.rootID, let place = decode(id) else { return }
    let slot = Int(place.slot)
    let closed = shards[place.shard].state.withLock { state in
      guard slot < state.slots.count, state.slots[slot].live, state.slots[slot].generation == place.generation else {
        return Int32(-1)
      }
      let left = state.slots[slot].references
      state.slots[slot].references = left > count ? left - count : 0
      guard state.slots[slot].references == 0 else { return -1 }
      state.kill(place.slot)
      return state.slots[slot].pins == 0 ? state.recycle(place.slot) : -1
    }
    if closed >= 0 { File(raw: closed).close() }
  }

  // MARK: Pressure

  /// Closes half of the cached descriptors: the process has run out of them.
  func relieve() {
    for shard in shards {
      let evicted = shard.state.withLock { state in
        var closed: [Int32] = []
        for _ in 0..<((state.cached + 1) / 2) {
          let raw = state.evict()
          if raw >= 0 { closed.append(raw) }
        }
        return closed
      }
      for raw in evicted { File(raw: raw).close() }
    }
  }

  /// Forgets everything: a new mount begins. Pinned slots go when their users are done.
  func reset() {
    for shard in shards {
      let closed = shard.state.withLock { state in
        var closed: [Int32] = []
        for index in state.slots.indices where state.slots[index].live {
          state.kill(UInt32(index))
          if state.slots[index].pins == 0 { closed.append(state.recycle(UInt32(index))) }
        }
        if state.slots.allSatisfy({ $0.pins == 0 }) {
          // Give the memory of a large tree back.
          state = InodeShard()
        }
        return closed
      }
      for raw in closed where raw >= 0 { File(raw: raw).close() }
    }
  }

  deinit {
    reset()
  }
}
