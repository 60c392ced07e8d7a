// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// OPEN, OPENDIR, CREATE and TMPFILE, FLUSH, RELEASE and RELEASEDIR.

public import Wire

/// FOPEN_* (linux/fuse.h): what the server says about a file it opened.
@frozen
public struct FuseOpenReplyFlags: OptionSet, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// Bypass the page cache.
  @inlinable public static var directIO: Self { Self(rawValue: 1 << 0) }
  /// Do not drop cached pages on open.
  @inlinable public static var keepCache: Self { Self(rawValue: 1 << 1) }
  @inlinable public static var nonseekable: Self { Self(rawValue: 1 << 2) }
  /// The directory's entries may be cached.
  @inlinable public static var cacheDir: Self { Self(rawValue: 1 << 3) }
  @inlinable public static var stream: Self { Self(rawValue: 1 << 4) }
  /// Send no FLUSH on close.
  @inlinable public static var noflush: Self { Self(rawValue: 1 << 5) }
  @inlinable public static var parallelDirectWrites: Self { Self(rawValue: 1 << 6) }
  /// Since 7.40; `backingId` counts.
  @inlinable public static var passthrough: Self { Self(rawValue: 1 << 7) }
}

/// FUSE_OPEN_* (linux/fuse.h)
@frozen
public struct FuseOpenRequestFlags: OptionSet, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// Clear the set-id bits (with O_TRUNC, under HANDLE_KILLPRIV_V2).
  @inlinable public static var killSuidgid: Self { Self(rawValue: 1 << 0) }
}

/// FUSE_RELEASE_* (linux/fuse.h)
@frozen
public struct FuseReleaseFlags: OptionSet, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  @inlinable public static var flush: Self { Self(rawValue: 1 << 0) }
  @inlinable public static var flockUnlock: Self { Self(rawValue: 1 << 1) }
}

/// struct fuse_open_in (linux/fuse.h)
@frozen
public struct FuseOpenIn: WireValue {
  /// O_* of the guest's open(2).
  public var flags: UInt32 = 0
  public var openFlags: FuseOpenRequestFlags = []

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(flags: UInt32, openFlags: FuseOpenRequestFlags = []) {
    self.flags = flags
    self.openFlags = openFlags
  }
}

/// struct fuse_create_in (linux/fuse.h): followed by the name; also the request of TMPFILE.
@frozen
public struct FuseCreateIn: WireValue {
  public var flags: UInt32 = 0
  public var mode: UInt32 = 0
  public var umask: UInt32 = 0
  public var openFlags: FuseOpenRequestFlags = []

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(flags: UInt32, mode: UInt32, umask: UInt32 = 0, openFlags: FuseOpenRequestFlags = []) {
    self.flags = flags
    self.mode = mode
    self.umask = umask
    self.openFlags = openFlags
  }
}

/// struct fuse_open_out (linux/fuse.h)
@frozen
public struct FuseOpenOut: WireValue {
  /// The server's number for the open file.
  public var fh: UInt64 = 0
  public var openFlags: FuseOpenReplyFlags = []
  /// Since 7.40; padding before.
  public var backingId: Int32 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(fh: UInt64, openFlags: FuseOpenReplyFlags = [], backingId: Int32 = 0) {
    self.fh = fh
    self.openFlags = openFlags
    self.backingId = backingId
  }
}

/// struct fuse_release_in (linux/fuse.h)
@frozen
public struct FuseReleaseIn: WireValue {
  public var fh: UInt64 = 0
  public var flags: UInt32 = 0
  public var releaseFlags: FuseReleaseFlags = []
  public var lockOwner: UInt64 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(fh: UInt64, flags: UInt32 = 0, releaseFlags: FuseReleaseFlags = [], lockOwner: UInt64 = 0) {
    self.fh = fh
    self.flags = flags
    self.releaseFlags = releaseFlags
    self.lockOwner = lockOwner
  }
}

/// struct fuse_flush_in (linux/fuse.h)
@frozen
public struct FuseFlushIn: WireValue {
  public var fh: UInt64 = 0
  public var unused: UInt32 = 0
  public var padding: UInt32 = 0
  public var lockOwner: UInt64 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(fh: UInt64, lockOwner: UInt64 = 0) {
    self.fh = fh
    self.lockOwner = lockOwner
  }
}
