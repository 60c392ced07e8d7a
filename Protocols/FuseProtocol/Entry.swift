// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// LOOKUP and FORGET: how a node gets and loses its references.

public import Wire

/// struct fuse_entry_out (linux/fuse.h): the reply to LOOKUP, MKNOD, MKDIR, SYMLINK and LINK, and the first part of
/// those to CREATE, TMPFILE and READDIRPLUS.
@frozen
public struct FuseEntryOut: WireValue {
  /// 0 says that the name does not exist and that this may be cached for `entryValid`.
  public var nodeid: UInt64 = 0
  /// Node id and generation together are unique for the life of the mount.
  public var generation: UInt64 = 0
  /// Seconds for which the guest may cache the name.
  public var entryValid: UInt64 = 0
  public var attrValid: UInt64 = 0
  public var entryValidNsec: UInt32 = 0
  public var attrValidNsec: UInt32 = 0
  public var attr: FuseAttr = FuseAttr()

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(
    nodeid: UInt64, generation: UInt64 = 0, entryValid: UInt64, attrValid: UInt64, entryValidNsec: UInt32 = 0,
    attrValidNsec: UInt32 = 0, attr: FuseAttr
  ) {
    self.nodeid = nodeid
    self.generation = generation
    self.entryValid = entryValid
    self.attrValid = attrValid
    self.entryValidNsec = entryValidNsec
    self.attrValidNsec = attrValidNsec
    self.attr = attr
  }
}

/// struct fuse_forget_in (linux/fuse.h)
@frozen
public struct FuseForgetIn: WireValue {
  /// References to drop.
  public var nlookup: UInt64 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(nlookup: UInt64) {
    self.nlookup = nlookup
  }
}

/// struct fuse_forget_one (linux/fuse.h)
@frozen
public struct FuseForgetOne: WireValue {
  public var nodeid: UInt64 = 0
  public var nlookup: UInt64 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(nodeid: UInt64, nlookup: UInt64) {
    self.nodeid = nodeid
    self.nlookup = nlookup
  }
}

/// struct fuse_batch_forget_in (linux/fuse.h)
@frozen
public struct FuseBatchForgetIn: WireValue {
  /// Number of `FuseForgetOne` that follow.
  public var count: UInt32 = 0
  public var dummy: UInt32 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(count: UInt32) {
    self.count = count
  }
}
