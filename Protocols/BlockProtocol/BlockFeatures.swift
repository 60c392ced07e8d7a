// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// Feature bits of the virtio block device, as bit numbers (VIRTIO 1.3 section 5.2.3; linux/virtio_blk.h).
@frozen
public enum BlockFeatureBit {
  /// VIRTIO_BLK_F_SIZE_MAX: a segment has a largest size.
  @inlinable public static var sizeMax: UInt64 { 1 }
  /// VIRTIO_BLK_F_SEG_MAX: a request has a largest number of data segments.
  @inlinable public static var segMax: UInt64 { 2 }
  /// VIRTIO_BLK_F_GEOMETRY (legacy): cylinders, heads and sectors.
  @inlinable public static var geometry: UInt64 { 4 }
  /// VIRTIO_BLK_F_RO
  @inlinable public static var readOnly: UInt64 { 5 }
  /// VIRTIO_BLK_F_BLK_SIZE
  @inlinable public static var blockSize: UInt64 { 6 }
  /// VIRTIO_BLK_F_FLUSH
  @inlinable public static var flush: UInt64 { 9 }
  /// VIRTIO_BLK_F_TOPOLOGY
  @inlinable public static var topology: UInt64 { 10 }
  /// VIRTIO_BLK_F_CONFIG_WCE: the driver can choose between write-back and write-through.
  @inlinable public static var configWCE: UInt64 { 11 }
  /// VIRTIO_BLK_F_MQ
  @inlinable public static var multiqueue: UInt64 { 12 }
  /// VIRTIO_BLK_F_DISCARD
  @inlinable public static var discard: UInt64 { 13 }
  /// VIRTIO_BLK_F_WRITE_ZEROES
  @inlinable public static var writeZeroes: UInt64 { 14 }
  /// VIRTIO_BLK_F_SECURE_ERASE
  @inlinable public static var secureErase: UInt64 { 16 }
}
