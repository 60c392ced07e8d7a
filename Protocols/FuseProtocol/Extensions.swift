// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What follows the names of a request that makes an inode: security contexts (SECURITY_CTX) and supplementary groups
// (CREATE_SUPP_GROUP), each padded to 8 bytes; `FuseInHeader.totalExtLen` is their length together.

public import Wire

/// enum fuse_ext_type (linux/fuse.h): the second word of an extension. Up to `maximumSecurityContexts` it is the
/// number of contexts of a `FuseSecctxHeader`, above that the type of a `FuseExtHeader`.
@frozen
public enum FuseExtensionType {
  /// FUSE_MAX_NR_SECCTX
  @inlinable public static var maximumSecurityContexts: UInt32 { 31 }
  /// FUSE_EXT_GROUPS
  @inlinable public static var groups: UInt32 { 32 }
}

/// struct fuse_ext_header (linux/fuse.h)
@frozen
public struct FuseExtHeader: WireValue {
  /// Length of the extension in bytes, this header included.
  public var size: UInt32 = 0
  /// See `FuseExtensionType`.
  public var type: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(size: UInt32, type: UInt32) {
    self.size = size
    self.type = type
  }
}

/// struct fuse_secctx_header (linux/fuse.h): followed by `nrSecctx` times a `FuseSecctx`.
@frozen
public struct FuseSecctxHeader: WireValue {
  /// Length of all contexts in bytes, this header included.
  public var size: UInt32 = 0
  public var nrSecctx: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(size: UInt32, nrSecctx: UInt32) {
    self.size = size
    self.nrSecctx = nrSecctx
  }
}

/// struct fuse_secctx (linux/fuse.h): followed by the attribute's name with NUL, then the context.
@frozen
public struct FuseSecctx: WireValue {
  /// Length of the context in bytes.
  public var size: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(size: UInt32) {
    self.size = size
  }
}

/// struct fuse_supp_groups (linux/fuse.h): without its groups: `nrGroups` times UInt32 follow.
@frozen
public struct FuseSuppGroups: WireValue {
  public var nrGroups: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(nrGroups: UInt32) {
    self.nrGroups = nrGroups
  }
}
