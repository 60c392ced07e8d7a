// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

public import Wire

/// enum virtio_gpu_formats: names give the order of the bytes in memory, as the header does.
@frozen
public struct GPUFormat: RawRepresentable, Hashable, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  public static var b8g8r8a8: Self { Self(rawValue: 1) }
  public static var b8g8r8x8: Self { Self(rawValue: 2) }
  public static var a8r8g8b8: Self { Self(rawValue: 3) }
  public static var x8r8g8b8: Self { Self(rawValue: 4) }
  public static var r8g8b8a8: Self { Self(rawValue: 67) }
  public static var x8b8g8r8: Self { Self(rawValue: 68) }
  public static var a8b8g8r8: Self { Self(rawValue: 121) }
  public static var r8g8b8x8: Self { Self(rawValue: 134) }
}

/// VIRTIO_GPU_BLOB_MEM_*: where a blob's bytes are.
@frozen
public struct GPUBlobMemory: RawRepresentable, Hashable, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// In guest memory.
  public static var guest: Self { Self(rawValue: 1) }
  /// At a renderer of the host.
  public static var host3D: Self { Self(rawValue: 2) }
  /// At a renderer, with guest memory behind it.
  public static var host3DGuest: Self { Self(rawValue: 3) }
}

/// VIRTIO_GPU_BLOB_FLAG_USE_*
@frozen
public struct GPUBlobFlags: OptionSet, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  @inlinable public static var mappable: Self { Self(rawValue: 1 << 0) }
  @inlinable public static var shareable: Self { Self(rawValue: 1 << 1) }
  @inlinable public static var crossDevice: Self { Self(rawValue: 1 << 2) }
}
