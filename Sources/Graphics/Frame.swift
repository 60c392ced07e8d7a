// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A picture that was taken, and the files that it makes.

internal import Linux
internal import Wire

/// A whole picture of a scanout.
public struct Frame: Sendable, Equatable {
  public let width: Int
  public let height: Int
  private let memory: AnonymousMemory

  /// Nil if a picture of this size has another number of bytes.
  public init?(width: Int, height: Int, pixels: [UInt8]) {
    guard let memory = try? AnonymousMemory(byteCount: pixels.count) else { return nil }
    for (index, byte) in pixels.enumerated() { memory.segment.store(byte, at: index) }
    self.init(width: width, height: height, memory)
  }

  /// Takes over memory that nobody writes to any more.
  init?(width: Int, height: Int, _ memory: AnonymousMemory) {
    guard width > 0, height > 0, memory.byteCount == width * height * PixelFormat.bytesPerPixel else { return nil }
    self.width = width
    self.height = height
    self.memory = memory
  }

  /// Rows of 0xAARRGGBB pixels, little-endian: the bytes are blue, green, red and one that means nothing.
  public var pixels: [UInt8] { memory.segment.bytes() }

  public static func == (one: Frame, other: Frame) -> Bool {
    (one.width, one.height) == (other.width, other.height) && one.pixels == other.pixels
  }

  /// Red, green and blue of every pixel, behind a head and each row behind another; nil if there is no memory for them.
  private func colours(behind head: [UInt8] = [], rowHead: [UInt8] = []) -> [UInt8]? {
    let byteCount = head.count + (rowHead.count + width * 3) * height
    // One more, because a pixel is stored with a fourth byte, which the next one overwrites.
    guard let result = try? AnonymousMemory(byteCount: byteCount + 1, isUsedWhole: true) else { return nil }
    let (source, target) = (memory.segment, result.segment)
    var (from, to) = (0, 0)
    for byte in head {
      target.store(byte, at: to)
      to += 1
    }
    for _ in 0..<height {
      for byte in rowHead {
        target.store(byte, at: to)
        to += 1
      }
      let end = from + width * PixelFormat.bytesPerPixel
      while from < end, let pixel = source.load(UInt32.self, at: from) {
        target.store(pixel.byteSwapped >> 8, at: to)
        from += PixelFormat.bytesPerPixel
        to += 3
      }
    }
    return target.prefix(byteCount).bytes()
  }

  /// Netpbm's binary format (ppm(5)), as QEMU's screendump writes it. Nil if there is not enough memory for it.
  public var ppm: [UInt8]? { colours(behind: Array("P6\n\(width) \(height)\n255\n".utf8)) }

  /// PNG (ISO/IEC 15948): 8 bits a colour, no filter. Nil if there is not enough memory to compress it.
  public var png: [UInt8]? {
    // Each row begins with the number of its filter.
    guard let rows = colours(rowHead: [0]), let data = Deflate.compress(rows, level: 3) else { return nil }
    func word(_ value: Int) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
    func chunk(_ type: String, _ data: [UInt8]) -> [UInt8] {
      let body = Array(type.utf8) + data
      return word(data.count) + body + word(Int(Deflate.checksum(body)))
    }
    let signature: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
    // Depth 8, true colour; the only compression, filter and interlace methods 0.
    let head = word(width) + word(height) + [8, 2, 0, 0, 0]
    return signature + chunk("IHDR", head) + chunk("IDAT", data) + chunk("IEND", [])
  }
}
