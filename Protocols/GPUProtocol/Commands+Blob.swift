// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Requests about blobs: resources whose pixels lie in memory that both sides see.

public import Wire

/// struct virtio_gpu_resource_create_blob
@frozen
public struct GPUResourceCreateBlob: WireValue {
  public var header = GPUControlHeader()
  public var resourceID: UInt32 = 0
  public var memory = GPUBlobMemory()
  public var flags = GPUBlobFlags()
  /// So many `GPUMemoryEntry` follow.
  public var entryCount: UInt32 = 0
  public var blobID: UInt64 = 0
  /// In bytes.
  public var size: UInt64 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(
    header: GPUControlHeader, resourceID: UInt32, memory: GPUBlobMemory, flags: GPUBlobFlags = [], entryCount: UInt32,
    blobID: UInt64 = 0, size: UInt64
  ) {
    self.header = header
    self.resourceID = resourceID
    self.memory = memory
    self.flags = flags
    self.entryCount = entryCount
    self.blobID = blobID
    self.size = size
  }
}

/// struct virtio_gpu_set_scanout_blob
@frozen
public struct GPUSetScanoutBlob: WireValue {
  public var header = GPUControlHeader()
  public var rectangle = GPURectangle()
  public var scanoutID: UInt32 = 0
  public var resourceID: UInt32 = 0
  /// Of the whole framebuffer.
  public var width: UInt32 = 0
  public var height: UInt32 = 0
  public var format = GPUFormat()
  public var padding: UInt32 = 0
  /// By plane; the formats of this device have one.
  public var strides: InlineArray<4, UInt32> = InlineArray(repeating: 0)
  public var offsets: InlineArray<4, UInt32> = InlineArray(repeating: 0)

  @inlinable
  public init() {}

  @inlinable
  public init(
    header: GPUControlHeader, rectangle: GPURectangle, scanoutID: UInt32, resourceID: UInt32, width: UInt32,
    height: UInt32, format: GPUFormat
  ) {
    self.header = header
    self.rectangle = rectangle
    self.scanoutID = scanoutID
    self.resourceID = resourceID
    self.width = width
    self.height = height
    self.format = format
  }
}

/// struct virtio_gpu_resource_map_blob
@frozen
public struct GPUResourceMapBlob: WireValue {
  public var header = GPUControlHeader()
  public var resourceID: UInt32 = 0
  public var padding: UInt32 = 0
  /// In the host-visible window.
  public var offset: UInt64 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(header: GPUControlHeader, resourceID: UInt32, offset: UInt64) {
    self.header = header
    self.resourceID = resourceID
    self.offset = offset
  }
}
