// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// STATX, since 7.39. Its structs are bit for bit those of statx(2).

public import Wire

/// struct fuse_statx_in (linux/fuse.h)
@frozen
public struct FuseStatxIn: WireValue {
  public var getattrFlags: FuseGetattrFlags = []
  public var reserved: UInt32 = 0
  public var fh: UInt64 = 0
  /// AT_STATX_* as statx(2) takes them.
  public var sxFlags: UInt32 = 0
  /// STATX_* that the guest asks for.
  public var sxMask: UInt32 = 0

  @inlinable
  public init() {}
}

/// struct fuse_sx_time (linux/fuse.h)
@frozen
public struct FuseSxTime: WireValue {
  public var tvSec: Int64 = 0
  public var tvNsec: UInt32 = 0
  public var reserved: Int32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(tvSec: Int64, tvNsec: UInt32) {
    self.tvSec = tvSec
    self.tvNsec = tvNsec
  }
}

/// struct fuse_statx (linux/fuse.h)
@frozen
public struct FuseStatx: WireValue {
  /// STATX_* that were filled in.
  public var mask: UInt32 = 0
  public var blksize: UInt32 = 0
  public var attributes: UInt64 = 0
  public var nlink: UInt32 = 0
  public var uid: UInt32 = 0
  public var gid: UInt32 = 0
  public var mode: UInt16 = 0
  public var spare0: UInt16 = 0
  public var ino: UInt64 = 0
  public var size: UInt64 = 0
  public var blocks: UInt64 = 0
  public var attributesMask: UInt64 = 0
  public var atime: FuseSxTime = FuseSxTime()
  public var btime: FuseSxTime = FuseSxTime()
  public var ctime: FuseSxTime = FuseSxTime()
  public var mtime: FuseSxTime = FuseSxTime()
  public var rdevMajor: UInt32 = 0
  public var rdevMinor: UInt32 = 0
  public var devMajor: UInt32 = 0
  public var devMinor: UInt32 = 0
  public var spare2: InlineArray<14, UInt64> = InlineArray(repeating: 0)

  @inlinable
  public init() {}
}

/// struct fuse_statx_out (linux/fuse.h)
@frozen
public struct FuseStatxOut: WireValue {
  public var attrValid: UInt64 = 0
  public var attrValidNsec: UInt32 = 0
  /// FUSE_ATTR_*: submount and DAX, which struct fuse_statx has no place for.
  public var flags: FuseAttrFlags = []
  public var spare: InlineArray<2, UInt64> = InlineArray(repeating: 0)
  public var stat: FuseStatx = FuseStatx()

  @inlinable
  public init() {}
}
