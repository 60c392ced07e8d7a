// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Requests that make, move and remove names. The names follow the struct, each with its NUL: MKNOD, MKDIR and LINK
// one, RENAME the old and the new one. SYMLINK, UNLINK and RMDIR have no struct, only names.

public import Wire

/// struct fuse_mknod_in (linux/fuse.h)
@frozen
public struct FuseMknodIn: WireValue {
  public var mode: UInt32 = 0
  /// Encoded as `FuseAttr.rdev`.
  public var rdev: UInt32 = 0
  public var umask: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(mode: UInt32, rdev: UInt32 = 0, umask: UInt32 = 0) {
    self.mode = mode
    self.rdev = rdev
    self.umask = umask
  }
}

/// struct fuse_mkdir_in (linux/fuse.h)
@frozen
public struct FuseMkdirIn: WireValue {
  public var mode: UInt32 = 0
  public var umask: UInt32 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(mode: UInt32, umask: UInt32 = 0) {
    self.mode = mode
    self.umask = umask
  }
}

/// struct fuse_rename_in (linux/fuse.h)
@frozen
public struct FuseRenameIn: WireValue {
  public var newdir: UInt64 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(newdir: UInt64) {
    self.newdir = newdir
  }
}

/// struct fuse_rename2_in (linux/fuse.h)
@frozen
public struct FuseRename2In: WireValue {
  public var newdir: UInt64 = 0
  /// RENAME_* as renameat2(2) takes them.
  public var flags: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(newdir: UInt64, flags: UInt32 = 0) {
    self.newdir = newdir
    self.flags = flags
  }
}

/// struct fuse_link_in (linux/fuse.h)
@frozen
public struct FuseLinkIn: WireValue {
  public var oldnodeid: UInt64 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(oldnodeid: UInt64) {
    self.oldnodeid = oldnodeid
  }
}
