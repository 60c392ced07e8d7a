// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Access to the device's configuration space.

public import Wire

/// What a configuration access is for (vhost-user.rst, "Virtio device config space").
@frozen
public enum ConfigPurpose {
  /// Writable fields only.
  @inlinable public static var writable: UInt32 { 0 }
  /// Live migration: the whole space.
  @inlinable public static var migration: UInt32 { 1 }
}

/// struct VhostUserConfig (vhost-user.rst): without its bytes; `size` of them follow.
@frozen
public struct ConfigHeader: WireValue {
  public var offset: UInt32 = 0
  public var size: UInt32 = 0
  /// See `ConfigPurpose`.
  public var flags: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(offset: UInt32, size: UInt32, flags: UInt32 = 0) {
    self.offset = offset
    self.size = size
    self.flags = flags
  }
}
