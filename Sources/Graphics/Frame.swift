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
  /// Rows of 0xAARRGGBB pixels, little-endian: the bytes are blue, green, red and one that means nothing.
  public let pixels: [UInt8]

  /// Nil if a picture of this size has another number of bytes.
  public init?(width: Int, height: Int, pixels: [UInt8]) {
    guard width > 0, height > 0, pixels.count == width * height * PixelFormat.bytesPerPixel else { return nil }
    self.width = width
    self.height = height
    self.pixels = pixels
  }

  /// Red, green and blue of every pixel.
  private func colours(rowPrefix: [UInt8] = []) -> [UInt8] {
    var result: [UInt8] = []
    result.reserveCapacity((width * 3 + rowPrefix.count) * height)
    var index = 0
    for _ in 0..<height {
      result += rowPrefix
      for _ in 0..<width {
        result.append(pixels[index + 2])
        result.append(pixels[index + 1])
        result.append(pixels[index])
        index += PixelFormat.bytesPerPixel
      }
    }
    return result
  }

  /// Netpbm's binary format (ppm(5)), as QEMU's screendump writes it.
  public var ppm: [UInt8] {
    Array("P6\n\(width) \(height)\n255\n".utf8) + colours()
  }

  /// PNG (ISO/IEC 15948): 8 bits a colour, no filter. Nil if there is not enough memory to compress it.
  public var png: [UInt8]? {
    // Each row begins with the number of its filter.
    guard let data = Deflate.compress(colours(rowPrefix: [0]), level: 3) else { return nil }
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
