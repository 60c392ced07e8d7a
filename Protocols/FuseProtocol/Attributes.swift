// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// GETATTR, SETATTR and what LOOKUP and its relatives answer. STATX is in Statx.swift.

public import Wire

/// FUSE_ATTR_* (linux/fuse.h)
@frozen
public struct FuseAttrFlags: OptionSet, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// The directory is the root of another mount: the guest mounts it by itself.
  @inlinable public static var submount: Self { Self(rawValue: 1 << 0) }
  /// Map the file through the DAX window.
  @inlinable public static var dax: Self { Self(rawValue: 1 << 1) }
}

/// FUSE_GETATTR_* (linux/fuse.h)
@frozen
public struct FuseGetattrFlags: OptionSet, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// The field `fh` names an open handle.
  @inlinable public static var fh: Self { Self(rawValue: 1 << 0) }
}

/// FATTR_* (linux/fuse.h): the fields of SETATTR that are to be set.
@frozen
public struct FuseSetattrValid: OptionSet, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  @inlinable public static var mode: Self { Self(rawValue: 1 << 0) }
  @inlinable public static var uid: Self { Self(rawValue: 1 << 1) }
  @inlinable public static var gid: Self { Self(rawValue: 1 << 2) }
  @inlinable public static var size: Self { Self(rawValue: 1 << 3) }
  @inlinable public static var atime: Self { Self(rawValue: 1 << 4) }
  @inlinable public static var mtime: Self { Self(rawValue: 1 << 5) }
  /// Not to be set: the field `fh` names an open handle.
  @inlinable public static var fh: Self { Self(rawValue: 1 << 6) }
  @inlinable public static var atimeNow: Self { Self(rawValue: 1 << 7) }
  @inlinable public static var mtimeNow: Self { Self(rawValue: 1 << 8) }
  /// Not to be set: the field `lockOwner` counts.
  @inlinable public static var lockOwner: Self { Self(rawValue: 1 << 9) }
  @inlinable public static var ctime: Self { Self(rawValue: 1 << 10) }
  /// Clear the set-id bits (HANDLE_KILLPRIV_V2).
  @inlinable public static var killSuidgid: Self { Self(rawValue: 1 << 11) }
}

/// struct fuse_attr (linux/fuse.h)
@frozen
public struct FuseAttr: WireValue {
  public var ino: UInt64 = 0
  public var size: UInt64 = 0
  /// In units of 512 bytes.
  public var blocks: UInt64 = 0
  /// Seconds; negative times as two's complement.
  public var atime: UInt64 = 0
  public var mtime: UInt64 = 0
  public var ctime: UInt64 = 0
  public var atimensec: UInt32 = 0
  public var mtimensec: UInt32 = 0
  public var ctimensec: UInt32 = 0
  public var mode: UInt32 = 0
  public var nlink: UInt32 = 0
  public var uid: UInt32 = 0
  public var gid: UInt32 = 0
  /// As new_encode_dev of the kernel makes it: minor bits 0-7, major bits 8-19, minor bits 20-31.
  public var rdev: UInt32 = 0
  public var blksize: UInt32 = 0
  /// Since 7.32; padding before.
  public var flags: FuseAttrFlags = []

  @inlinable @inline(__always)
  public init() {}
}

/// struct fuse_getattr_in (linux/fuse.h)
@frozen
public struct FuseGetattrIn: WireValue {
  public var getattrFlags: FuseGetattrFlags = []
  public var dummy: UInt32 = 0
  public var fh: UInt64 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(getattrFlags: FuseGetattrFlags = [], fh: UInt64 = 0) {
    self.getattrFlags = getattrFlags
    self.fh = fh
  }
}

/// struct fuse_attr_out (linux/fuse.h): the reply to GETATTR and SETATTR.
@frozen
public struct FuseAttrOut: WireValue {
  /// Seconds for which the guest may cache the attributes.
  public var attrValid: UInt64 = 0
  public var attrValidNsec: UInt32 = 0
  public var dummy: UInt32 = 0
  public var attr: FuseAttr = FuseAttr()

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(attrValid: UInt64, attrValidNsec: UInt32 = 0, attr: FuseAttr) {
    self.attrValid = attrValid
    self.attrValidNsec = attrValidNsec
    self.attr = attr
  }
}

/// struct fuse_setattr_in (linux/fuse.h)
@frozen
public struct FuseSetattrIn: WireValue {
  public var valid: FuseSetattrValid = []
  public var padding: UInt32 = 0
  public var fh: UInt64 = 0
  public var size: UInt64 = 0
  public var lockOwner: UInt64 = 0
  public var atime: UInt64 = 0
  public var mtime: UInt64 = 0
  public var ctime: UInt64 = 0
  public var atimensec: UInt32 = 0
  public var mtimensec: UInt32 = 0
  public var ctimensec: UInt32 = 0
  public var mode: UInt32 = 0
  public var unused4: UInt32 = 0
  public var uid: UInt32 = 0
  public var gid: UInt32 = 0
  public var unused5: UInt32 = 0

  @inlinable @inline(__always)
  public init() {}
}
