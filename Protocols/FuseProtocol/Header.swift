// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What every FUSE message starts with.

public import Wire

/// struct fuse_in_header (linux/fuse.h)
@frozen
public struct FuseInHeader: WireValue {
  /// Length of the whole request in bytes, this header included.
  public var len: UInt32 = 0
  /// See `FuseOpcode`; any other number is answered with ENOSYS.
  public var opcode: UInt32 = 0
  /// Identifies the request; the reply repeats it.
  public var unique: UInt64 = 0
  public var nodeid: UInt64 = 0
  public var uid: UInt32 = 0
  public var gid: UInt32 = 0
  public var pid: UInt32 = 0
  /// Length of the extensions at the end of the request in units of 8 bytes, since 7.38.
  public var totalExtLen: UInt16 = 0
  public var padding: UInt16 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(
    len: UInt32, opcode: UInt32, unique: UInt64, nodeid: UInt64, uid: UInt32 = 0, gid: UInt32 = 0, pid: UInt32 = 0,
    totalExtLen: UInt16 = 0
  ) {
    self.len = len
    self.opcode = opcode
    self.unique = unique
    self.nodeid = nodeid
    self.uid = uid
    self.gid = gid
    self.pid = pid
    self.totalExtLen = totalExtLen
  }

  /// The operation, nil if this protocol version has none with that number.
  @inlinable @inline(__always)
  public var operation: FuseOpcode? { FuseOpcode(rawValue: opcode) }

  /// Length of the extensions in bytes.
  @inlinable @inline(__always)
  public var extensionByteCount: Int { Int(totalExtLen) * 8 }
}

/// struct fuse_out_header (linux/fuse.h)
@frozen
public struct FuseOutHeader: WireValue {
  /// Length of the whole reply in bytes, this header included: Linux checks that it equals the used length.
  public var len: UInt32 = 0
  /// 0 or a negative errno.
  public var error: Int32 = 0
  public var unique: UInt64 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(len: UInt32, error: Int32, unique: UInt64) {
    self.len = len
    self.error = error
    self.unique = unique
  }
}

/// struct fuse_interrupt_in (linux/fuse.h)
@frozen
public struct FuseInterruptIn: WireValue {
  /// The request that need not be answered any more.
  public var unique: UInt64 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(unique: UInt64) {
    self.unique = unique
  }
}
