// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Payloads about memory that the backend shows to the guest, and shared objects.

public import Wire

/// Flags of SHMEM_MAP (vhost-user.rst)
@frozen
public struct SharedMemoryMapFlags: OptionSet, WireValue {
  public var rawValue: UInt64

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// Writable too; otherwise read-only.
  @inlinable public static var readWrite: Self { Self(rawValue: 1 << 0) }
}

/// struct VhostUserMMap (vhost-user.rst)
@frozen
public struct SharedMemoryMap: WireValue {
  /// Which of the device's regions.
  public var id: UInt8 = 0
  public var padding: InlineArray<7, UInt8> = InlineArray(repeating: 0)
  public var fdOffset: UInt64 = 0
  /// Offset in the region.
  public var shmOffset: UInt64 = 0
  public var length: UInt64 = 0
  public var flags: SharedMemoryMapFlags = []

  @inlinable
  public init() {}

  @inlinable
  public init(id: UInt8, fdOffset: UInt64, shmOffset: UInt64, length: UInt64, flags: SharedMemoryMapFlags = []) {
    self.id = id
    self.fdOffset = fdOffset
    self.shmOffset = shmOffset
    self.length = length
    self.flags = flags
  }
}

/// struct VhostUserShMemConfig (vhost-user.rst)
@frozen
public struct SharedMemoryConfig: WireValue {
  /// Regions with a size other than 0.
  public var count: UInt32 = 0
  public var padding: UInt32 = 0
  /// Size in bytes by region id.
  public var sizes: InlineArray<256, UInt64> = InlineArray(repeating: 0)

  @inlinable
  public init() {}
}

/// struct VhostUserShared (vhost-user.rst)
@frozen
public struct SharedObjectID: WireValue {
  public var uuid: InlineArray<16, UInt8> = InlineArray(repeating: 0)

  @inlinable
  public init() {}

  @inlinable
  public init(uuid: InlineArray<16, UInt8>) {
    self.uuid = uuid
  }
}
