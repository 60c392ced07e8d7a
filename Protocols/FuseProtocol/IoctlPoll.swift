// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// IOCTL, POLL and BMAP: a file share answers most of them with ENOSYS.

public import Wire

/// FUSE_IOCTL_* (linux/fuse.h)
@frozen
public struct FuseIoctlFlags: OptionSet, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  @inlinable public static var compat: Self { Self(rawValue: 1 << 0) }
  @inlinable public static var unrestricted: Self { Self(rawValue: 1 << 1) }
  @inlinable public static var retry: Self { Self(rawValue: 1 << 2) }
  @inlinable public static var is32Bit: Self { Self(rawValue: 1 << 3) }
  /// The file is a directory.
  @inlinable public static var dir: Self { Self(rawValue: 1 << 4) }
  @inlinable public static var compatX32: Self { Self(rawValue: 1 << 5) }
}

/// FUSE_POLL_* (linux/fuse.h)
@frozen
public struct FusePollFlags: OptionSet, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  @inlinable public static var scheduleNotify: Self { Self(rawValue: 1 << 0) }
}

/// struct fuse_ioctl_in (linux/fuse.h): followed by `inSize` bytes.
@frozen
public struct FuseIoctlIn: WireValue {
  public var fh: UInt64 = 0
  public var flags: FuseIoctlFlags = []
  public var cmd: UInt32 = 0
  public var arg: UInt64 = 0
  public var inSize: UInt32 = 0
  public var outSize: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(fh: UInt64, flags: FuseIoctlFlags, cmd: UInt32, arg: UInt64, inSize: UInt32, outSize: UInt32) {
    self.fh = fh
    self.flags = flags
    self.cmd = cmd
    self.arg = arg
    self.inSize = inSize
    self.outSize = outSize
  }
}

/// struct fuse_ioctl_iovec (linux/fuse.h)
@frozen
public struct FuseIoctlIovec: WireValue {
  public var base: UInt64 = 0
  public var len: UInt64 = 0

  @inlinable
  public init() {}
}

/// struct fuse_ioctl_out (linux/fuse.h)
@frozen
public struct FuseIoctlOut: WireValue {
  public var result: Int32 = 0
  public var flags: FuseIoctlFlags = []
  public var inIovs: UInt32 = 0
  public var outIovs: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(result: Int32, flags: FuseIoctlFlags = [], inIovs: UInt32 = 0, outIovs: UInt32 = 0) {
    self.result = result
    self.flags = flags
    self.inIovs = inIovs
    self.outIovs = outIovs
  }
}

/// struct fuse_poll_in (linux/fuse.h)
@frozen
public struct FusePollIn: WireValue {
  public var fh: UInt64 = 0
  public var kh: UInt64 = 0
  public var flags: FusePollFlags = []
  public var events: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(fh: UInt64, kh: UInt64, flags: FusePollFlags, events: UInt32) {
    self.fh = fh
    self.kh = kh
    self.flags = flags
    self.events = events
  }
}

/// struct fuse_poll_out (linux/fuse.h)
@frozen
public struct FusePollOut: WireValue {
  public var revents: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(revents: UInt32) {
    self.revents = revents
  }
}

/// struct fuse_bmap_in (linux/fuse.h)
@frozen
public struct FuseBmapIn: WireValue {
  public var block: UInt64 = 0
  public var blocksize: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(block: UInt64, blocksize: UInt32) {
    self.block = block
    self.blocksize = blocksize
  }
}

/// struct fuse_bmap_out (linux/fuse.h)
@frozen
public struct FuseBmapOut: WireValue {
  public var block: UInt64 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(block: UInt64) {
    self.block = block
  }
}
