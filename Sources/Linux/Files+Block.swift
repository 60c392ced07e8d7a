// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a volume asks of its image: sizes and alignments of files and block devices, discarding. The image belongs to
// the user, and what the guest asks of it may be refused in any way (`answered`).

internal import CLinux

/// What direct I/O has to be aligned to, in bytes; zeroes where a file takes none.
public struct DirectAlignment: Equatable, Sendable {
  public var memory: Int
  public var offset: Int

  public init(memory: Int, offset: Int) {
    self.memory = memory
    self.offset = offset
  }
}

/// Sizes of a block device, in bytes.
public struct BlockDeviceLimits: Equatable, Sendable {
  public var logicalBlock: Int
  public var physicalBlock: Int
  public var minimumIO: Int
  /// 0 where the device tells none.
  public var optimalIO: Int
}

/// Modes of fallocate(2) (linux/falloc.h).
public enum AllocationMode {
  public static let keepSize: Int32 = 1
  public static let punchHole: Int32 = 2
  public static let zeroRange: Int32 = 16
}

extension File {
  /// What statx(2) says about direct I/O (Linux 6.1); nil where it does not.
  public func directAlignment() throws(Errno) -> DirectAlignment? {
    var memory: UInt32 = 0
    var offset: UInt32 = 0
    let tells = try checked(unsafe clinux_direct_alignment(raw, &memory, &offset))
    return tells == 1 ? DirectAlignment(memory: Int(memory), offset: Int(offset)) : nil
  }

  /// Size of a block device in bytes.
  public func deviceSize() throws(Errno) -> UInt64 {
    var size: UInt64 = 0
    try answered { unsafe clinux_device_size(raw, &size) }
    return size
  }

  public func deviceLimits() throws(Errno) -> BlockDeviceLimits {
    var limits = clinux_device_limits()
    try answered { unsafe clinux_device_limits(raw, &limits) }
    return BlockDeviceLimits(
      logicalBlock: Int(limits.logical_block), physicalBlock: Int(limits.physical_block),
      minimumIO: Int(limits.minimum_io), optimalIO: Int(limits.optimal_io))
  }

  /// BLKDISCARD of a block device, or BLKSECDISCARD.
  public func discard(secure: Bool, offset: UInt64, length: UInt64) throws(Errno) {
    try answered { clinux_device_discard(raw, secure ? 1 : 0, offset, length) }
  }
}
