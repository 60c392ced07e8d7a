// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Extended attributes. SETXATTR: struct, name with NUL, value. GETXATTR: struct, name. LISTXATTR: struct. A size of 0
// asks for the size only.

public import Wire

/// FUSE_SETXATTR_* (linux/fuse.h)
@frozen
public struct FuseSetxattrFlags: OptionSet, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// Clear the set-group-id bit when the access ACL is set.
  @inlinable public static var aclKillSGID: Self { Self(rawValue: 1 << 0) }
}

/// struct fuse_setxattr_in (linux/fuse.h): under SETXATTR_EXT; otherwise `FuseSetxattrInCompat`.
@frozen
public struct FuseSetxattrIn: WireValue {
  /// Length of the value in bytes.
  public var size: UInt32 = 0
  /// XATTR_CREATE and XATTR_REPLACE.
  public var flags: UInt32 = 0
  public var setxattrFlags: FuseSetxattrFlags = []
  public var padding: UInt32 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(size: UInt32, flags: UInt32 = 0, setxattrFlags: FuseSetxattrFlags = []) {
    self.size = size
    self.flags = flags
    self.setxattrFlags = setxattrFlags
  }
}

/// The first FUSE_COMPAT_SETXATTR_IN_SIZE bytes of struct fuse_setxattr_in (linux/fuse.h): all of it without
/// SETXATTR_EXT.
@frozen
public struct FuseSetxattrInCompat: WireValue {
  /// Length of the value in bytes.
  public var size: UInt32 = 0
  /// XATTR_CREATE and XATTR_REPLACE.
  public var flags: UInt32 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(size: UInt32, flags: UInt32 = 0) {
    self.size = size
    self.flags = flags
  }
}

/// struct fuse_getxattr_in (linux/fuse.h): also the request of LISTXATTR.
@frozen
public struct FuseGetxattrIn: WireValue {
  /// Room for the answer in bytes.
  public var size: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(size: UInt32) {
    self.size = size
  }
}

/// struct fuse_getxattr_out (linux/fuse.h): the answer when the request's size was 0.
@frozen
public struct FuseGetxattrOut: WireValue {
  public var size: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(size: UInt32) {
    self.size = size
  }
}
