// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The cursor queue. Linux gives these commands no room for an answer and waits without a time-out when the queue is
// full: whatever is wrong with one, its chain goes back.

internal import GPUProtocol
internal import Linux
internal import Wire

extension Core {
  func updateCursor(_ request: GPUUpdateCursor) -> GPUMessageType {
    guard scanouts.indices.contains(Int(request.position.scanoutID)) else { return .errorInvalidScanout }
    let index = Int(request.position.scanoutID)
    if request.resourceID == 0 {
      scanouts[index].cursor.isVisible = false
    } else {
      guard let resource = resources[request.resourceID] else { return .errorInvalidResource }
      guard let image = cursorImage(resource) else { return .errorInvalidParameter }
      scanouts[index].cursor.image = image
      scanouts[index].cursor.hotX = Int(request.hotX)
      scanouts[index].cursor.hotY = Int(request.hotY)
      scanouts[index].cursor.isVisible = true
    }
    place(request.position, index)
    announce(index) {
      $0.hasNewCursor = true
      $0.cursorMoved = true
    }
    return .okNoData
  }

  func moveCursor(_ request: GPUUpdateCursor) -> GPUMessageType {
    guard scanouts.indices.contains(Int(request.position.scanoutID)) else { return .errorInvalidScanout }
    let index = Int(request.position.scanoutID)
    place(request.position, index)
    announce(index) { $0.cursorMoved = true }
    return .okNoData
  }

  /// Left of the screen and above it the guest's numbers are negative, in two's complement.
  private func place(_ position: GPUCursorPosition, _ index: Int) {
    scanouts[index].cursor.x = Int(Int32(bitPattern: position.x))
    scanouts[index].cursor.y = Int(Int32(bitPattern: position.y))
  }

  /// The 64 by 64 pixels of a cursor: a picture of that size, or a blob that begins with them. Nil for anything else.
  private func cursorImage(_ resource: Resource) -> [UInt8]? {
    let size = GPULimits.cursorSize
    let byteCount = size * size * PixelFormat.bytesPerPixel
    let storage: PixelSource.Storage
    let format: PixelFormat
    switch resource.content {
    case .image(let image):
      guard image.width == size, image.height == size else { return nil }
      (storage, format) = (.image(image.memory), image.format)
    case .blob(let available):
      guard available >= byteCount, let backing = resource.backing, backing.byteCount >= byteCount else { return nil }
      (storage, format) = (.guest(backing), .native)
    }
    let source = PixelSource(
      storage: storage, width: size, height: size, format: format, stride: size * PixelFormat.bytesPerPixel, offset: 0)
    let scratch = Scratch(byteCount: byteCount)
    source.copy(
      Rectangle(x: 0, y: 0, width: size, height: size), into: scratch.segment,
      stride: size * PixelFormat.bytesPerPixel)
    return scratch.segment.bytes()
  }
}
