// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Payloads about guest memory, its dirty log and its translation.

public import Wire

/// struct VhostUserMemoryRegion (vhost-user.rst)
@frozen
public struct MemoryRegion: WireValue {
  public var guestAddress: UInt64 = 0
  public var size: UInt64 = 0
  /// Where the frontend has the region: ring addresses are relative to this.
  public var userAddress: UInt64 = 0
  /// Where the region starts in the mapping of the descriptor's file.
  public var mmapOffset: UInt64 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(guestAddress: UInt64, size: UInt64, userAddress: UInt64, mmapOffset: UInt64 = 0) {
    self.guestAddress = guestAddress
    self.size = size
    self.userAddress = userAddress
    self.mmapOffset = mmapOffset
  }
}

/// struct VhostUserMemory (vhost-user.rst): without its regions.
@frozen
public struct MemoryTableHeader: WireValue {
  public var count: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(count: UInt32) {
    self.count = count
  }
}

/// struct VhostUserMemRegMsg (vhost-user.rst)
@frozen
public struct SingleMemoryRegion: WireValue {
  public var padding: UInt64 = 0
  public var region: MemoryRegion = MemoryRegion()

  @inlinable
  public init() {}

  @inlinable
  public init(region: MemoryRegion) {
    self.region = region
  }
}

/// struct VhostUserLog (vhost-user.rst)
@frozen
public struct LogDescription: WireValue {
  public var size: UInt64 = 0
  /// Where the log starts in the descriptor's file.
  public var offset: UInt64 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(size: UInt64, offset: UInt64 = 0) {
    self.size = size
    self.offset = offset
  }
}

/// Types of an `IOTLBMessage` (VHOST_IOTLB_*, linux/vhost_types.h).
@frozen
public enum IOTLBMessageType: UInt8, Sendable, CaseIterable {
  case miss = 1
  case update = 2
  case invalidate = 3
  case accessFail = 4
}

/// Access rights of an `IOTLBMessage` (VHOST_ACCESS_*, linux/vhost_types.h).
@frozen
public struct IOTLBPermissions: OptionSet, WireValue {
  public var rawValue: UInt8

  @inlinable
  public init() {
    rawValue = 0
  }

  @inlinable
  public init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  @inlinable public static var read: Self { Self(rawValue: 1) }
  @inlinable public static var write: Self { Self(rawValue: 2) }
}

/// struct vhost_iotlb_msg (linux/vhost_types.h)
@frozen
public struct IOTLBMessage: WireValue {
  public var iova: UInt64 = 0
  public var size: UInt64 = 0
  public var userAddress: UInt64 = 0
  public var permissions: IOTLBPermissions = []
  /// See `IOTLBMessageType`.
  public var type: UInt8 = 0
  /// The tail padding of the C struct, which is sent.
  public var padding: InlineArray<6, UInt8> = InlineArray(repeating: 0)

  @inlinable
  public init() {}

  @inlinable
  public init(iova: UInt64, size: UInt64, userAddress: UInt64, permissions: IOTLBPermissions, type: UInt8) {
    self.iova = iova
    self.size = size
    self.userAddress = userAddress
    self.permissions = permissions
    self.type = type
  }
}
