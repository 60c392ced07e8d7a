// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// The device status field (VIRTIO 1.3 section 2.1; <linux/virtio_config.h>). Over vhost-user it travels as the low
/// byte of the u64 payload of SET_STATUS and GET_STATUS.
@frozen
public struct DeviceStatus: OptionSet, Sendable, BitwiseCopyable {
  public var rawValue: UInt8

  @inlinable
  public init(rawValue: UInt8) {
    self.rawValue = rawValue
  }

  public static var acknowledge: Self { Self(rawValue: 0x01) }
  public static var driver: Self { Self(rawValue: 0x02) }
  public static var driverOK: Self { Self(rawValue: 0x04) }
  public static var featuresOK: Self { Self(rawValue: 0x08) }
  public static var needsReset: Self { Self(rawValue: 0x40) }
  public static var failed: Self { Self(rawValue: 0x80) }
}
