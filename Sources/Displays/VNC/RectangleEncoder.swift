// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Pixels of a rectangle as bytes for one viewer: raw (RFC 6143 section 7.7.1) or ZRLE (7.7.6), which is tiles
// (`TileEncoder`) behind zlib.

internal import Graphics
internal import Linux
internal import RFBProtocol
internal import Wire

/// The picture to encode from: rows of 0xXXRRGGBB pixels. What lies outside of it is black.
struct Canvas {
  var pixels: Segment
  /// From one row to the next, in bytes.
  var stride: Int
  var width: Int
  var height: Int
  /// What lies over the pixels, for viewers that do not draw it themselves.
  var cursor: DrawnCursor?

  /// Bytes of the pixels of row `y` from `x` on, at most `count` of them.
  func row(_ y: Int, from x: Int, count: Int) -> Segment {
    guard y < height, x < width else { return .empty }
    return pixels.dropFirst(y * stride + x * 4).prefix(min(count, width - x) * 4)
  }
}

/// What encoding needs beside the picture. Has one owner, the thread of all viewers.
final class RectangleEncoder {
  /// The most pixels in one go: a row of tiles as wide as a screen can be.
  static let mostPixels = GraphicsOptions.sizes.upperBound * DirtyTiles.side
  /// Wide screens are cut into pieces of about this size: half a megabyte.
  static let preferredPixels = 1 << 17
  /// The most bytes that so many pixels become, in either encoding: each tile has a byte more, and a tile at the edge
  /// a palette that is longer than its pixels.
  static let mostBytes = DeflateStream.bound(mostPixels * 4 + 128 * (mostPixels / tilePixels + 1)) + 64
  private static let tilePixels = DirtyTiles.side * DirtyTiles.side

  /// Tiles before they are compressed.
  private let plain: AnonymousMemory
  /// A row with the cursor over it.
  private let line = Scratch(byteCount: GraphicsOptions.sizes.upperBound * 4)
  /// Lent once per tile: the compiler checks exclusive access to what a class keeps at every use, which took longer
  /// than everything else together.
  private var tile = TileEncoder()

  init() throws(Errno) {
    plain = try AnonymousMemory(byteCount: RectangleEncoder.mostBytes)
  }

  /// As `Canvas.row`, with the cursor over it. Valid until the next one.
  private func seenRow(_ y: Int, from x: Int, count: Int, of canvas: Canvas) -> Segment {
    let row = canvas.row(y, from: x, count: count)
    guard let cursor = canvas.cursor,
      !cursor.place.intersection(Rectangle(x: x, y: y, width: row.count / 4, height: 1)).isEmpty
    else { return row }
    let line = line.segment.prefix(row.count)
    line.copy(from: row)
    cursor.draw(over: line, y: y, from: x)
    return line
  }

  // MARK: Raw

  func raw(_ part: Rectangle, of canvas: Canvas, _ translation: PixelTranslation, into writer: inout ByteWriter) {
    let size = translation.format.bytesPerPixel
    for y in part.y..<part.y + part.height {
      let row = seenRow(y, from: part.x, count: part.width, of: canvas)
      if translation.isNative {
        writer.append(row)
      } else {
        var offset = 0
        while let pixel = row.load(UInt32.self, at: offset) {
          writer.append(translation.full(pixel), byteCount: size)
          offset += 4
        }
      }
      writer.appendZeroes((part.width - row.count / 4) * size)
    }
  }

  // MARK: ZRLE

  /// False if the viewer's stream cannot go on.
  func zrle(
    _ part: Rectangle, of canvas: Canvas, _ translation: PixelTranslation, _ stream: DeflateStream,
    into writer: inout ByteWriter
  ) -> Bool {
    var tiles = ByteWriter(plain.segment)
    for top in stride(from: part.y, to: part.y + part.height, by: DirtyTiles.side) {
      for left in stride(from: part.x, to: part.x + part.width, by: DirtyTiles.side) {
        let area = Rectangle(
          x: left, y: top, width: min(DirtyTiles.side, part.x + part.width - left),
          height: min(DirtyTiles.side, part.y + part.height - top))
        tile.append(area.width, area.height, translation, to: &tiles) { row in
          seenRow(area.y + row, from: area.x, count: area.width, of: canvas)
        }
      }
    }
    // A length, and so many bytes.
    let start = writer.count
    guard writer.appendZeroes(4),
      let count = stream.append(tiles.written, into: writer.target.dropFirst(writer.count))
    else { return false }
    writer.rewind(to: start)
    writer.append(UInt32(count).bigEndian)
    return writer.skip(count)
  }
}
