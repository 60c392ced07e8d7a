// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A tile of ZRLE (RFC 6143 section 7.7.6). Of the ways to write one down three are used: one colour, a palette of up to
// 16, and pixels as they are. zlib, which comes after, finds runs by itself.

internal import Wire

struct TileEncoder {
  private static let mostPixels = DirtyTiles.side * DirtyTiles.side
  private static let mostColours = 16

  private var pixels = [UInt32](repeating: 0, count: mostPixels)
  /// Each pixel's place in the palette.
  private var places = [UInt8](repeating: 0, count: mostPixels)
  private var palette: [UInt32] = []

  init() {
    palette.reserveCapacity(TileEncoder.mostColours)
  }

  /// - Parameter row: the pixels of a row; black follows where they end early. Valid until the next one.
  mutating func append(
    _ width: Int, _ height: Int, _ translation: PixelTranslation, to writer: inout ByteWriter, row: (Int) -> Segment
  ) {
    for y in 0..<height { load(row(y), into: y * width, count: width) }
    let size = translation.compactByteCount
    let count = width * height
    guard findPalette(count) else {
      writer.append(UInt8(0))
      for index in 0..<count { writer.append(translation.compact(pixels[index]), byteCount: size) }
      return
    }
    writer.append(UInt8(palette.count))
    for colour in palette { writer.append(translation.compact(colour), byteCount: size) }
    if palette.count == 1 { return }
    let bits = palette.count <= 2 ? 1 : palette.count <= 4 ? 2 : 4
    for y in 0..<height {
      var byte: UInt8 = 0
      var used = 0
      for index in y * width..<(y + 1) * width {
        byte = byte << UInt8(bits) | places[index]
        used += bits
        if used == 8 {
          writer.append(byte)
          (byte, used) = (0, 0)
        }
      }
      // Each row begins with a byte of its own.
      if used > 0 { writer.append(byte << UInt8(8 - used)) }
    }
  }

  private mutating func load(_ row: Segment, into start: Int, count: Int) {
    var index = start
    var offset = 0
    while let pixel = row.load(UInt32.self, at: offset) {
      pixels[index] = pixel & 0xff_ffff
      index += 1
      offset += 4
    }
    while index < start + count {
      pixels[index] = 0
      index += 1
    }
  }

  /// Whether the tile has 16 colours at most; if so, which, and each pixel's place among them.
  private mutating func findPalette(_ count: Int) -> Bool {
    palette.removeAll(keepingCapacity: true)
    var last: UInt32 = .max
    var place: UInt8 = 0
    for index in 0..<count {
      let colour = pixels[index]
      if colour != last {
        if let found = palette.firstIndex(of: colour) {
          place = UInt8(found)
        } else {
          if palette.count == TileEncoder.mostColours { return false }
          place = UInt8(palette.count)
          palette.append(colour)
        }
        last = colour
      }
      places[index] = place
    }
    return true
  }
}
