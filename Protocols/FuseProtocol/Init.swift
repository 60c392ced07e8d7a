// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The negotiation that opens a mount. Older kernels send and expect shorter structs; the constants say how short.

public import Wire

/// struct fuse_init_in (linux/fuse.h)
@frozen
public struct FuseInitIn: WireValue {
  public var major: UInt32 = 0
  public var minor: UInt32 = 0
  public var maxReadahead: UInt32 = 0
  public var flags: UInt32 = 0
  /// Present if `flags` has INIT_EXT.
  public var flags2: UInt32 = 0
  public var unused: InlineArray<11, UInt32> = InlineArray(repeating: 0)

  @inlinable
  public init() {}

  /// Length of the struct that kernels before 7.36 send: up to `flags`, `FuseInitInCompat`.
  @inlinable public static var compatByteCount: Int { 16 }

  @inlinable
  public var features: FuseInitFlags {
    get { FuseInitFlags(flags: flags, flags2: flags2) }
    set {
      flags = newValue.low
      flags2 = newValue.high
    }
  }
}

/// The first 16 bytes of struct fuse_init_in (linux/fuse.h): all of it before 7.36.
@frozen
public struct FuseInitInCompat: WireValue {
  public var major: UInt32 = 0
  public var minor: UInt32 = 0
  public var maxReadahead: UInt32 = 0
  public var flags: UInt32 = 0

  @inlinable
  public init() {}
}

/// struct fuse_init_out (linux/fuse.h)
@frozen
public struct FuseInitOut: WireValue {
  public var major: UInt32 = 0
  public var minor: UInt32 = 0
  public var maxReadahead: UInt32 = 0
  public var flags: UInt32 = 0
  /// Most asynchronous requests under way.
  public var maxBackground: UInt16 = 0
  public var congestionThreshold: UInt16 = 0
  /// Most bytes of one WRITE.
  public var maxWrite: UInt32 = 0
  /// Granularity of timestamps in nanoseconds.
  public var timeGran: UInt32 = 0
  /// Most pages of one request.
  public var maxPages: UInt16 = 0
  /// log2 of the alignment that SETUPMAPPING needs.
  public var mapAlignment: UInt16 = 0
  public var flags2: UInt32 = 0
  /// Since 7.40, for PASSTHROUGH.
  public var maxStackDepth: UInt32 = 0
  /// Seconds, since 7.43; 0 means none.
  public var requestTimeout: UInt16 = 0
  public var unused: InlineArray<11, UInt16> = InlineArray(repeating: 0)

  @inlinable
  public init() {}

  /// FUSE_COMPAT_INIT_OUT_SIZE: length of the reply to a kernel before 7.5.
  @inlinable public static var compatByteCount: Int { 8 }
  /// FUSE_COMPAT_22_INIT_OUT_SIZE: length of the reply to a kernel before 7.23.
  @inlinable public static var compat22ByteCount: Int { 24 }

  @inlinable
  public var features: FuseInitFlags {
    get { FuseInitFlags(flags: flags, flags2: flags2) }
    set {
      flags = newValue.low
      flags2 = newValue.high
    }
  }
}
