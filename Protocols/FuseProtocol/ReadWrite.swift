// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What moves or reshapes file data. READ is also the request of READDIR and READDIRPLUS.

public import Wire

/// FUSE_READ_* (linux/fuse.h)
@frozen
public struct FuseReadFlags: OptionSet, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// The field `lockOwner` counts.
  @inlinable public static var lockOwner: Self { Self(rawValue: 1 << 1) }
}

/// FUSE_WRITE_* (linux/fuse.h)
@frozen
public struct FuseWriteFlags: OptionSet, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// Written back from the page cache: `fh` is a guess and nobody in particular is the writer.
  @inlinable public static var cache: Self { Self(rawValue: 1 << 0) }
  /// The field `lockOwner` counts.
  @inlinable public static var lockOwner: Self { Self(rawValue: 1 << 1) }
  /// Clear the set-id bits.
  @inlinable public static var killSuidgid: Self { Self(rawValue: 1 << 2) }
}

/// FUSE_FSYNC_* (linux/fuse.h)
@frozen
public struct FuseFsyncFlags: OptionSet, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  @inlinable public static var fdatasync: Self { Self(rawValue: 1 << 0) }
}

/// struct fuse_read_in (linux/fuse.h)
@frozen
public struct FuseReadIn: WireValue {
  public var fh: UInt64 = 0
  public var offset: UInt64 = 0
  public var size: UInt32 = 0
  public var readFlags: FuseReadFlags = []
  public var lockOwner: UInt64 = 0
  /// O_* of the open file as they are now.
  public var flags: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(
    fh: UInt64, offset: UInt64, size: UInt32, readFlags: FuseReadFlags = [], lockOwner: UInt64 = 0, flags: UInt32 = 0
  ) {
    self.fh = fh
    self.offset = offset
    self.size = size
    self.readFlags = readFlags
    self.lockOwner = lockOwner
    self.flags = flags
  }
}

/// struct fuse_write_in (linux/fuse.h): followed by `size` bytes.
@frozen
public struct FuseWriteIn: WireValue {
  public var fh: UInt64 = 0
  public var offset: UInt64 = 0
  public var size: UInt32 = 0
  public var writeFlags: FuseWriteFlags = []
  public var lockOwner: UInt64 = 0
  /// O_* of the open file as they are now.
  public var flags: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(
    fh: UInt64, offset: UInt64, size: UInt32, writeFlags: FuseWriteFlags = [], lockOwner: UInt64 = 0,
    flags: UInt32 = 0
  ) {
    self.fh = fh
    self.offset = offset
    self.size = size
    self.writeFlags = writeFlags
    self.lockOwner = lockOwner
    self.flags = flags
  }
}

/// struct fuse_write_out (linux/fuse.h): the reply to WRITE and COPY_FILE_RANGE.
@frozen
public struct FuseWriteOut: WireValue {
  public var size: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(size: UInt32) {
    self.size = size
  }
}

/// struct fuse_fsync_in (linux/fuse.h)
@frozen
public struct FuseFsyncIn: WireValue {
  public var fh: UInt64 = 0
  public var fsyncFlags: FuseFsyncFlags = []
  public var padding: UInt32 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(fh: UInt64, fsyncFlags: FuseFsyncFlags = []) {
    self.fh = fh
    self.fsyncFlags = fsyncFlags
  }
}

/// struct fuse_fallocate_in (linux/fuse.h)
@frozen
public struct FuseFallocateIn: WireValue {
  public var fh: UInt64 = 0
  public var offset: UInt64 = 0
  public var length: UInt64 = 0
  /// FALLOC_FL_*
  public var mode: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(fh: UInt64, offset: UInt64, length: UInt64, mode: UInt32 = 0) {
    self.fh = fh
    self.offset = offset
    self.length = length
    self.mode = mode
  }
}

/// struct fuse_lseek_in (linux/fuse.h)
@frozen
public struct FuseLseekIn: WireValue {
  public var fh: UInt64 = 0
  public var offset: UInt64 = 0
  /// SEEK_HOLE or SEEK_DATA.
  public var whence: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(fh: UInt64, offset: UInt64, whence: UInt32) {
    self.fh = fh
    self.offset = offset
    self.whence = whence
  }
}

/// struct fuse_lseek_out (linux/fuse.h)
@frozen
public struct FuseLseekOut: WireValue {
  public var offset: UInt64 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(offset: UInt64) {
    self.offset = offset
  }
}

/// struct fuse_copy_file_range_in (linux/fuse.h)
@frozen
public struct FuseCopyFileRangeIn: WireValue {
  public var fhIn: UInt64 = 0
  public var offIn: UInt64 = 0
  public var nodeidOut: UInt64 = 0
  public var fhOut: UInt64 = 0
  public var offOut: UInt64 = 0
  public var len: UInt64 = 0
  public var flags: UInt64 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(
    fhIn: UInt64, offIn: UInt64, nodeidOut: UInt64, fhOut: UInt64, offOut: UInt64, len: UInt64, flags: UInt64 = 0
  ) {
    self.fhIn = fhIn
    self.offIn = offIn
    self.nodeidOut = nodeidOut
    self.fhOut = fhOut
    self.offOut = offOut
    self.len = len
    self.flags = flags
  }
}

/// struct fuse_copy_file_range_out (linux/fuse.h): the reply to COPY_FILE_RANGE_64, since 7.45.
@frozen
public struct FuseCopyFileRangeOut: WireValue {
  public var bytesCopied: UInt64 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(bytesCopied: UInt64) {
    self.bytesCopied = bytesCopied
  }
}
