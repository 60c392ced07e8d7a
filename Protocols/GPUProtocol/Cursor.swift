// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Requests of the cursor queue.

public import Wire

/// struct virtio_gpu_cursor_pos
@frozen
public struct GPUCursorPosition: WireValue {
  public var scanoutID: UInt32 = 0
  public var x: UInt32 = 0
  public var y: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(scanoutID: UInt32, x: UInt32, y: UInt32) {
    self.scanoutID = scanoutID
    self.x = x
    self.y = y
  }
}

/// struct virtio_gpu_update_cursor
@frozen
public struct GPUUpdateCursor: WireValue {
  public var header = GPUControlHeader()
  public var position = GPUCursorPosition()
  /// 0 hides the cursor; not looked at by MOVE_CURSOR, nor is what follows.
  public var resourceID: UInt32 = 0
  public var hotX: UInt32 = 0
  public var hotY: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(
    header: GPUControlHeader, position: GPUCursorPosition, resourceID: UInt32 = 0, hotX: UInt32 = 0, hotY: UInt32 = 0
  ) {
    self.header = header
    self.position = position
    self.resourceID = resourceID
    self.hotX = hotX
    self.hotY = hotY
  }
}
