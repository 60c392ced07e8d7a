// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Features and the configuration space (VIRTIO 1.3 sections 5.7.3 and 5.7.4).

public import Wire

/// VIRTIO_GPU_F_*: numbers of the feature bits.
@frozen
public enum GPUFeatureBit {
  @inlinable public static var virgl: UInt64 { 0 }
  @inlinable public static var edid: UInt64 { 1 }
  @inlinable public static var resourceUUID: UInt64 { 2 }
  @inlinable public static var resourceBlob: UInt64 { 3 }
  @inlinable public static var contextInit: UInt64 { 4 }
  /// Linux 7.2: `blobAlignment` of the configuration means something.
  @inlinable public static var blobAlignment: UInt64 { 5 }
}

/// VIRTIO_GPU_EVENT_*
@frozen
public struct GPUEvents: OptionSet, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// Display information has changed; the driver asks for it again.
  @inlinable public static var display: Self { Self(rawValue: 1 << 0) }
}

/// struct virtio_gpu_config, with the field that Linux 7.2 added
@frozen
public struct GPUConfiguration: WireValue {
  /// Events that the driver has not cleared.
  public var eventsRead: GPUEvents = []
  /// Written by the driver: events to clear.
  public var eventsClear: GPUEvents = []
  public var scanoutCount: UInt32 = 0
  public var capsetCount: UInt32 = 0
  /// In bytes; only with BLOB_ALIGNMENT.
  public var blobAlignment: UInt32 = 0

  @inlinable
  public init() {}
}

/// Numbers of the specification.
@frozen
public enum GPULimits {
  /// VIRTIO_GPU_MAX_SCANOUTS
  @inlinable public static var scanouts: Int { 16 }
  /// Offset of `eventsClear`, the one field that the driver writes.
  @inlinable public static var eventsClearOffset: Int { 4 }
  /// Width and height of a cursor's image in pixels.
  @inlinable public static var cursorSize: Int { 64 }
  /// VIRTIO_GPU_MAP_CACHE_CACHED
  @inlinable public static var mapCacheCached: UInt32 { 1 }
  /// VIRTIO_GPU_SHM_ID_HOST_VISIBLE
  @inlinable public static var hostVisibleRegion: UInt8 { 1 }
}
