// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What commands share: rectangles, boxes and pieces of guest memory.

public import Wire

/// struct virtio_gpu_rect
@frozen
public struct GPURectangle: WireValue {
  public var x: UInt32 = 0
  public var y: UInt32 = 0
  public var width: UInt32 = 0
  public var height: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(x: UInt32, y: UInt32, width: UInt32, height: UInt32) {
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }
}

/// struct virtio_gpu_box
@frozen
public struct GPUBox: WireValue {
  public var x: UInt32 = 0
  public var y: UInt32 = 0
  public var z: UInt32 = 0
  public var width: UInt32 = 0
  public var height: UInt32 = 0
  public var depth: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(x: UInt32, y: UInt32, z: UInt32, width: UInt32, height: UInt32, depth: UInt32) {
    self.x = x
    self.y = y
    self.z = z
    self.width = width
    self.height = height
    self.depth = depth
  }
}

/// struct virtio_gpu_mem_entry
@frozen
public struct GPUMemoryEntry: WireValue {
  /// Guest-physical.
  public var address: UInt64 = 0
  /// In bytes.
  public var length: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(address: UInt64, length: UInt32) {
    self.address = address
    self.length = length
  }
}
