// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Who holds range locks: a descriptor for each owner (a process of the guest) and file. The host's kernel keeps such
// locks with the open file, and a guest's process may have a file open twice without standing in its own way, or share
// an open file with a child that does not inherit its locks. So the locks are on neither handle but here.

internal import Linux
internal import Synchronization

final class LockTable: Sendable {
  private struct Key: Hashable {
    let node: UInt64
    let owner: UInt64
  }

  private struct Entry {
    let descriptor: SharedDescriptor
    /// The handle that was last used to lock: its end ends the locks, should no FLUSH have come before.
    var handle: UInt64
  }

  private let entries = Mutex<[Key: Entry]>([:])

  /// The descriptor of an owner's locks on a file, if it has any.
  func descriptor(node: UInt64, owner: UInt64) -> SharedDescriptor? {
    entries.withLock { $0[Key(node: node, owner: owner)]?.descriptor }
  }

  /// The same; opens one by `open` if there is none.
  func descriptor(
    node: UInt64, owner: UInt64, handle: UInt64, open: () throws(Errno) -> FileDescriptor
  ) throws(Errno) -> SharedDescriptor {
    let key = Key(node: node, owner: owner)
    let known = entries.withLock { entries in
      entries[key]?.handle = handle
      return entries[key]?.descriptor
    }
    if let known { return known }
    let new = SharedDescriptor(try open())
    return entries.withLock { entries in
      if let first = entries[key] { return first.descriptor }
      entries[key] = Entry(descriptor: new, handle: handle)
      return new
    }
  }

  /// The owner has closed the file once: by POSIX all its locks on it are gone.
  func drop(node: UInt64, owner: UInt64) {
    _ = entries.withLock { $0.removeValue(forKey: Key(node: node, owner: owner)) }
  }

  /// An open file has ended.
  func drop(handle: UInt64) {
    _ = entries.withLock { entries in
      let gone = entries.filter { $0.value.handle == handle }
      for key in gone.keys { entries[key] = nil }
      return gone
    }
  }

  func reset() {
    _ = entries.withLock { entries in
      let gone = entries
      entries = [:]
      return gone
    }
  }
}
