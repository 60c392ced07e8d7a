// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The header of every request and response (VIRTIO 1.3 section 5.7.6.7), and the numbers in it. Structs and not enums,
// because a driver may send numbers that are not named here.

public import Wire

/// enum virtio_gpu_ctrl_type: what a request wants, or how it was answered.
@frozen
public struct GPUMessageType: RawRepresentable, Hashable, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  // Control queue: two-dimensional resources and scanouts.
  public static var getDisplayInfo: Self { Self(rawValue: 0x100) }
  public static var resourceCreate2D: Self { Self(rawValue: 0x101) }
  public static var resourceUnref: Self { Self(rawValue: 0x102) }
  public static var setScanout: Self { Self(rawValue: 0x103) }
  public static var resourceFlush: Self { Self(rawValue: 0x104) }
  public static var transferToHost2D: Self { Self(rawValue: 0x105) }
  public static var attachBacking: Self { Self(rawValue: 0x106) }
  public static var detachBacking: Self { Self(rawValue: 0x107) }
  public static var getCapsetInfo: Self { Self(rawValue: 0x108) }
  public static var getCapset: Self { Self(rawValue: 0x109) }
  public static var getEDID: Self { Self(rawValue: 0x10a) }
  public static var resourceAssignUUID: Self { Self(rawValue: 0x10b) }
  public static var resourceCreateBlob: Self { Self(rawValue: 0x10c) }
  public static var setScanoutBlob: Self { Self(rawValue: 0x10d) }

  // Control queue: contexts.
  public static var contextCreate: Self { Self(rawValue: 0x200) }
  public static var contextDestroy: Self { Self(rawValue: 0x201) }
  public static var contextAttachResource: Self { Self(rawValue: 0x202) }
  public static var contextDetachResource: Self { Self(rawValue: 0x203) }
  public static var resourceCreate3D: Self { Self(rawValue: 0x204) }
  public static var transferToHost3D: Self { Self(rawValue: 0x205) }
  public static var transferFromHost3D: Self { Self(rawValue: 0x206) }
  public static var submit3D: Self { Self(rawValue: 0x207) }
  public static var resourceMapBlob: Self { Self(rawValue: 0x208) }
  public static var resourceUnmapBlob: Self { Self(rawValue: 0x209) }

  // Cursor queue.
  public static var updateCursor: Self { Self(rawValue: 0x300) }
  public static var moveCursor: Self { Self(rawValue: 0x301) }

  // Responses.
  public static var okNoData: Self { Self(rawValue: 0x1100) }
  public static var okDisplayInfo: Self { Self(rawValue: 0x1101) }
  public static var okCapsetInfo: Self { Self(rawValue: 0x1102) }
  public static var okCapset: Self { Self(rawValue: 0x1103) }
  public static var okEDID: Self { Self(rawValue: 0x1104) }
  public static var okResourceUUID: Self { Self(rawValue: 0x1105) }
  public static var okMapInfo: Self { Self(rawValue: 0x1106) }
  public static var errorUnspecified: Self { Self(rawValue: 0x1200) }
  public static var errorOutOfMemory: Self { Self(rawValue: 0x1201) }
  public static var errorInvalidScanout: Self { Self(rawValue: 0x1202) }
  public static var errorInvalidResource: Self { Self(rawValue: 0x1203) }
  public static var errorInvalidContext: Self { Self(rawValue: 0x1204) }
  public static var errorInvalidParameter: Self { Self(rawValue: 0x1205) }

  /// An answer that says no.
  @inlinable @inline(__always)
  public var isError: Bool { rawValue >= 0x1200 }
}

/// VIRTIO_GPU_FLAG_*
@frozen
public struct GPUFlags: OptionSet, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// The response comes when the request's work is done, and carries its fence.
  @inlinable public static var fence: Self { Self(rawValue: 1 << 0) }
  /// `ringIndex` means something.
  @inlinable public static var infoRingIndex: Self { Self(rawValue: 1 << 1) }
}

/// struct virtio_gpu_ctrl_hdr
@frozen
public struct GPUControlHeader: WireValue {
  public var type = GPUMessageType()
  public var flags: GPUFlags = []
  public var fenceID: UInt64 = 0
  public var contextID: UInt32 = 0
  public var ringIndex: UInt8 = 0
  public var padding: InlineArray<3, UInt8> = InlineArray(repeating: 0)

  @inlinable
  public init() {}

  @inlinable
  public init(
    _ type: GPUMessageType, flags: GPUFlags = [], fenceID: UInt64 = 0, contextID: UInt32 = 0, ringIndex: UInt8 = 0
  ) {
    self.type = type
    self.flags = flags
    self.fenceID = fenceID
    self.contextID = contextID
    self.ringIndex = ringIndex
  }
}
