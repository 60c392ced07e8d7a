// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// From the guest's memory into the daemon's picture.

internal import GPUProtocol
internal import Linux
internal import Wire

extension Core {
  /// Rows of the rectangle lie as far apart in the backing as in the picture, the first at `offset` (VIRTIO 1.3 section
  /// 5.7.6.8): the offset already counts the rectangle's place.
  func transfer(_ request: GPUTransferToHost2D) -> GPUMessageType {
    guard let resource = resources[request.resourceID] else { return .errorInvalidResource }
    // A blob's bytes are the guest's own: there is nothing to copy.
    guard case .image(let image) = resource.content else { return .okNoData }
    guard let backing = resource.backing else { return .errorUnspecified }
    let part = Rectangle(request.rectangle)
    guard part.fits(width: image.width, height: image.height) else { return .errorInvalidParameter }
    let rowByteCount = part.width * PixelFormat.bytesPerPixel
    let span = (part.height - 1) * image.stride + rowByteCount
    guard request.offset <= UInt64(backing.byteCount), span <= backing.byteCount - Int(request.offset) else {
      return .errorInvalidParameter
    }
    let offset = Int(request.offset)
    let target = image.memory.segment.dropFirst(part.y * image.stride + part.x * PixelFormat.bytesPerPixel)
    var walk = GuestBacking.Walk(backing, at: offset)
    if part.width == image.width {
      _ = walk.copy(from: offset, into: target.prefix(span))
    } else {
      for row in 0..<part.height {
        let start = row * image.stride
        _ = walk.copy(from: offset + start, into: target.dropFirst(start).prefix(rowByteCount))
      }
    }
    counters.transferredBytes += UInt64(rowByteCount * part.height)
    resource.isBetweenFrames = true
    return .okNoData
  }
}
