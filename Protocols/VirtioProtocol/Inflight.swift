// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The region in which a backend notes the requests it is working on, so that its successor can submit them again
// (QEMU docs/interop/vhost-user.rst, "Inflight I/O tracking"). One region per queue, one after the other.

public import Wire

/// struct QueueRegionSplit without its descriptors (vhost-user.rst)
@frozen
public struct InflightQueueSplit: WireValue {
  /// Feature flags of the region; none is defined.
  public var features: UInt64
  /// 1; 0 says that no backend has used the region yet.
  public var version: UInt16
  /// Number of descriptor entries that follow: the queue size.
  public var descNum: UInt16
  /// Head of the last batch of used descriptors, linked through `next`.
  public var lastBatchHead: UInt16
  /// The used index as of the last finished batch.
  public var usedIdx: UInt16

  @inlinable
  public init() {
    self.init(descNum: 0, version: 0)
  }

  @inlinable
  public init(descNum: UInt16, version: UInt16 = InflightLayout.version) {
    features = 0
    self.version = version
    self.descNum = descNum
    lastBatchHead = 0
    usedIdx = 0
  }
}

/// struct DescStateSplit (vhost-user.rst)
@frozen
public struct InflightDescriptorSplit: WireValue {
  /// 1 while the chain with this head is in work.
  public var inflight: UInt8
  public var padding: InlineArray<5, UInt8>
  /// Next entry of the batch that was just completed.
  public var next: UInt16
  /// Order in which the chains were taken, so that they are submitted again in the same order.
  public var counter: UInt64

  @inlinable
  public init() {
    inflight = 0
    padding = InlineArray(repeating: 0)
    next = 0
    counter = 0
  }
}

/// struct QueueRegionPacked without its descriptors (vhost-user.rst)
@frozen
public struct InflightQueuePacked: WireValue {
  public var features: UInt64
  public var version: UInt16
  public var descNum: UInt16
  public var freeHead: UInt16
  public var oldFreeHead: UInt16
  public var usedIdx: UInt16
  public var oldUsedIdx: UInt16
  public var usedWrapCounter: UInt8
  public var oldUsedWrapCounter: UInt8
  /// The specification names 7 bytes; the alignment of the entries that follow makes them 10.
  public var padding: InlineArray<10, UInt8>

  @inlinable
  public init() {
    features = 0
    version = 0
    descNum = 0
    freeHead = 0
    oldFreeHead = 0
    usedIdx = 0
    oldUsedIdx = 0
    usedWrapCounter = 0
    oldUsedWrapCounter = 0
    padding = InlineArray(repeating: 0)
  }
}

/// struct DescStatePacked (vhost-user.rst)
@frozen
public struct InflightDescriptorPacked: WireValue {
  public var inflight: UInt8
  public var padding: UInt8
  public var next: UInt16
  public var last: UInt16
  public var num: UInt16
  public var counter: UInt64
  public var id: UInt16
  public var flags: UInt16
  public var len: UInt32
  public var addr: UInt64

  @inlinable
  public init() {
    inflight = 0
    padding = 0
    next = 0
    last = 0
    num = 0
    counter = 0
    id = 0
    flags = 0
    len = 0
    addr = 0
  }
}

/// Offsets and sizes in an inflight region. Every function takes the queue size in entries.
@frozen
public enum InflightLayout {
  /// The version of both layouts that this file describes.
  @inlinable public static var version: UInt16 { 1 }

  /// Each queue's region starts at a multiple of this (INFLIGHT_ALIGNMENT of QEMU's libvhost-user).
  @inlinable public static var alignment: Int { 64 }

  // Offsets in `InflightQueueSplit` of what a backend stores one by one, in the order the specification demands.
  @inlinable public static var lastBatchHeadOffset: Int { 12 }
  @inlinable public static var usedIdxOffset: Int { 14 }

  // Offsets in `InflightDescriptorSplit`, likewise.
  @inlinable public static var inflightOffset: Int { 0 }
  @inlinable public static var nextOffset: Int { 6 }
  @inlinable public static var counterOffset: Int { 8 }

  // Offsets in `InflightQueuePacked`, likewise; the used index, its old value and both wrap counters are one word.
  @inlinable public static var freeHeadOffset: Int { 12 }
  @inlinable public static var oldFreeHeadOffset: Int { 14 }
  @inlinable public static var packedProgressOffset: Int { 16 }

  // Offsets in `InflightDescriptorPacked`, likewise; `inflight` is where it is in a split one.
  @inlinable public static var packedNextOffset: Int { 2 }
  @inlinable public static var lastOffset: Int { 4 }

  /// Offset of entry `index` in the region of a packed queue.
  @inlinable @inline(__always)
  public static func packedDescriptorOffset(_ index: Int) -> Int { 32 + 32 * index }

  /// Offset of entry `index` in the region of a split queue.
  @inlinable @inline(__always)
  public static func splitDescriptorOffset(_ index: Int) -> Int { 16 + 16 * index }

  /// Bytes from one split queue's region to the next.
  @inlinable
  public static func splitQueueSize(_ queueSize: Int) -> Int { aligned(16 + 16 * queueSize) }

  /// Bytes from one packed queue's region to the next.
  @inlinable
  public static func packedQueueSize(_ queueSize: Int) -> Int { aligned(32 + 32 * queueSize) }

  @inlinable
  static func aligned(_ size: Int) -> Int { (size + alignment - 1) & ~(alignment - 1) }
}
