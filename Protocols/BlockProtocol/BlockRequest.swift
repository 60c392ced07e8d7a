// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a request consists of (VIRTIO 1.3 section 5.2.6): a header that the device reads, data in one direction, and a
// status byte that the device writes last. How these are spread over descriptors is the driver's business.

public import Wire

/// VIRTIO_BLK_T_*: what a request asks for.
@frozen
public enum BlockRequestType: UInt32, Sendable, CaseIterable {
  case read = 0
  case write = 1
  case flush = 4
  case getID = 8
  case discard = 11
  case writeZeroes = 13
  case secureErase = 14

  /// Its data is a list of ranges.
  @inlinable @inline(__always)
  public var carriesRanges: Bool { self == .discard || self == .writeZeroes || self == .secureErase }
}

/// VIRTIO_BLK_S_*: how a request went.
@frozen
public enum BlockStatus: UInt8, Sendable {
  case ok = 0
  case ioError = 1
  case unsupported = 2
}

/// struct virtio_blk_outhdr (linux/virtio_blk.h): the head of a request.
@frozen
public struct BlockRequestHeader: WireValue {
  /// See `BlockRequestType`; any other number is unsupported.
  public var type: UInt32 = 0
  /// Reserved; once a priority, which nothing sets.
  public var ioprio: UInt32 = 0
  /// In units of 512 bytes, whatever the block size is.
  public var sector: UInt64 = 0

  @inlinable @inline(__always)
  public init() {}

  @inlinable @inline(__always)
  public init(_ type: BlockRequestType, sector: UInt64) {
    self.type = type.rawValue
    self.sector = sector
  }

  /// The type, nil for one that this device does not know.
  @inlinable @inline(__always)
  public var request: BlockRequestType? { BlockRequestType(rawValue: type) }
}

/// struct virtio_blk_discard_write_zeroes (linux/virtio_blk.h): one range of a discard, zeroing or erasing.
@frozen
public struct BlockRange: WireValue {
  /// In units of 512 bytes; so is the length.
  public var sector: UInt64 = 0
  public var numSectors: UInt32 = 0
  public var flags: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(sector: UInt64, numSectors: UInt32, flags: UInt32 = 0) {
    self.sector = sector
    self.numSectors = numSectors
    self.flags = flags
  }

  /// VIRTIO_BLK_WRITE_ZEROES_FLAG_UNMAP: the range may be deallocated.
  @inlinable public static var unmap: UInt32 { 1 }
}

/// Numbers of the protocol.
@frozen
public enum BlockLimits {
  /// Bytes of a sector, the unit of every address, whatever the block size is.
  @inlinable public static var sectorByteCount: Int { 512 }
  /// VIRTIO_BLK_ID_BYTES: length of the answer to GET_ID; a shorter name is padded with NULs.
  @inlinable public static var idByteCount: Int { 20 }
}
