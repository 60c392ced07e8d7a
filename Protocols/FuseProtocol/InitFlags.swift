// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

public import Wire

/// FUSE_* flags of INIT (linux/fuse.h): bits 0 to 31 travel in `flags`, the rest in `flags2`, which counts only if
/// bit 30 is set.
@frozen
public struct FuseInitFlags: OptionSet, WireValue {
  public var rawValue: UInt64

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// Several reads of one file may be under way.
  @inlinable public static var asyncRead: Self { Self(rawValue: 1 << 0) }
  /// GETLK, SETLK and SETLKW are sent.
  @inlinable public static var posixLocks: Self { Self(rawValue: 1 << 1) }
  @inlinable public static var fileOps: Self { Self(rawValue: 1 << 2) }
  /// OPEN may carry O_TRUNC.
  @inlinable public static var atomicOTrunc: Self { Self(rawValue: 1 << 3) }
  /// LOOKUP of "." and ".." may come.
  @inlinable public static var exportSupport: Self { Self(rawValue: 1 << 4) }
  @inlinable public static var bigWrites: Self { Self(rawValue: 1 << 5) }
  /// The server applies the umask.
  @inlinable public static var dontMask: Self { Self(rawValue: 1 << 6) }
  @inlinable public static var spliceWrite: Self { Self(rawValue: 1 << 7) }
  @inlinable public static var spliceMove: Self { Self(rawValue: 1 << 8) }
  @inlinable public static var spliceRead: Self { Self(rawValue: 1 << 9) }
  @inlinable public static var flockLocks: Self { Self(rawValue: 1 << 10) }
  @inlinable public static var hasIoctlDir: Self { Self(rawValue: 1 << 11) }
  /// Cached pages are dropped when the size or the mtime changed.
  @inlinable public static var autoInvalData: Self { Self(rawValue: 1 << 12) }
  @inlinable public static var doReaddirplus: Self { Self(rawValue: 1 << 13) }
  @inlinable public static var readdirplusAuto: Self { Self(rawValue: 1 << 14) }
  @inlinable public static var asyncDIO: Self { Self(rawValue: 1 << 15) }
  @inlinable public static var writebackCache: Self { Self(rawValue: 1 << 16) }
  /// ENOSYS to OPEN means: never ask again.
  @inlinable public static var noOpenSupport: Self { Self(rawValue: 1 << 17) }
  @inlinable public static var parallelDirops: Self { Self(rawValue: 1 << 18) }
  @inlinable public static var handleKillpriv: Self { Self(rawValue: 1 << 19) }
  @inlinable public static var posixACL: Self { Self(rawValue: 1 << 20) }
  @inlinable public static var abortError: Self { Self(rawValue: 1 << 21) }
  /// `FuseInitOut.maxPages` counts.
  @inlinable public static var maxPages: Self { Self(rawValue: 1 << 22) }
  @inlinable public static var cacheSymlinks: Self { Self(rawValue: 1 << 23) }
  @inlinable public static var noOpendirSupport: Self { Self(rawValue: 1 << 24) }
  @inlinable public static var explicitInvalData: Self { Self(rawValue: 1 << 25) }
  /// `FuseInitOut.mapAlignment` counts.
  @inlinable public static var mapAlignment: Self { Self(rawValue: 1 << 26) }
  /// `FuseAttrFlags.submount` is understood.
  @inlinable public static var submounts: Self { Self(rawValue: 1 << 27) }
  /// The server clears set-id bits when a request says so.
  @inlinable public static var handleKillprivV2: Self { Self(rawValue: 1 << 28) }
  /// SETXATTR carries the 16-byte `FuseSetxattrIn`.
  @inlinable public static var setxattrExt: Self { Self(rawValue: 1 << 29) }
  /// `flags2` counts.
  @inlinable public static var initExt: Self { Self(rawValue: 1 << 30) }
  @inlinable public static var reserved: Self { Self(rawValue: 1 << 31) }
  /// Requests that make an inode carry security contexts.
  @inlinable public static var securityCtx: Self { Self(rawValue: 1 << 32) }
  @inlinable public static var hasInodeDAX: Self { Self(rawValue: 1 << 33) }
  /// Requests that make an inode carry a `FuseSuppGroups` extension. Since 7.38.
  @inlinable public static var createSuppGroup: Self { Self(rawValue: 1 << 34) }
  @inlinable public static var hasExpireOnly: Self { Self(rawValue: 1 << 35) }
  /// Since 7.39.
  @inlinable public static var directIOAllowMmap: Self { Self(rawValue: 1 << 36) }
  /// Since 7.40; needs /dev/fuse.
  @inlinable public static var passthrough: Self { Self(rawValue: 1 << 37) }
  /// Since 7.40.
  @inlinable public static var noExportSupport: Self { Self(rawValue: 1 << 38) }
  /// Since 7.40.
  @inlinable public static var hasResend: Self { Self(rawValue: 1 << 39) }
  /// Since 7.41.
  @inlinable public static var allowIdmap: Self { Self(rawValue: 1 << 40) }
  /// Since 7.42; needs /dev/fuse.
  @inlinable public static var overIOUring: Self { Self(rawValue: 1 << 41) }
  /// Since 7.43; `FuseInitOut.requestTimeout` counts.
  @inlinable public static var requestTimeout: Self { Self(rawValue: 1 << 42) }

  /// The flags of the two words of a message; `flags2` is ignored unless INIT_EXT is set.
  @inlinable
  public init(flags: UInt32, flags2: UInt32) {
    let low = Self(rawValue: UInt64(flags))
    rawValue = low.contains(.initExt) ? low.rawValue | UInt64(flags2) << 32 : low.rawValue
  }

  /// The word for `flags`.
  @inlinable public var low: UInt32 { UInt32(truncatingIfNeeded: rawValue) }

  /// The word for `flags2`.
  @inlinable public var high: UInt32 { UInt32(truncatingIfNeeded: rawValue >> 32) }
}
