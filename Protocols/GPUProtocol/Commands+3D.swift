// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Requests of contexts and of three-dimensional resources.

public import Wire

/// struct virtio_gpu_ctx_create
@frozen
public struct GPUContextCreate: WireValue {
  public var header = GPUControlHeader()
  public var nameLength: UInt32 = 0
  /// The low 8 bits name a capset (CONTEXT_INIT).
  public var contextInit: UInt32 = 0
  public var debugName: InlineArray<64, UInt8> = InlineArray(repeating: 0)

  @inlinable
  public init() {}

  @inlinable
  public init(header: GPUControlHeader, nameLength: UInt32, contextInit: UInt32) {
    self.header = header
    self.nameLength = nameLength
    self.contextInit = contextInit
  }
}

/// struct virtio_gpu_ctx_destroy
@frozen
public struct GPUContextDestroy: WireValue {
  public var header = GPUControlHeader()

  @inlinable
  public init() {}

  @inlinable
  public init(header: GPUControlHeader) {
    self.header = header
  }
}

/// struct virtio_gpu_resource_create_3d
@frozen
public struct GPUResourceCreate3D: WireValue {
  public var header = GPUControlHeader()
  public var resourceID: UInt32 = 0
  public var target: UInt32 = 0
  /// Of the renderer: more than `GPUFormat` names.
  public var format: UInt32 = 0
  public var bind: UInt32 = 0
  public var width: UInt32 = 0
  public var height: UInt32 = 0
  public var depth: UInt32 = 0
  public var arraySize: UInt32 = 0
  public var lastLevel: UInt32 = 0
  public var sampleCount: UInt32 = 0
  public var flags: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable
  public init() {}
}

/// struct virtio_gpu_transfer_host_3d
@frozen
public struct GPUTransferHost3D: WireValue {
  public var header = GPUControlHeader()
  public var box = GPUBox()
  public var offset: UInt64 = 0
  public var resourceID: UInt32 = 0
  public var level: UInt32 = 0
  public var stride: UInt32 = 0
  public var layerStride: UInt32 = 0

  @inlinable
  public init() {}
}

/// struct virtio_gpu_cmd_submit
@frozen
public struct GPUSubmit3D: WireValue {
  public var header = GPUControlHeader()
  /// Bytes of the renderer's commands that follow.
  public var size: UInt32 = 0
  public var padding: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(header: GPUControlHeader, size: UInt32) {
    self.header = header
    self.size = size
  }
}
