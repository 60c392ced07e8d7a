// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What is shown where, and when displays hear of it.

internal import GPUProtocol

extension Core {
  func setScanout(_ request: GPUSetScanout) -> GPUMessageType {
    guard scanouts.indices.contains(Int(request.scanoutID)) else { return .errorInvalidScanout }
    let index = Int(request.scanoutID)
    if request.resourceID == 0 {
      turnOff(index)
      return .okNoData
    }
    guard let resource = resources[request.resourceID] else { return .errorInvalidResource }
    let part = Rectangle(request.rectangle)
    // A blob says nothing of its width; SET_SCANOUT_BLOB does.
    guard case .image(let image) = resource.content, part.fits(width: image.width, height: image.height),
      canShow(part)
    else { return .errorInvalidParameter }
    let source = PixelSource(
      storage: .image(image.memory), width: part.width, height: part.height, format: image.format,
      stride: image.stride, offset: part.y * image.stride + part.x * PixelFormat.bytesPerPixel)
    show(source, of: resource, part, on: index)
    return .okNoData
  }

  /// The largest picture that is shown. A blob may name one page of the guest a million times, so its size costs the
  /// guest nothing, while displays and screenshots copy every pixel.
  static let mostPixels = GraphicsOptions.defaultMemoryLimit / PixelFormat.bytesPerPixel

  func canShow(_ part: Rectangle) -> Bool {
    part.width <= GraphicsOptions.sizes.upperBound && part.height <= GraphicsOptions.sizes.upperBound
      && part.width * part.height <= Core.mostPixels
  }

  /// A flip to another picture of the same size is no news yet: the flush that follows is.
  func show(_ source: PixelSource, of resource: Resource, _ part: Rectangle, on index: Int) {
    let old = scanouts[index]
    let isSameSize = old.source.map { $0.width == source.width && $0.height == source.height } ?? false
    let isSamePicture =
      isSameSize && old.resourceID == resource.id && old.part == part && old.source?.offset == source.offset
      && old.source?.stride == source.stride && old.source?.format == source.format
    if old.resourceID != resource.id { resources[old.resourceID]?.scanouts &= ~(1 << UInt16(index)) }
    resource.scanouts |= 1 << UInt16(index)
    scanouts[index].source = source
    scanouts[index].resourceID = resource.id
    scanouts[index].part = part
    if !isSamePicture { scanouts[index].isNew = true }
    if !isSameSize { announce(index) { $0.hasNewMode = true } }
  }

  func turnOff(_ index: Int) {
    guard scanouts[index].source != nil else { return }
    resources[scanouts[index].resourceID]?.scanouts &= ~(1 << UInt16(index))
    scanouts[index].source = nil
    scanouts[index].resourceID = 0
    scanouts[index].isNew = false
    announce(index) { note in
      note.hasNewMode = true
      note.damage = Rectangle(x: 0, y: 0, width: 0, height: 0)
    }
  }

  func turnOffScanouts(of resource: Resource) {
    for index in scanouts.indices where resource.scanouts & 1 << UInt16(index) != 0 { turnOff(index) }
  }

  /// The resource's pixels lie elsewhere, or its guest memory was translated anew: scanouts that show it from there do
  /// so from the new place.
  func showAgain(_ resource: Resource) {
    let storage: PixelSource.Storage
    switch resource.content {
    case .image(let image): storage = .image(image.memory)
    case .blob:
      guard let backing = resource.backing else { return }
      storage = .guest(backing)
    }
    for index in scanouts.indices where resource.scanouts & 1 << UInt16(index) != 0 {
      guard let old = scanouts[index].source else { continue }
      scanouts[index].source = PixelSource(
        storage: storage, width: old.width, height: old.height, format: old.format, stride: old.stride,
        offset: old.offset)
    }
  }

  /// Displays are told what has changed in their own coordinates: the part of the rectangle that each scanout shows.
  func flush(_ request: GPUResourceFlush) -> GPUMessageType {
    guard let resource = resources[request.resourceID] else { return .errorInvalidResource }
    let part = Rectangle(request.rectangle)
    if case .image(let image) = resource.content, !part.fits(width: image.width, height: image.height) {
      return .errorInvalidParameter
    }
    resource.isBetweenFrames = false
    for index in scanouts.indices where resource.scanouts & 1 << UInt16(index) != 0 {
      let shown = scanouts[index].part
      let damage =
        scanouts[index].isNew
        ? Rectangle(x: 0, y: 0, width: shown.width, height: shown.height)
        : part.intersection(shown).moved(x: -shown.x, y: -shown.y)
      if damage.isEmpty { continue }
      scanouts[index].isNew = false
      scanouts[index].flushCount += 1
      announce(index) { note in
        note.damage = note.damage.union(damage)
        note.flushCount += 1
      }
    }
    return .okNoData
  }
}
