// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A display's own copy of what the scanouts show, kept up by damage: the one copy that a frame in guest memory takes,
// and the second one of a frame that was transferred. What sends pixels somewhere (a network client, a window) works on
// this, so that the guest may draw the next frame meanwhile.

internal import Linux
public import Wire

/// The copy of one scanout. Has one owner: the display's thread.
///
/// Sendable because a display hands it from the thread that made it to the one that uses it.
public final class Shadow: @unchecked Sendable {
  public let scanout: Int
  private let device: GraphicsDevice
  private var memory: AnonymousMemory?
  /// 0 while the scanout is off.
  public private(set) var width = 0
  public private(set) var height = 0
  /// Bytes copied so far.
  public private(set) var copiedByteCount = 0

  public init(_ device: GraphicsDevice, scanout: Int) {
    self.device = device
    self.scanout = scanout
  }

  /// From one row to the next, in bytes.
  public var stride: Int { width * PixelFormat.bytesPerPixel }

  /// Rows of 0xAARRGGBB pixels; valid until the next update.
  public var pixels: Segment { memory?.segment ?? .empty }

  /// Catches up. Returns what has changed of the copy; empty if nothing did.
  public func update(_ news: ScanoutNews) -> Rectangle {
    let nothing = Rectangle(x: 0, y: 0, width: 0, height: 0)
    guard news.hasNewMode || !news.damage.isEmpty else { return nothing }
    guard let source = device.source(of: scanout) else {
      memory = nil
      width = 0
      height = 0
      return nothing
    }
    let whole = Rectangle(x: 0, y: 0, width: source.width, height: source.height)
    var damage = news.damage.intersection(whole)
    if source.width != width || source.height != height {
      // The news of this size may be on its way still: whatever comes, all of it is new.
      let byteCount = source.width * source.height * PixelFormat.bytesPerPixel
      guard let memory = try? AnonymousMemory(byteCount: byteCount, isUsedWhole: true) else { return nothing }
      self.memory = memory
      width = source.width
      height = source.height
      if news.damage.isEmpty { return nothing }
      damage = whole
    }
    if damage.isEmpty { return nothing }
    let start = damage.y * stride + damage.x * PixelFormat.bytesPerPixel
    let copied = source.copy(damage, into: pixels.dropFirst(start), stride: stride)
    copiedByteCount += copied
    device.countShown(copied)
    return damage
  }

  /// The copy as a picture; nil while the scanout is off.
  public var frame: Frame? {
    guard width > 0, let memory = try? AnonymousMemory(byteCount: stride * height) else { return nil }
    memory.segment.copy(from: pixels.prefix(stride * height))
    return Frame(width: width, height: height, memory)
  }
}
