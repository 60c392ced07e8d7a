// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The split virtqueue as it lies in guest memory (VIRTIO 1.3 section 2.7; <linux/virtio_ring.h>). Layout only: who
// reads and writes it, in which order and with which barriers, is the business of room Virtio.

public import Wire

/// struct vring_desc (linux/virtio_ring.h), virtq_desc in VIRTIO 1.3 section 2.7.5
@frozen
public struct SplitDescriptor: WireValue {
  /// Guest-physical address of the buffer.
  public var address: UInt64
  /// Length of the buffer in bytes.
  public var length: UInt32
  /// See `DescriptorFlags`.
  public var flags: UInt16
  /// Index of the next descriptor, if flags say so.
  public var next: UInt16

  @inlinable @inline(__always)
  public init() {
    self.init(address: 0, length: 0)
  }

  @inlinable @inline(__always)
  public init(address: UInt64, length: UInt32, flags: UInt16 = 0, next: UInt16 = 0) {
    self.address = address
    self.length = length
    self.flags = flags
    self.next = next
  }

  @inlinable @inline(__always)
  public var hasNext: Bool { flags & DescriptorFlags.next != 0 }

  /// The device writes the buffer; otherwise it reads it.
  @inlinable @inline(__always)
  public var isWritable: Bool { flags & DescriptorFlags.write != 0 }

  /// The buffer is a table of descriptors.
  @inlinable @inline(__always)
  public var isIndirect: Bool { flags & DescriptorFlags.indirect != 0 }
}

/// VRING_DESC_F_* (linux/virtio_ring.h)
@frozen
public enum DescriptorFlags {
  @inlinable public static var next: UInt16 { 1 }
  @inlinable public static var write: UInt16 { 2 }
  @inlinable public static var indirect: UInt16 { 4 }
}

/// struct vring_used_elem (linux/virtio_ring.h), virtq_used_elem in VIRTIO 1.3 section 2.7.8
@frozen
public struct UsedElement: WireValue {
  /// Head of the chain that was used.
  public var id: UInt32
  /// Bytes written into the writable part of the chain.
  public var length: UInt32

  @inlinable @inline(__always)
  public init() {
    self.init(id: 0, length: 0)
  }

  @inlinable @inline(__always)
  public init(id: UInt32, length: UInt32) {
    self.id = id
    self.length = length
  }
}

/// VRING_AVAIL_F_* (linux/virtio_ring.h): the driver's word to the device.
@frozen
public enum AvailFlags {
  /// Do not interrupt when buffers are used. Without meaning under EVENT_IDX.
  @inlinable public static var noInterrupt: UInt16 { 1 }
}

/// VRING_USED_F_* (linux/virtio_ring.h): the device's word to the driver.
@frozen
public enum UsedFlags {
  /// Do not notify when buffers are made available. Without meaning under EVENT_IDX.
  @inlinable public static var noNotify: UInt16 { 1 }
}

/// Offsets, sizes and alignments of the three areas of a split ring (VIRTIO 1.3 sections 2.7, 2.7.6 and 2.7.8). Every
/// function takes the queue size in entries.
@frozen
public enum SplitRingLayout {
  /// The greatest queue size (VIRTIO 1.3 section 2.7); a queue size is a power of two.
  @inlinable public static var maximumQueueSize: Int { 32768 }

  @inlinable public static var descriptorAlignment: Int { 16 }
  @inlinable public static var availAlignment: Int { 2 }
  @inlinable public static var usedAlignment: Int { 4 }

  /// Offset of `flags` in the available ring.
  @inlinable public static var availFlagsOffset: Int { 0 }
  /// Offset of `idx` in the available ring.
  @inlinable public static var availIndexOffset: Int { 2 }
  /// Offset of `ring[0]` (UInt16 each) in the available ring.
  @inlinable public static var availRingOffset: Int { 4 }

  /// Offset of `flags` in the used ring.
  @inlinable public static var usedFlagsOffset: Int { 0 }
  /// Offset of `idx` in the used ring.
  @inlinable public static var usedIndexOffset: Int { 2 }
  /// Offset of `ring[0]` (`UsedElement` each) in the used ring.
  @inlinable public static var usedRingOffset: Int { 4 }

  /// True if a queue may have this size.
  @inlinable
  public static func isValid(queueSize: Int) -> Bool {
    queueSize > 0 && queueSize <= maximumQueueSize && queueSize & (queueSize - 1) == 0
  }

  /// Bytes of the descriptor table.
  @inlinable
  public static func descriptorTableSize(_ queueSize: Int) -> Int { 16 * queueSize }

  /// Offset of `used_event` in the available ring: also the bytes of the ring without EVENT_IDX.
  @inlinable
  public static func usedEventOffset(_ queueSize: Int) -> Int { availRingOffset + 2 * queueSize }

  /// Bytes of the available ring.
  @inlinable
  public static func availSize(_ queueSize: Int, eventIndex: Bool) -> Int {
    usedEventOffset(queueSize) + (eventIndex ? 2 : 0)
  }

  /// Offset of `avail_event` in the used ring: also the bytes of the ring without EVENT_IDX.
  @inlinable
  public static func availEventOffset(_ queueSize: Int) -> Int { usedRingOffset + 8 * queueSize }

  /// Bytes of the used ring.
  @inlinable
  public static func usedSize(_ queueSize: Int, eventIndex: Bool) -> Int {
    availEventOffset(queueSize) + (eventIndex ? 2 : 0)
  }

  /// True if the event index that the other side published asks for a notification now that the index moved from
  /// `old` to `new`: `vring_need_event` of <linux/virtio_ring.h>, VIRTIO 1.3 section 2.7.7.2.
  @inlinable @inline(__always)
  public static func needsEvent(_ event: UInt16, new: UInt16, old: UInt16) -> Bool {
    new &- event &- 1 < new &- old
  }
}
