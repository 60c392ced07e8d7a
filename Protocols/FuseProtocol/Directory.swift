// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Records of READDIR and READDIRPLUS. The name follows the record without NUL, then zeroes up to a multiple of 8
// bytes.

public import Wire

/// struct fuse_dirent (linux/fuse.h): without its name.
@frozen
public struct FuseDirent: WireValue {
  public var ino: UInt64 = 0
  /// Where to go on reading after this entry.
  public var off: UInt64 = 0
  public var namelen: UInt32 = 0
  /// DT_* of <dirent.h>.
  public var type: UInt32 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(ino: UInt64, off: UInt64, namelen: UInt32, type: UInt32) {
    self.ino = ino
    self.off = off
    self.namelen = namelen
    self.type = type
  }

  /// Bytes of an entry with a name of `nameLength` bytes, padding included (FUSE_DIRENT_SIZE).
  @inlinable @inline(__always)
  public static func direntSize(nameLength: Int) -> Int { Fuse.recordAligned(byteCount + nameLength) }
}

/// struct fuse_direntplus (linux/fuse.h): without its name.
@frozen
public struct FuseDirentplus: WireValue {
  public var entryOut: FuseEntryOut = FuseEntryOut()
  public var dirent: FuseDirent = FuseDirent()

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(entryOut: FuseEntryOut, dirent: FuseDirent) {
    self.entryOut = entryOut
    self.dirent = dirent
  }

  /// Bytes of an entry with a name of `nameLength` bytes, padding included (FUSE_DIRENTPLUS_SIZE).
  @inlinable @inline(__always)
  public static func direntSize(nameLength: Int) -> Int { Fuse.recordAligned(byteCount + nameLength) }
}
