// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// SETUPMAPPING and REMOVEMAPPING: sent only if the device has a DAX window.

public import Wire

/// FUSE_SETUPMAPPING_FLAG_* (linux/fuse.h)
@frozen
public struct FuseSetupmappingFlags: OptionSet, WireValue {
  public var rawValue: UInt64

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  @inlinable public static var write: Self { Self(rawValue: 1 << 0) }
  @inlinable public static var read: Self { Self(rawValue: 1 << 1) }
}

/// struct fuse_setupmapping_in (linux/fuse.h)
@frozen
public struct FuseSetupmappingIn: WireValue {
  /// All ones when the guest has no handle: the mapping is then for the node.
  public var fh: UInt64 = 0
  public var foffset: UInt64 = 0
  public var len: UInt64 = 0
  public var flags: FuseSetupmappingFlags = []
  /// Offset in the window.
  public var moffset: UInt64 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(fh: UInt64, foffset: UInt64, len: UInt64, flags: FuseSetupmappingFlags, moffset: UInt64) {
    self.fh = fh
    self.foffset = foffset
    self.len = len
    self.flags = flags
    self.moffset = moffset
  }
}

/// struct fuse_removemapping_in (linux/fuse.h)
@frozen
public struct FuseRemovemappingIn: WireValue {
  /// Number of `FuseRemovemappingOne` that follow.
  public var count: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(count: UInt32) {
    self.count = count
  }
}

/// struct fuse_removemapping_one (linux/fuse.h)
@frozen
public struct FuseRemovemappingOne: WireValue {
  /// Offset in the window.
  public var moffset: UInt64 = 0
  public var len: UInt64 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(moffset: UInt64, len: UInt64) {
    self.moffset = moffset
    self.len = len
  }
}
