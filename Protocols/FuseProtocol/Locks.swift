// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// GETLK, SETLK and SETLKW: sent only under POSIX_LOCKS or FLOCK_LOCKS.

public import Wire

/// FUSE_LK_* (linux/fuse.h)
@frozen
public struct FuseLockFlags: OptionSet, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// An flock(2) lock, not a POSIX one.
  @inlinable public static var flock: Self { Self(rawValue: 1 << 0) }
}

/// struct fuse_file_lock (linux/fuse.h)
@frozen
public struct FuseFileLock: WireValue {
  public var start: UInt64 = 0
  /// Last byte, not the one after.
  public var end: UInt64 = 0
  /// F_RDLCK, F_WRLCK or F_UNLCK.
  public var type: UInt32 = 0
  public var pid: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(start: UInt64, end: UInt64, type: UInt32, pid: UInt32) {
    self.start = start
    self.end = end
    self.type = type
    self.pid = pid
  }
}

/// struct fuse_lk_in (linux/fuse.h)
@frozen
public struct FuseLkIn: WireValue {
  public var fh: UInt64 = 0
  public var owner: UInt64 = 0
  public var lk: FuseFileLock = FuseFileLock()
  public var lkFlags: FuseLockFlags = []
  public var padding: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(fh: UInt64, owner: UInt64, lk: FuseFileLock, lkFlags: FuseLockFlags) {
    self.fh = fh
    self.owner = owner
    self.lk = lk
    self.lkFlags = lkFlags
  }
}

/// struct fuse_lk_out (linux/fuse.h)
@frozen
public struct FuseLkOut: WireValue {
  public var lk: FuseFileLock = FuseFileLock()

  @inlinable
  public init() {}

  @inlinable
  public init(lk: FuseFileLock) {
    self.lk = lk
  }
}
