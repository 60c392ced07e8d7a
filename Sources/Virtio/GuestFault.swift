// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// The driver broke the rules of the ring: the queue cannot go on, the process does. Never thrown for a request that
/// is merely malformed inside its buffers; that is the device's to answer.
public enum GuestFault: Error, Equatable, Sendable {
  /// The available index ran ahead of the ring's size (VIRTIO 2.7.13.3).
  case availableIndexJumped
  /// A head or a `next` names no descriptor of its table.
  case descriptorOutOfRange
  /// The chain has more descriptors than its table: a loop.
  case chainTooLong
  /// A buffer lies (partly) outside the memory that the frontend shared.
  case addressOutsideMemory
  /// A device-readable descriptor follows a device-writable one (2.7.4.2).
  case readableAfterWritable
  /// An indirect descriptor where none may be: nested, with NEXT set, or not negotiated (2.7.5.3).
  case misplacedIndirect
  /// An indirect table whose size is no multiple of 16, zero, or too large.
  case badIndirectTable
  /// A ring that is misaligned or outside the shared memory.
  case badRing
  /// The frontend has taken away memory that it had shared; what is read there now means nothing.
  case memoryLost
}
