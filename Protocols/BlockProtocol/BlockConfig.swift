// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The configuration space of a virtio block device.

public import Wire

/// struct virtio_blk_geometry (linux/virtio_blk.h)
@frozen
public struct BlockGeometry: WireValue {
  public var cylinders: UInt16 = 0
  public var heads: UInt8 = 0
  public var sectors: UInt8 = 0

  @inlinable
  public init() {}
}

/// struct virtio_blk_config (linux/virtio_blk.h) up to secure erase; the zones that later headers add are not served.
/// Fields whose feature bit is not offered are zero.
@frozen
public struct BlockConfig: WireValue {
  /// In units of 512 bytes, whatever the block size is.
  public var capacity: UInt64 = 0
  public var sizeMax: UInt32 = 0
  public var segMax: UInt32 = 0
  public var geometry = BlockGeometry()
  /// In bytes.
  public var blkSize: UInt32 = 0
  /// Logical blocks per physical block, as a power of two.
  public var physicalBlockExp: UInt8 = 0
  /// Logical blocks before the first physical one.
  public var alignmentOffset: UInt8 = 0
  /// In logical blocks.
  public var minIOSize: UInt16 = 0
  /// In logical blocks.
  public var optIOSize: UInt32 = 0
  /// 1 writes back, 0 writes through.
  public var wce: UInt8 = 0
  public var unused: UInt8 = 0
  public var numQueues: UInt16 = 0
  /// Largest range of a segment, in sectors; so with the other two below.
  public var maxDiscardSectors: UInt32 = 0
  public var maxDiscardSeg: UInt32 = 0
  /// In sectors.
  public var discardSectorAlignment: UInt32 = 0
  public var maxWriteZeroesSectors: UInt32 = 0
  public var maxWriteZeroesSeg: UInt32 = 0
  /// 1 if zeroing with the UNMAP flag may deallocate.
  public var writeZeroesMayUnmap: UInt8 = 0
  public var unused1: InlineArray<3, UInt8> = InlineArray(repeating: 0)
  public var maxSecureEraseSectors: UInt32 = 0
  public var maxSecureEraseSeg: UInt32 = 0
  /// In sectors.
  public var secureEraseSectorAlignment: UInt32 = 0

  @inlinable
  public init() {}

  /// Where the driver writes to choose between write-back and write-through: the only byte that it may write.
  @inlinable public static var wceOffset: Int { 32 }
}
