// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Files and directories that the guest has open, by file handle number (generation, slot, shard). Pins work as in the
// inode table.

internal import Linux
internal import Synchronization

/// An open file in use; give it back with `HandleTable.release`.
struct PinnedHandle {
  let id: UInt64
  let file: File
  /// Flags it was opened with.
  let flags: Int32
  /// Where the next getdents64 goes on, or -1 if that is not known.
  let position: Int64
}

final class HandleTable: Sendable {
  private static let shardCount = 8

  private struct Slot {
    var descriptor: Int32 = -1
    var flags: Int32 = 0
    var generation: UInt32 = 0
    var pins: UInt32 = 0
    var live = false
    var next = UInt32.max
    var position: Int64 = 0
  }

  private struct State {
    var slots: [Slot] = []
    var free = UInt32.max
    var count = 0

    mutating func recycle(_ index: Int) -> Int32 {
      let descriptor = slots[index].descriptor
      slots[index].descriptor = -1
      slots[index].generation &+= 1
      slots[index].next = free
      free = UInt32(index)
      return descriptor
    }
  }

  private final class Shard: Sendable {
    let state = Mutex(State())
  }

  private let shards: [Shard] = (0..<shardCount).map { _ in Shard() }

  /// Number of open files.
  var count: Int { shards.reduce(0) { $0 + $1.state.withLock { $0.count } } }

  /// Adds an open file; returns its handle number.
  func insert(_ descriptor: consuming FileDescriptor, flags: Int32) -> UInt64 {
    let raw = descriptor.release()
    // Neighbouring descriptors go to different shards: they are opened by different threads.
    let shard = Int(raw) & (HandleTable.shardCount - 1)
    return shards[shard].state.withLock { state in
      let index: Int
      if state.free != UInt32.max {
        index = Int(state.free)
        state.free = state.slots[index].next
      } else {
        index = state.slots.count
        state.slots.append(Slot())
      }
      state.slots[index].descriptor = raw
      state.slots[index].flags = flags
      state.slots[index].position = 0
      state.slots[index].live = true
      state.count += 1
      return UInt64(state.slots[index].generation) << 32 | UInt64(index) << 3 | UInt64(shard)
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
      return PinnedHandle(id: id, file: File(raw: slot.descriptor), flags: slot.flags, position: slot.position)
    }
    guard let found else { throw .badDescriptor }
    return found
  }

  /// - Parameter position: the directory position after this use; nil leaves it.
  func release(_ handle: PinnedHandle, position: Int64? = nil) {
    let place = decode(handle.id)
    let closed = shards[place.shard].state.withLock { state in
      if let position { state.slots[place.slot].position = position }
      state.slots[place.slot].pins -= 1
      return state.slots[place.slot].pins == 0 && !state.slots[place.slot].live ? state.recycle(place.slot) : -1
    }
    if closed >= 0 { File(raw: closed).close() }
  }

  /// RELEASE: the guest has closed the file.
  func close(_ id: UInt64) throws(Errno) {
    let place = decode(id)
    let closed = shards[place.shard].state.withLock { state -> Int32? in
      guard place.slot < state.slots.count, state.slots[place.slot].live,
        state.slots[place.slot].generation == place.generation
      else { return nil }
      state.slots[place.slot].live = false
      state.count -= 1
      return state.slots[place.slot].pins == 0 ? state.recycle(place.slot) : -1
    }
    guard let closed else { throw .badDescriptor }
    if closed >= 0 { File(raw: closed).close() }
  }

  /// Closes everything: a new mount begins.
  func reset() {
    for shard in shards {
      let closed = shard.state.withLock { state in
        var closed: [Int32] = []
        for index in state.slots.indices where state.slots[index].live {
          state.slots[index].live = false
          state.count -= 1
          if state.slots[index].pins == 0 { closed.append(state.recycle(index)) }
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
