// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Pixels to show, wherever they lie: in an image of the daemon or in the guest's memory, from where they are copied
// once, into the display's own buffer. The value keeps what it needs alive, so that a display may take its time with it
// while the guest goes on.

internal import GPUProtocol
internal import Linux
internal import Synchronization
public import Wire

/// Memory of an image, and whether a display is sending it from where it lies.
final class ImageMemory: Sendable {
  let memory: AnonymousMemory
  private let holders = Atomic<Int>(0)

  init(_ memory: AnonymousMemory) {
    self.memory = memory
  }

  var segment: Segment { memory.segment }
  var byteCount: Int { memory.byteCount }

  /// Under the device's lock, under which the guest's transfers look at it.
  func hold() { holders.add(1, ordering: .relaxed) }
  /// From any thread.
  func letGo() { holders.subtract(1, ordering: .releasing) }
  var isHeld: Bool { holders.load(ordering: .acquiring) > 0 }
}

/// An image of the daemon: rows of four-byte pixels without gaps.
struct PixelImage: Sendable {
  let memory: ImageMemory
  let width: Int
  let height: Int
  let format: PixelFormat

  var stride: Int { width * PixelFormat.bytesPerPixel }
}

/// The picture of one scanout.
public struct PixelSource: Sendable {
  enum Storage: Sendable {
    case image(ImageMemory)
    case guest(GuestBacking)
  }

  let storage: Storage
  public let width: Int
  public let height: Int
  let format: PixelFormat
  /// From one row to the next, in bytes.
  let stride: Int
  /// Of the first pixel, in bytes.
  let offset: Int

  /// All of it.
  var whole: Rectangle { Rectangle(x: 0, y: 0, width: width, height: height) }
  /// Of a copy without gaps.
  var byteCount: Int { width * height * PixelFormat.bytesPerPixel }

  /// An image of the daemon is not drawn over as a whole before `letGo` (`Core.transfer`). Under the device's lock.
  func hold() { if case .image(let memory) = storage { memory.hold() } }
  func letGo() { if case .image(let memory) = storage { memory.letGo() } }

  /// The pixels of a part where they lie, if they lie in the daemon as displays want them; nil otherwise.
  func run(_ part: Rectangle) -> Segment? {
    guard case .image(let memory) = storage, format == .native, !part.isEmpty,
      part.width * PixelFormat.bytesPerPixel == stride || part.height == 1
    else { return nil }
    let byteCount = part.width * part.height * PixelFormat.bytesPerPixel
    let start = offset + part.y * stride + part.x * PixelFormat.bytesPerPixel
    let run = memory.segment.dropFirst(start).prefix(byteCount)
    return run.count == byteCount ? run : nil
  }

  /// Copies a part into `target` as 0xAARRGGBB pixels (little-endian), which begins with the part's first pixel and has
  /// `stride` bytes from row to row. The part is clipped to the picture.
  /// - Returns: bytes copied.
  @discardableResult
  public func copy(_ part: Rectangle, into target: Segment, stride targetStride: Int) -> Int {
    let part = part.intersection(whole)
    if part.isEmpty { return 0 }
    let rowByteCount = part.width * PixelFormat.bytesPerPixel
    let start = offset + part.y * stride + part.x * PixelFormat.bytesPerPixel
    // One copy instead of many where there are no gaps on either side.
    let isWhole = rowByteCount == stride && rowByteCount == targetStride
    let rows = isWhole ? 1 : part.height
    let byteCount = isWhole ? rowByteCount * part.height : rowByteCount
    var copied = 0
    switch storage {
    case .image(let memory):
      let pixels = memory.segment
      for row in 0..<rows {
        let to = target.dropFirst(row * targetStride).prefix(byteCount)
        guard to.copy(from: pixels.dropFirst(start + row * stride).prefix(byteCount)) else { return copied }
        format.makeNative(to)
        copied += byteCount
      }
    case .guest(let backing):
      var walk = GuestBacking.Walk(backing, at: start)
      for row in 0..<rows {
        let to = target.dropFirst(row * targetStride).prefix(byteCount)
        guard walk.copy(from: start + row * stride, into: to) else { return copied }
        format.makeNative(to)
        copied += byteCount
      }
    }
    return copied
  }
}
