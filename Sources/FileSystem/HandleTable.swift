// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Files and directories that the guest has open, by file handle number (generation, slot, shard). Pins work as in the
// inode table. A handle has a descriptor of its own, or pins the node whose descriptor it shares with others that read
// the same file (contrib/decisions/0025).

internal import Linux
internal import Synchronization

/// How reads of an open file go that come together and through the page cache.
enum ReadWay: UInt8 {
  /// There were none yet.
  case unseen
  /// There was one: who reads again may be worth the question.
  case seen
  /// By io_uring: the file system can read without waiting for its disk.
  case ring
  case plain
}

/// An open file in use; give it back with `HandleTable.release`.
struct PinnedHandle {
  let id: UInt64
  let file: File
  /// Flags it was opened with.
  let flags: Int32
  /// Where the next getdents64 goes on, or -1 if that is not known.
  let position: Int64
  var readWay = ReadWay.unseen
}

final class HandleTable: Sendable {
  private static let shardCount = 8

  /// What a handle that is closed gives back.
  private enum Leftover {
    case nothing
    case descriptor(Int32)
    case node(UInt64)
  }

  private struct Slot {
    var descriptor: Int32 = -1
    var flags: Int32 = 0
    var generation: UInt32 = 0
    var pins: UInt32 = 0
    var live = false
    var readWay = ReadWay.unseen
    var next = UInt32.max
    var position: Int64 = 0
    /// The node that the descriptor belongs to; 0 if it is the handle's own.
    var node: UInt64 = 0
  }

  private struct State {
    var slots: [Slot] = []
    var free = UInt32.max
    var count = 0

    mutating func add(_ file: File, flags: Int32, node: UInt64, shard: Int) -> UInt64 {
      let index: Int
      if free != UInt32.max {
        index = Int(free)
        free = slots[index].next
      } else {
        index = slots.count
        slots.append(Slot())
      }
      slots[index].descriptor = file.raw
      slots[index].flags = flags
      slots[index].position = 0
      slots[index].node = node
      slots[index].readWay = .unseen
      slots[index].live = true
      count += 1
      return UInt64(slots[index].generation) << 32 | UInt64(index) << 3 | UInt64(shard)
    }

    mutating func recycle(_ index: Int) -> Leftover {
      let (descriptor, node) = (slots[index].descriptor, slots[index].node)
      slots[index].descriptor = -1
      slots[index].generation &+= 1
      slots[index].next = free
      free = UInt32(index)
      return node == 0 ? .descriptor(descriptor) : .node(node)
    }
  }

  private final class Shard: Sendable {
    let state = Mutex(State())
  }

  private let shards: [Shard] = (0..<shardCount).map { _ in Shard() }
  private let inodes: InodeTable
  /// Handles that have no descriptor of their own, which would limit their number.
  private let sharing = Atomic<Int>(0)

  init(_ inodes: InodeTable) {
    self.inodes = inodes
  }

  /// Number of open files.
  var count: Int { shards.reduce(0) { $0 + $1.state.withLock { $0.count } } }

  /// Adds an open file; returns its handle number.
  func insert(_ descriptor: consuming FileDescriptor, flags: Int32) -> UInt64 {
    let file = File(raw: descriptor.release())
    // Neighbouring descriptors go to different shards: they are opened by different threads.
    let shard = Int(file.raw) & (HandleTable.shardCount - 1)
    return shards[shard].state.withLock { $0.add(file, flags: flags, node: 0, shard: shard) }
  }

  /// Adds a file that is open by the descriptor of a node, on which this handle has a pin.
  /// - Parameter limit: the most of these. Throws ENFILE if there are as many; the pin is then the caller's still.
  func insert(sharing file: File, of node: UInt64, limit: Int) throws(Errno) -> UInt64 {
    if sharing.add(1, ordering: .relaxed).oldValue >= limit {
      sharing.subtract(1, ordering: .relaxed)
      throw .tooManyFilesInSystem
    }
    let shard = Int(file.raw) & (HandleTable.shardCount - 1)
    return shards[shard].state.withLock { $0.add(file, flags: OpenFlags.readOnly, node: node, shard: shard) }
  }

  private func giveBack(_ leftover: Leftover) {
    switch leftover {
    case .nothing: break
    case .descriptor(let raw): File(raw: raw).close()
    case .node(let id):
      sharing.subtract(1, ordering: .relaxed)
      inodes.release(id)
    }
  }

  private func decode(_ id: UInt64) -> (shard: Int, slot: Int, generation: UInt32) {
    (Int(id & 7), Int(UInt32(truncatingIfNeeded: id) >> 3), UInt32(truncatingIfNeeded: id >> 32))
  }

  func acquire(_ id: UInt64) throws(Errno) -> PinnedHandle {
    let place = decode(id)
    let found = shards[place.shard].state.withLock { state -> PinnedHandle? in
      guard place.slot < state.slots.count, state.slots[place.slot].live,
        state.slots[place.slot].generation == place.generation
      else { return nil }
      state.slots[place.slot].pins += 1
      let slot = state.slots[place.slot]
      return PinnedHandle(
        id: id, file: File(raw: slot.descriptor), flags: slot.flags, position: slot.position, readWay: slot.readWay)
    }
    guard let found else { throw .badDescriptor }
    return found
  }

  /// Remembers how a file in use is to be read.
  func note(_ handle: PinnedHandle, _ way: ReadWay) {
    let place = decode(handle.id)
    shards[place.shard].state.withLock { $0.slots[place.slot].readWay = way }
  }

  /// - Parameter position: the directory position after this use; nil leaves it.
  func release(_ handle: PinnedHandle, position: Int64? = nil) {
    let place = decode(handle.id)
    let leftover = shards[place.shard].state.withLock { state -> Leftover in
      if let position { state.slots[place.slot].position = position }
      state.slots[place.slot].pins -= 1
      guard state.slots[place.slot].pins == 0, !state.slots[place.slot].live else { return .nothing }
      return state.recycle(place.slot)
    }
    giveBack(leftover)
  }

  /// RELEASE: the guest has closed the file.
  func close(_ id: UInt64) throws(Errno) {
    let place = decode(id)
    let leftover = shards[place.shard].state.withLock { state -> Leftover? in
      guard place.slot < state.slots.count, state.slots[place.slot].live,
        state.slots[place.slot].generation == place.generation
      else { return nil }
      state.slots[place.slot].live = false
      state.count -= 1
      return state.slots[place.slot].pins == 0 ? state.recycle(place.slot) : .nothing
    }
    guard let leftover else { throw .badDescriptor }
    giveBack(leftover)
  }

  /// Closes everything: a new mount begins.
  func reset() {
    for shard in shards {
      let leftovers = shard.state.withLock { state in
        var leftovers: [Leftover] = []
        for index in state.slots.indices where state.slots[index].live {
          state.slots[index].live = false
          state.count -= 1
          if state.slots[index].pins == 0 { leftovers.append(state.recycle(index)) }
        }
        return leftovers
      }
      for leftover in leftovers { giveBack(leftover) }
    }
  }

  deinit {
    reset()
  }
}
