// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Blobs in guest memory: made from pages of the guest and shown from there, without a copy into the daemon. Linux uses
// them for every picture when the device offers blobs and no renderer.

internal import GPUProtocol
internal import Wire

extension Core {
  func createBlob(_ request: GPUResourceCreateBlob, _ readable: Segments) -> GPUMessageType {
    guard isFree(request.resourceID) else { return .errorInvalidResource }
    // Memory at the host comes with a renderer.
    guard request.memory == .guest, request.size > 0, let byteCount = Int(exactly: request.size) else {
      return .errorInvalidParameter
    }
    guard resources.count < Core.mostResources else { return .errorOutOfMemory }
    var backing: GuestBacking?
    if request.entryCount > 0 {
      switch readBacking(readable, from: GPUResourceCreateBlob.byteCount, count: request.entryCount) {
      case .failure(let refusal): return refusal.type
      case .success(let read):
        guard read.byteCount >= byteCount else { return .errorInvalidParameter }
        backing = read
      }
    }
    let resource = Resource(id: request.resourceID, .blob(byteCount: byteCount), backing: backing)
    guard budget.take(resource.cost) else { return .errorOutOfMemory }
    resources[resource.id] = resource
    return .okNoData
  }

  func setScanoutBlob(_ request: GPUSetScanoutBlob) -> GPUMessageType {
    guard scanouts.indices.contains(Int(request.scanoutID)) else { return .errorInvalidScanout }
    let index = Int(request.scanoutID)
    if request.resourceID == 0 {
      turnOff(index)
      return .okNoData
    }
    guard let resource = resources[request.resourceID] else { return .errorInvalidResource }
    let part = Rectangle(request.rectangle)
    guard case .blob(let byteCount) = resource.content, let backing = resource.backing,
      let format = PixelFormat(request.format),
      part.fits(width: Int(request.width), height: Int(request.height)), canShow(part)
    else { return .errorInvalidParameter }
    let stride = Int(request.strides[0])
    let offset = Int(request.offsets[0])
    let rowByteCount = Int(request.width) * PixelFormat.bytesPerPixel
    // Both factors have 32 bits and stride is at least 4, so the product may need 64: never 65.
    let (rows, wraps) = (Int(request.height) - 1).multipliedReportingOverflow(by: stride)
    guard stride >= rowByteCount, !wraps, rows <= byteCount, offset + rowByteCount <= byteCount - rows,
      byteCount <= backing.byteCount
    else { return .errorInvalidParameter }
    let source = PixelSource(
      storage: .guest(backing), width: part.width, height: part.height, format: format, stride: stride,
      offset: offset + part.y * stride + part.x * PixelFormat.bytesPerPixel)
    show(source, of: resource, part, on: index)
    return .okNoData
  }
}
