// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Payloads that set up a ring.

public import Wire

/// Flags of a vring address (linux/vhost_types.h)
@frozen
public struct VringAddressFlags: OptionSet, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// Writes to the used ring are marked in the dirty log from `VringAddress.log` on.
  @inlinable public static var log: Self { Self(rawValue: 1 << 0) }
}

/// struct vhost_vring_state (linux/vhost_types.h)
@frozen
public struct VringState: WireValue {
  public var index: UInt32 = 0
  public var num: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(index: UInt32, num: UInt32) {
    self.index = index
    self.num = num
  }
}

/// struct vhost_vring_addr (linux/vhost_types.h): addresses are the frontend's own, inside a region; IOVAs under
/// ACCESS_PLATFORM, guest-physical ones under GPA_ADDRESSES.
@frozen
public struct VringAddress: WireValue {
  public var index: UInt32 = 0
  public var flags: VringAddressFlags = []
  public var descriptor: UInt64 = 0
  public var used: UInt64 = 0
  public var available: UInt64 = 0
  /// Guest-physical address of the used ring, for the dirty log.
  public var log: UInt64 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(
    index: UInt32, flags: VringAddressFlags = [], descriptor: UInt64, used: UInt64, available: UInt64, log: UInt64 = 0
  ) {
    self.index = index
    self.flags = flags
    self.descriptor = descriptor
    self.used = used
    self.available = available
    self.log = log
  }
}

/// The UInt64 payload of SET_VRING_KICK, SET_VRING_CALL and SET_VRING_ERR (vhost-user.rst).
@frozen
public struct VringFileDescriptor: WireValue {
  public var rawValue: UInt64 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  @inlinable
  public init(index: UInt8, hasDescriptor: Bool) {
    rawValue = UInt64(index) | (hasDescriptor ? 0 : Self.noDescriptor)
  }

  /// VHOST_USER_VRING_NOFD_MASK: no descriptor comes with the message; for a kick it means polling.
  @inlinable public static var noDescriptor: UInt64 { 1 << 8 }

  /// The queue: bits 0 to 7 (VHOST_USER_VRING_IDX_MASK).
  @inlinable public var index: UInt8 { UInt8(truncatingIfNeeded: rawValue) }
  @inlinable public var hasDescriptor: Bool { rawValue & Self.noDescriptor == 0 }
}

/// struct VhostUserVringArea (vhost-user.rst)
@frozen
public struct VringArea: WireValue {
  /// Bits 0 to 7: the queue; bit 8: no descriptor.
  public var vring: UInt64 = 0
  public var size: UInt64 = 0
  /// Where the area starts in the descriptor's file.
  public var offset: UInt64 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(vring: UInt64, size: UInt64, offset: UInt64) {
    self.vring = vring
    self.size = size
    self.offset = offset
  }
}
