// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the device writes back. A response without data is a `GPUControlHeader`.

public import Wire

/// struct virtio_gpu_display_one
@frozen
public struct GPUDisplayMode: WireValue {
  public var rectangle = GPURectangle()
  public var enabled: UInt32 = 0
  public var flags: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(rectangle: GPURectangle, enabled: UInt32, flags: UInt32 = 0) {
    self.rectangle = rectangle
    self.enabled = enabled
    self.flags = flags
  }
}

/// struct virtio_gpu_resp_display_info
@frozen
public struct GPUDisplayInfo: WireValue {
  public var header = GPUControlHeader()
  /// VIRTIO_GPU_MAX_SCANOUTS of them.
  public var modes: InlineArray<16, GPUDisplayMode> = InlineArray(repeating: GPUDisplayMode())

  @inlinable
  public init() {}

  @inlinable
  public init(header: GPUControlHeader) {
    self.header = header
  }
}

/// struct virtio_gpu_resp_capset_info
@frozen
public struct GPUCapsetInfo: WireValue {
  public var header = GPUControlHeader()
  public var capsetID: UInt32 = 0
  public var maximumVersion: UInt32 = 0
  public var maximumSize: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(header: GPUControlHeader, capsetID: UInt32, maximumVersion: UInt32, maximumSize: UInt32) {
    self.header = header
    self.capsetID = capsetID
    self.maximumVersion = maximumVersion
    self.maximumSize = maximumSize
  }
}

/// struct virtio_gpu_resp_edid
@frozen
public struct GPUEDIDResponse: WireValue {
  public var header = GPUControlHeader()
  /// Bytes of `edid` that mean something.
  public var size: UInt32 = 0
  public var padding: UInt32 = 0
  public var edid: InlineArray<1024, UInt8> = InlineArray(repeating: 0)

  @inlinable
  public init() {}

  @inlinable
  public init(header: GPUControlHeader, size: UInt32) {
    self.header = header
    self.size = size
  }
}

/// struct virtio_gpu_resp_resource_uuid
@frozen
public struct GPUResourceUUID: WireValue {
  public var header = GPUControlHeader()
  public var uuid: InlineArray<16, UInt8> = InlineArray(repeating: 0)

  @inlinable
  public init() {}

  @inlinable
  public init(header: GPUControlHeader, uuid: InlineArray<16, UInt8>) {
    self.header = header
    self.uuid = uuid
  }
}

/// struct virtio_gpu_resp_map_info
@frozen
public struct GPUMapInfo: WireValue {
  public var header = GPUControlHeader()
  /// How the guest may cache the mapping (VIRTIO_GPU_MAP_CACHE_*).
  public var mapInfo: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(header: GPUControlHeader, mapInfo: UInt32) {
    self.header = header
    self.mapInfo = mapInfo
  }
}
