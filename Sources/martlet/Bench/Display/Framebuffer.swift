// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A guest's framebuffer: its pages lie scattered in guest memory, no two neighbours together but by chance, as those of
// a guest that has run for a while do.

internal import Frontend
internal import GPUProtocol
internal import Linux
internal import Wire

final class Framebuffer {
  let resource: UInt32
  let picture: PictureWork
  private let memory: GuestBuffer
  private let pages: [GuestBuffer]
  private let client: GPUClient

  static let pageByteCount = 4096

  /// Makes the resource and gives it its memory.
  /// - Parameter isBlob: shown from guest memory, where no picture of the device's is between.
  init(_ client: GPUClient, _ resource: UInt32, _ picture: PictureWork, isBlob: Bool) throws(FrontendError) {
    self.resource = resource
    self.picture = picture
    self.client = client
    let pageCount = (picture.byteCount + Self.pageByteCount - 1) / Self.pageByteCount
    memory = try client.driver.ram.allocate(
      pageCount * Self.pageByteCount, alignment: UInt64(Self.pageByteCount))
    var dice = Dice(UInt64(resource))
    var order = Array(0..<pageCount)
    for place in order.indices.reversed() { order.swapAt(place, Int(dice.below(UInt64(place + 1)))) }
    let memory = memory
    pages = order.map { memory.part(from: $0 * Self.pageByteCount, count: Self.pageByteCount) }
    for (number, page) in pages.enumerated() { page.segment.store(UInt32(number & 0xff) * 0x1_0101) }
    let answer: GPUMessageType
    if isBlob {
      answer = try client.createBlob(resource, byteCount: UInt64(pageCount * Self.pageByteCount), pages)
    } else {
      try client.createResource(resource, width: picture.width, height: picture.height)
      answer = try client.attach(resource, pages)
    }
    guard answer == .okNoData else {
      throw .deviceFault("a framebuffer of \(picture.width)x\(picture.height) was refused (\(answer.rawValue))")
    }
  }

  var whole: GPURectangle { GPURectangle(x: 0, y: 0, width: UInt32(picture.width), height: UInt32(picture.height)) }

  /// Paints one pixel.
  func paint(_ colour: UInt32, x: Int, y: Int) {
    let offset = y * picture.stride + x * PictureWork.bytesPerPixel
    pages[offset / Self.pageByteCount].segment.store(colour, at: offset % Self.pageByteCount)
  }

  /// Paints a page of something like text, light, with windows' edges: what compresses neither to nothing nor badly.
  func paintText() {
    var dice = Dice(UInt64(resource) + 100)
    for y in 0..<picture.height {
      let isLetter = y % 18 < 12
      var x = 0
      while x < picture.width {
        // Cells of 8 pixels; every sixth one is a blank, and every third part of the page a margin.
        let isBlank = !isLetter || x % 640 > 420 || dice.below(6) == 0
        for column in x..<min(x + 8, picture.width) {
          let isInk = !isBlank && dice.below(3) == 0
          paint(isInk ? UInt32(dice.below(4)) * 0x3c_3c3c : 0xf6_f6f6, x: column, y: y)
        }
        x += 8
      }
    }
  }

  /// Gives it back to device and guest.
  func remove() throws(FrontendError) {
    try client.unreference(resource)
    client.driver.ram.free(memory)
  }

  // MARK: What Linux's driver sends (drivers/gpu/drm/virtio/virtgpu_plane.c)

  func transfer(_ part: GPURectangle) -> GPUTransferToHost2D {
    let offset = Int(part.y) * picture.stride + Int(part.x) * PictureWork.bytesPerPixel
    return GPUTransferToHost2D(
      header: GPUControlHeader(.transferToHost2D), rectangle: part, offset: UInt64(offset), resourceID: resource)
  }

  func flush(_ part: GPURectangle) -> GPUResourceFlush {
    GPUResourceFlush(header: GPUControlHeader(.resourceFlush), rectangle: part, resourceID: resource)
  }

  var show: GPUSetScanout {
    GPUSetScanout(header: GPUControlHeader(.setScanout), rectangle: whole, scanoutID: 0, resourceID: resource)
  }

  var showBlob: GPUSetScanoutBlob {
    var request = GPUSetScanoutBlob(
      header: GPUControlHeader(.setScanoutBlob), rectangle: whole, scanoutID: 0, resourceID: resource,
      width: whole.width, height: whole.height, format: .b8g8r8x8)
    request.strides[0] = UInt32(picture.stride)
    return request
  }
}
