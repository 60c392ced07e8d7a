// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Requests of the control queue for two-dimensional resources (VIRTIO 1.3 section 5.7.6.8; <linux/virtio_gpu.h>).

public import Wire

/// struct virtio_gpu_resource_create_2d
@frozen
public struct GPUResourceCreate2D: WireValue {
  public var header = GPUControlHeader()
  public var resourceID: UInt32 = 0
  public var format = GPUFormat()
  /// In pixels.
  public var width: UInt32 = 0
  public var height: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(header: GPUControlHeader, resourceID: UInt32, format: GPUFormat, width: UInt32, height: UInt32) {
    self.header = header
    self.resourceID = resourceID
    self.format = format
    self.width = width
    self.height = height
  }
}

/// struct virtio_gpu_resource_unref: also detach_backing, assign_uuid,
/// unmap_blob and ctx_resource, which look the same
@frozen
public struct GPUResourceReference: WireValue {
  public var header = GPUControlHeader()
  public var resourceID: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(header: GPUControlHeader, resourceID: UInt32) {
    self.header = header
    self.resourceID = resourceID
  }
}

/// struct virtio_gpu_set_scanout
@frozen
public struct GPUSetScanout: WireValue {
  public var header = GPUControlHeader()
  public var rectangle = GPURectangle()
  public var scanoutID: UInt32 = 0
  /// 0 turns the scanout off.
  public var resourceID: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(header: GPUControlHeader, rectangle: GPURectangle, scanoutID: UInt32, resourceID: UInt32) {
    self.header = header
    self.rectangle = rectangle
    self.scanoutID = scanoutID
    self.resourceID = resourceID
  }
}

/// struct virtio_gpu_resource_flush
@frozen
public struct GPUResourceFlush: WireValue {
  public var header = GPUControlHeader()
  /// In coordinates of the resource.
  public var rectangle = GPURectangle()
  public var resourceID: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(header: GPUControlHeader, rectangle: GPURectangle, resourceID: UInt32) {
    self.header = header
    self.rectangle = rectangle
    self.resourceID = resourceID
  }
}

/// struct virtio_gpu_transfer_to_host_2d
@frozen
public struct GPUTransferToHost2D: WireValue {
  public var header = GPUControlHeader()
  public var rectangle = GPURectangle()
  /// Of the rectangle's first pixel in the backing, in bytes.
  public var offset: UInt64 = 0
  public var resourceID: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(header: GPUControlHeader, rectangle: GPURectangle, offset: UInt64, resourceID: UInt32) {
    self.header = header
    self.rectangle = rectangle
    self.offset = offset
    self.resourceID = resourceID
  }
}

/// struct virtio_gpu_resource_attach_backing
@frozen
public struct GPUAttachBacking: WireValue {
  public var header = GPUControlHeader()
  public var resourceID: UInt32 = 0
  /// So many `GPUMemoryEntry` follow.
  public var entryCount: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(header: GPUControlHeader, resourceID: UInt32, entryCount: UInt32) {
    self.header = header
    self.resourceID = resourceID
    self.entryCount = entryCount
  }
}

/// struct virtio_gpu_get_capset_info
@frozen
public struct GPUGetCapsetInfo: WireValue {
  public var header = GPUControlHeader()
  public var capsetIndex: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(header: GPUControlHeader, capsetIndex: UInt32) {
    self.header = header
    self.capsetIndex = capsetIndex
  }
}

/// struct virtio_gpu_get_capset
@frozen
public struct GPUGetCapset: WireValue {
  public var header = GPUControlHeader()
  public var capsetID: UInt32 = 0
  public var capsetVersion: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(header: GPUControlHeader, capsetID: UInt32, capsetVersion: UInt32) {
    self.header = header
    self.capsetID = capsetID
    self.capsetVersion = capsetVersion
  }
}

/// struct virtio_gpu_cmd_get_edid
@frozen
public struct GPUGetEDID: WireValue {
  public var header = GPUControlHeader()
  public var scanoutID: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(header: GPUControlHeader, scanoutID: UInt32) {
    self.header = header
    self.scanoutID = scanoutID
  }
}
