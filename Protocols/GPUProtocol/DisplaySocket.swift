// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The display socket of QEMU's vhost-user-gpu (QEMU, docs/interop/vhost-user-gpu.rst and hw/display/vhost-user-gpu.c):
// the backend asks and shows, the frontend answers what it is asked. A message is a header and a payload; everything
// is in the host's byte order. No header of the system has these structs.

public import Wire

/// VHOST_USER_GPU_*: what a message is about. A reply carries its request's number.
@frozen
public struct DisplayRequest: RawRepresentable, Hashable, WireValue {
  public var rawValue: UInt32

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt32) {
    self.rawValue = rawValue
  }

  /// No payload; the reply is `DisplayProtocolFeatures`.
  public static var getProtocolFeatures: Self { Self(rawValue: 1) }
  /// `DisplayProtocolFeatures`, no reply.
  public static var setProtocolFeatures: Self { Self(rawValue: 2) }
  /// No payload; the reply is a `GPUDisplayInfo`.
  public static var getDisplayInfo: Self { Self(rawValue: 3) }
  /// `DisplayCursorPosition`: shows the cursor there.
  public static var cursorPosition: Self { Self(rawValue: 4) }
  /// `DisplayCursorPosition`: hides it.
  public static var cursorHide: Self { Self(rawValue: 5) }
  /// `DisplayCursorUpdate` and 64 by 64 pixels.
  public static var cursorUpdate: Self { Self(rawValue: 6) }
  /// `DisplayScanout`: its size from now on, 0 by 0 for off.
  public static var scanout: Self { Self(rawValue: 7) }
  /// `DisplayUpdate` and its pixels, rows without gaps.
  public static var update: Self { Self(rawValue: 8) }
  /// `DisplayBufferScanout` with the buffer's descriptor; without one: off.
  public static var bufferScanout: Self { Self(rawValue: 9) }
  /// `DisplayUpdate` without pixels; the reply is empty and says that the buffer may be drawn on again.
  public static var bufferUpdate: Self { Self(rawValue: 10) }
  /// `DisplayEDIDRequest`, with EDID; the reply is a `GPUEDIDResponse`. None comes for a scanout that is not there.
  public static var getEDID: Self { Self(rawValue: 11) }
  /// `DisplayModifiedBufferScanout`, with DMABUF2; otherwise as `bufferScanout`.
  public static var modifiedBufferScanout: Self { Self(rawValue: 12) }
}

/// VHOST_USER_GPU_PROTOCOL_F_*
@frozen
public struct DisplayProtocolFeatures: OptionSet, WireValue {
  public var rawValue: UInt64

  @inlinable @inline(__always)
  public init() {
    rawValue = 0
  }

  @inlinable @inline(__always)
  public init(rawValue: UInt64) {
    self.rawValue = rawValue
  }

  @inlinable public static var edid: Self { Self(rawValue: 1 << 0) }
  @inlinable public static var dmabuf2: Self { Self(rawValue: 1 << 1) }
}

/// The head of VhostUserGpuMsg
@frozen
public struct DisplayMessageHeader: WireValue {
  public var request = DisplayRequest()
  public var flags: UInt32 = 0
  /// Bytes of payload that follow.
  public var size: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(_ request: DisplayRequest, flags: UInt32 = 0, size: Int) {
    self.request = request
    self.flags = flags
    self.size = UInt32(size)
  }

  /// VHOST_USER_GPU_MSG_FLAG_REPLY
  @inlinable public static var replyFlag: UInt32 { 1 << 2 }

  @inlinable public var isReply: Bool { flags & DisplayMessageHeader.replyFlag != 0 }
}

/// VhostUserGpuCursorPos
@frozen
public struct DisplayCursorPosition: WireValue {
  public var scanoutID: UInt32 = 0
  /// In two's complement: the cursor may lie left of the screen and above it.
  public var x: UInt32 = 0
  public var y: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(scanoutID: UInt32, x: UInt32, y: UInt32) {
    self.scanoutID = scanoutID
    self.x = x
    self.y = y
  }
}

/// VhostUserGpuCursorUpdate without its `data`: 64 rows of 64 pixels follow, 0xAARRGGBB.
@frozen
public struct DisplayCursorUpdate: WireValue {
  public var position = DisplayCursorPosition()
  public var hotX: UInt32 = 0
  public var hotY: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(position: DisplayCursorPosition, hotX: UInt32, hotY: UInt32) {
    self.position = position
    self.hotX = hotX
    self.hotY = hotY
  }
}

/// VhostUserGpuScanout
@frozen
public struct DisplayScanout: WireValue {
  public var scanoutID: UInt32 = 0
  public var width: UInt32 = 0
  public var height: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(scanoutID: UInt32, width: UInt32, height: UInt32) {
    self.scanoutID = scanoutID
    self.width = width
    self.height = height
  }
}

/// VhostUserGpuUpdate without its `data`: `width` times `height` pixels follow, 0xXXRRGGBB.
@frozen
public struct DisplayUpdate: WireValue {
  public var scanoutID: UInt32 = 0
  /// In the scanout's own coordinates.
  public var x: UInt32 = 0
  public var y: UInt32 = 0
  public var width: UInt32 = 0
  public var height: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(scanoutID: UInt32, x: UInt32, y: UInt32, width: UInt32, height: UInt32) {
    self.scanoutID = scanoutID
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }
}

/// VhostUserGpuDMABUFScanout
@frozen
public struct DisplayBufferScanout: WireValue {
  public var scanoutID: UInt32 = 0
  /// QEMU takes both for 0.
  public var x: UInt32 = 0
  public var y: UInt32 = 0
  public var width: UInt32 = 0
  public var height: UInt32 = 0
  public var bufferWidth: UInt32 = 0
  public var bufferHeight: UInt32 = 0
  /// In bytes.
  public var stride: UInt32 = 0
  /// VIRTIO_GPU_RESOURCE_FLAG_Y_0_TOP
  public var flags: UInt32 = 0
  /// DRM_FORMAT_*
  public var fourCC: UInt32 = 0

  @inlinable
  public init() {}
}

/// VhostUserGpuDMABUFScanout2
@frozen
public struct DisplayModifiedBufferScanout: WireValue {
  public var scanout = DisplayBufferScanout()
  /// DRM_FORMAT_MOD_*
  public var modifier: UInt64 = 0

  @inlinable
  public init() {}
}

/// VhostUserGpuEdidRequest
@frozen
public struct DisplayEDIDRequest: WireValue {
  public var scanoutID: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(scanoutID: UInt32) {
    self.scanoutID = scanoutID
  }
}
