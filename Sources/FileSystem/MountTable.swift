// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The mounts that the share shows. An inode number means something only together with its device and its mount (a
// bind mount shows the same inode twice; btrfs subvolumes share a mount but number their inodes each), so an inode's
// identity is (number, index in this table). A mount that was met keeps an anchor open: file handles are opened
// relative to it.

internal import Linux
internal import Synchronization
internal import Wire

final class MountTable: Sendable {
  struct Key: Hashable, Sendable {
    let mount: UInt64
    let device: UInt64

    init(_ status: FileStatus) {
      mount = status.mountID
      device = UInt64(status.deviceMajor) << 32 | UInt64(status.deviceMinor)
    }
  }

  struct Mount: Sendable {
    /// An open file of the mount; nil if the mount's files have no usable handles.
    let anchor: SharedDescriptor?
    /// True if an inode can be opened by its number (`FileHandle(anyGenerationOf:)`); nil if that was not tried yet.
    var opensByNumber: Bool?
  }

  private struct State: Sendable {
    var list: [Mount] = []
    var index: [Key: UInt32] = [:]
  }

  private let state = Mutex(State())

  /// Index of a mount met before.
  func index(of key: Key) -> UInt32? {
    state.withLock { $0.index[key] }
  }

  /// Adds a mount; a second thread that met it at the same time gets the first one's index.
  func add(_ key: Key, anchor: SharedDescriptor?) -> UInt32 {
    state.withLock { state in
      if let index = state.index[key] { return index }
      let index = UInt32(state.list.count)
      state.list.append(Mount(anchor: anchor, opensByNumber: nil))
      state.index[key] = index
      return index
    }
  }

  subscript(index: UInt32) -> Mount {
    state.withLock { $0.list[Int(index)] }
  }

  func note(_ index: UInt32, opensByNumber: Bool) {
    state.withLock { $0.list[Int(index)].opensByNumber = opensByNumber }
  }

  /// Forgets all mounts but the share's own, which is the first. Only while no queue runs: an index in use must not
  /// come to mean another mount.
  func reset() {
    state.withLock { state in
      guard let root = state.list.first else { return }
      state.list = [root]
      state.index = state.index.filter { $0.value == 0 }
    }
  }
}
