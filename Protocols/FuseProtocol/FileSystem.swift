// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Requests about the file system as a whole, and ACCESS.

public import Wire

/// struct fuse_kstatfs (linux/fuse.h)
@frozen
public struct FuseKstatfs: WireValue {
  public var blocks: UInt64 = 0
  public var bfree: UInt64 = 0
  public var bavail: UInt64 = 0
  public var files: UInt64 = 0
  public var ffree: UInt64 = 0
  public var bsize: UInt32 = 0
  public var namelen: UInt32 = 0
  public var frsize: UInt32 = 0
  public var padding: UInt32 = 0
  public var spare: InlineArray<6, UInt32> = InlineArray(repeating: 0)

  @inlinable
  public init() {}

  @inlinable
  public init(
    blocks: UInt64, bfree: UInt64, bavail: UInt64, files: UInt64, ffree: UInt64, bsize: UInt32, namelen: UInt32,
    frsize: UInt32
  ) {
    self.blocks = blocks
    self.bfree = bfree
    self.bavail = bavail
    self.files = files
    self.ffree = ffree
    self.bsize = bsize
    self.namelen = namelen
    self.frsize = frsize
  }
}

/// struct fuse_statfs_out (linux/fuse.h)
@frozen
public struct FuseStatfsOut: WireValue {
  public var st: FuseKstatfs = FuseKstatfs()

  @inlinable
  public init() {}

  @inlinable
  public init(st: FuseKstatfs) {
    self.st = st
  }
}

/// struct fuse_syncfs_in (linux/fuse.h)
@frozen
public struct FuseSyncfsIn: WireValue {
  public var padding: UInt64 = 0

  @inlinable
  public init() {}
}

/// struct fuse_access_in (linux/fuse.h)
@frozen
public struct FuseAccessIn: WireValue {
  /// R_OK, W_OK and X_OK of <unistd.h>.
  public var mask: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(mask: UInt32) {
    self.mask = mask
  }
}
