// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Payloads for what outlives a backend: requests in flight and device state.

public import Wire

/// struct VhostUserInflight (vhost-user.rst): 20 bytes and the tail padding of the C struct. QEMU sends all 24; a
/// receiver takes 20 as well.
@frozen
public struct InflightDescription: WireValue {
  public var mmapSize: UInt64 = 0
  public var mmapOffset: UInt64 = 0
  public var queueCount: UInt16 = 0
  public var queueSize: UInt16 = 0
  public var padding: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(mmapSize: UInt64, mmapOffset: UInt64 = 0, queueCount: UInt16, queueSize: UInt16) {
    self.mmapSize = mmapSize
    self.mmapOffset = mmapOffset
    self.queueCount = queueCount
    self.queueSize = queueSize
  }

  /// Length without the padding.
  @inlinable public static var minimumByteCount: Int { 20 }
}

/// Which way device state goes (vhost-user.rst, "Device state transfer parameters").
@frozen
public enum DeviceStateDirection {
  /// The backend writes its state to the descriptor.
  @inlinable public static var save: UInt32 { 0 }
  /// The backend reads its state from the descriptor.
  @inlinable public static var load: UInt32 { 1 }
}

/// When device state is transferred (vhost-user.rst, "Device state transfer parameters").
@frozen
public enum DeviceStatePhase {
  /// All rings are stopped: the only phase there is.
  @inlinable public static var stopped: UInt32 { 0 }
}

/// struct VhostUserTransferDeviceState (vhost-user.rst)
@frozen
public struct DeviceStateDescription: WireValue {
  /// See `DeviceStateDirection`.
  public var direction: UInt32 = 0
  /// See `DeviceStatePhase`.
  public var phase: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(direction: UInt32, phase: UInt32 = 0) {
    self.direction = direction
    self.phase = phase
  }
}

/// The UInt64 reply to SET_DEVICE_STATE_FD (vhost-user.rst): bits 0 to 7 are 0 for success, bit 8 says that no
/// descriptor comes with it, that is: the frontend's is used.
@frozen
public struct DeviceStateReply: WireValue {
  public var rawValue: UInt64 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(error: UInt8, hasDescriptor: Bool) {
    rawValue = UInt64(error) | (hasDescriptor ? 0 : Self.noDescriptor)
  }

  @inlinable public static var noDescriptor: UInt64 { 1 << 8 }

  @inlinable public var error: UInt8 { UInt8(truncatingIfNeeded: rawValue) }
  @inlinable public var hasDescriptor: Bool { rawValue & Self.noDescriptor == 0 }
}
