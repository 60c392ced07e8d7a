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
    guard case .image(var image) = resource.content else { return .okNoData }
    guard let backing = resource.backing else { return .errorUnspecified }
    let part = Rectangle(request.rectangle)
    guard part.fits(width: image.width, height: image.height) else { return .errorInvalidParameter }
    let rowByteCount = part.width * PixelFormat.bytesPerPixel
    let span = (part.height - 1) * image.stride + rowByteCount
    guard request.offset <= UInt64(backing.byteCount), span <= backing.byteCount - Int(request.offset) else {
      return .errorInvalidParameter
    }
    let offset = Int(request.offset)
    // A part that is drawn over while it is sent is sent again with the flush that follows: only a flip would show
    // half of one frame and half of another.
    if part.width == image.width, part.height == image.height, image.memory.isHeld { image = move(resource, image) }
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

  /// Leaves the picture's memory to the display that is sending it and finds another one for the guest, who draws all
  /// of it anew. Where there is none, both have to do with the old one; so they have if it is larger than any screen's,
  /// because the other one is in nobody's limit.
  private func move(_ resource: Resource, _ image: PixelImage) -> PixelImage {
    if image.memory.byteCount > Core.mostPixels * PixelFormat.bytesPerPixel { return image }
    var target = spare
    if target.map({ $0.byteCount != image.memory.byteCount || $0.isHeld }) ?? true {
      guard let memory = try? AnonymousMemory(byteCount: image.memory.byteCount, isUsedWhole: true) else {
        return image
      }
      target = ImageMemory(memory)
    }
    guard let target else { return image }
    spare = image.memory
    let moved = PixelImage(memory: target, width: image.width, height: image.height, format: image.format)
    resource.move(moved)
    showAgain(resource)
    return moved
  }
}
