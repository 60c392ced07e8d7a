// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// Feature bits that every virtio device shares (VIRTIO 1.3 section 6; <linux/virtio_config.h>, <linux/virtio_ring.h>)
/// and the two that vhost puts into the same word. Bits 0 to 23 and from 50 on belong to the device: see `device(_:)`.
@frozen
public struct VirtioFeatures: OptionSet, Hashable, Sendable, BitwiseCopyable {
  public var rawValue: UInt64

  @inlinable @inline(__always)
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  /// The feature with number `bit`: how a device room names its own bits.
  @inlinable @inline(__always)
  public static func device(_ bit: UInt64) -> Self { Self(rawValue: 1 << bit) }

  /// VIRTIO_F_NOTIFY_ON_EMPTY (legacy): interrupt when the ring runs empty, even if suppressed.
  @inlinable public static var notifyOnEmpty: Self { Self(rawValue: 1 << 24) }
  /// VHOST_F_LOG_ALL: the backend marks the pages it writes in the dirty log.
  @inlinable public static var logAll: Self { Self(rawValue: 1 << 26) }
  /// VIRTIO_F_ANY_LAYOUT (legacy): headers and data may be split over descriptors in any way.
  @inlinable public static var anyLayout: Self { Self(rawValue: 1 << 27) }
  /// VIRTIO_F_INDIRECT_DESC
  @inlinable public static var indirectDescriptors: Self { Self(rawValue: 1 << 28) }
  /// VIRTIO_F_EVENT_IDX
  @inlinable public static var eventIndex: Self { Self(rawValue: 1 << 29) }
  /// VHOST_USER_F_PROTOCOL_FEATURES: the frontend may ask for protocol features. Not a virtio feature: it must never
  /// reach the driver.
  @inlinable public static var vhostUserProtocolFeatures: Self { Self(rawValue: 1 << 30) }
  /// VIRTIO_F_VERSION_1
  @inlinable public static var version1: Self { Self(rawValue: 1 << 32) }
  /// VIRTIO_F_ACCESS_PLATFORM: ring and buffer addresses go through an IOMMU.
  @inlinable public static var accessPlatform: Self { Self(rawValue: 1 << 33) }
  /// VIRTIO_F_RING_PACKED
  @inlinable public static var ringPacked: Self { Self(rawValue: 1 << 34) }
  /// VIRTIO_F_IN_ORDER: buffers are used in the order in which they were made available.
  @inlinable public static var inOrder: Self { Self(rawValue: 1 << 35) }
  /// VIRTIO_F_ORDER_PLATFORM
  @inlinable public static var orderPlatform: Self { Self(rawValue: 1 << 36) }
  /// VIRTIO_F_SR_IOV
  @inlinable public static var srIOV: Self { Self(rawValue: 1 << 37) }
  /// VIRTIO_F_NOTIFICATION_DATA
  @inlinable public static var notificationData: Self { Self(rawValue: 1 << 38) }
  /// VIRTIO_F_NOTIF_CONFIG_DATA
  @inlinable public static var notifConfigData: Self { Self(rawValue: 1 << 39) }
  /// VIRTIO_F_RING_RESET
  @inlinable public static var ringReset: Self { Self(rawValue: 1 << 40) }
}
