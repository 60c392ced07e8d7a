// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The packed virtqueue as it lies in guest memory (VIRTIO 1.3 section 2.8; <linux/virtio_ring.h>): one ring of
// descriptors that the driver makes available and the device overwrites as used, and two small areas in which each
// side says what it wants to be told. Layout only.

public import Wire

/// struct vring_packed_desc (linux/virtio_ring.h), pvirtq_desc in VIRTIO 1.3 section 2.8.13
@frozen
public struct PackedDescriptor: WireValue {
  /// Guest-physical address of the buffer; not written by the device.
  public var address: UInt64
  /// Length of the buffer; in a used descriptor the bytes written, if WRITE is set.
  public var length: UInt32
  /// Names the buffer list; in the last descriptor of a list and in a used one.
  public var id: UInt16
  /// See `DescriptorFlags` and `PackedFlags`.
  public var flags: UInt16

  @inlinable @inline(__always)
  public init() {
    self.init(address: 0, length: 0)
  }

  @inlinable @inline(__always)
  public init(address: UInt64, length: UInt32, id: UInt16 = 0, flags: UInt16 = 0) {
    self.address = address
    self.length = length
    self.id = id
    self.flags = flags
  }
}

/// The two bits by which both sides tell whose a descriptor is (VRING_PACKED_DESC_F_* of linux/virtio_ring.h, VIRTIO
/// 1.3 section 2.8.1). Each side compares them with a wrap counter that starts as 1 and turns over at the ring's end.
@frozen
public enum PackedFlags {
  /// VRING_PACKED_DESC_F_AVAIL, bit 7
  @inlinable public static var available: UInt16 { 1 << 7 }
  /// VRING_PACKED_DESC_F_USED, bit 15
  @inlinable public static var used: UInt16 { 1 << 15 }
  @inlinable public static var both: UInt16 { available | used }

  /// The bits of a descriptor that the driver has made available in its round `wrap`.
  @inlinable @inline(__always)
  public static func available(_ wrap: Bool) -> UInt16 { wrap ? available : used }

  /// The bits of a descriptor that the device has used in its round `wrap`.
  @inlinable @inline(__always)
  public static func used(_ wrap: Bool) -> UInt16 { wrap ? both : 0 }
}

/// struct vring_packed_desc_event (linux/virtio_ring.h), pvirtq_event_suppress in VIRTIO 1.3 section 2.8.14
@frozen
public struct PackedEvent: WireValue {
  /// Where in the ring, with the wrap counter in bit 15: see `PackedPosition`.
  public var offsetWrap: UInt16
  /// See `PackedEventFlags`.
  public var flags: UInt16

  @inlinable @inline(__always)
  public init() {
    self.init(offsetWrap: 0, flags: 0)
  }

  @inlinable @inline(__always)
  public init(offsetWrap: UInt16, flags: UInt16) {
    self.offsetWrap = offsetWrap
    self.flags = flags
  }
}

/// VRING_PACKED_EVENT_FLAG_* (linux/virtio_ring.h)
@frozen
public enum PackedEventFlags {
  /// Tell me always.
  @inlinable public static var enable: UInt16 { 0 }
  /// Tell me never.
  @inlinable public static var disable: UInt16 { 1 }
  /// Tell me when the descriptor at `offsetWrap` is reached. Only with EVENT_IDX.
  @inlinable public static var descriptor: UInt16 { 2 }
}

/// A place in a packed ring and the round in which it is meant.
@frozen
public struct PackedPosition: Equatable, Sendable, BitwiseCopyable {
  /// Below the ring's size.
  public var index: UInt16
  public var wrap: Bool

  @inlinable @inline(__always)
  public init(index: UInt16, wrap: Bool) {
    self.index = index
    self.wrap = wrap
  }

  /// Where both sides begin (VIRTIO 1.3 section 2.8.1).
  @inlinable public static var start: PackedPosition { PackedPosition(index: 0, wrap: true) }

  /// With the wrap counter in bit 15 (VRING_PACKED_EVENT_F_WRAP_CTR).
  @inlinable @inline(__always)
  public init(offsetWrap: UInt16) {
    self.init(index: offsetWrap & 0x7fff, wrap: offsetWrap >> 15 != 0)
  }

  @inlinable @inline(__always)
  public var offsetWrap: UInt16 { index | (wrap ? 1 << 15 : 0) }

  /// The place `count` descriptors on, `size` at most.
  @inlinable @inline(__always)
  public mutating func advance(by count: UInt16, size: UInt16) {
    // Sizes end at 32768, so the sum fits.
    index &+= count
    if index >= size {
      index &-= size
      wrap.toggle()
    }
  }
}

/// What SET_VRING_BASE and GET_VRING_BASE say of a packed ring (QEMU docs/interop/vhost-user.rst, "Vring descriptor
/// indices for packed virtqueues").
@frozen
public struct PackedBase: Equatable, Sendable, BitwiseCopyable {
  /// The next descriptor that the device looks at, in the lower half.
  public var available: PackedPosition
  /// The next descriptor that the device uses, in the upper half.
  public var used: PackedPosition

  @inlinable
  public init(available: PackedPosition, used: PackedPosition) {
    self.available = available
    self.used = used
  }

  /// A ring that was never used.
  @inlinable public static var start: PackedBase { PackedBase(available: .start, used: .start) }

  /// Frontends that know only one position leave the upper half empty (DPDK's virtio-user). It cannot be meant then: a
  /// device with its used position a whole round behind would have all of the ring in its hands.
  @inlinable
  public init(rawValue: UInt32) {
    available = PackedPosition(offsetWrap: UInt16(truncatingIfNeeded: rawValue))
    let upper = UInt16(truncatingIfNeeded: rawValue >> 16)
    used = upper == 0 && available.wrap ? available : PackedPosition(offsetWrap: upper)
  }

  @inlinable
  public var rawValue: UInt32 { UInt32(available.offsetWrap) | UInt32(used.offsetWrap) << 16 }

  /// Descriptors between the two positions in a ring of `size`; nil if the device would have used what it never took.
  @inlinable
  public func outstanding(size: UInt16) -> UInt32? {
    let round = available.wrap == used.wrap ? 0 : Int(size)
    let count = Int(available.index) - Int(used.index) + round
    return count >= 0 && count <= Int(size) ? UInt32(count) : nil
  }
}

/// Sizes and alignments of the three areas of a packed ring (VIRTIO 1.3 section 2.8.10).
@frozen
public enum PackedRingLayout {
  /// The greatest queue size; it need not be a power of two.
  @inlinable public static var maximumQueueSize: Int { 32768 }

  @inlinable public static var descriptorAlignment: Int { 16 }
  @inlinable public static var eventAlignment: Int { 4 }
  /// Bytes of each side's event suppression area.
  @inlinable public static var eventSize: Int { 4 }

  // Offsets in `PackedDescriptor` of what a device stores by itself.
  @inlinable public static var lengthOffset: Int { 8 }
  @inlinable public static var idOffset: Int { 12 }
  @inlinable public static var flagsOffset: Int { 14 }

  /// True if a queue may have this size.
  @inlinable
  public static func isValid(queueSize: Int) -> Bool { queueSize > 0 && queueSize <= maximumQueueSize }

  /// Bytes of the descriptor ring.
  @inlinable
  public static func descriptorRingSize(_ queueSize: Int) -> Int { 16 * queueSize }

  /// True if `event` asks for a notification now that a side has come to `position` in a ring of `size`, `count`
  /// descriptors after the last time this was asked (vring_need_event with the event's round taken into account, as
  /// virtqueue_kick_prepare_packed of Linux does it).
  @inlinable @inline(__always)
  public static func needsEvent(_ event: PackedEvent, at position: PackedPosition, size: UInt16, count: UInt16) -> Bool
  {
    switch event.flags & 3 {
    case PackedEventFlags.disable: return false
    case PackedEventFlags.descriptor:
      let wanted = PackedPosition(offsetWrap: event.offsetWrap)
      let offset = wanted.wrap == position.wrap ? wanted.index : wanted.index &- size
      return SplitRingLayout.needsEvent(offset, new: position.index, old: position.index &- count)
    default: return true
    }
  }
}
