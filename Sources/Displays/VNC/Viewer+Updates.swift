// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// FramebufferUpdate messages (RFC 6143 section 7.6.1). A viewer asks for each, so one that is slow sees fewer frames.
// An update's rectangles are encoded one row of tiles at a time, when the one before is out: what the guest draws
// meanwhile is in the next update too, as its tiles are dirty again.

internal import Graphics
internal import Linux
internal import RFBProtocol
internal import Wire

extension Viewer {
  /// What of the screen has changed.
  func damage(_ part: Rectangle) {
    tiles.mark(part)
  }

  /// It draws no cursor itself, so the picture has one.
  var seesDrawnCursor: Bool { !extensions.contains(RFBEncoding.cursor) }

  /// Fills the empty output with what comes next, if anything does. False if the viewer cannot be served on.
  func encodeNext(_ encoder: RectangleEncoder) -> Bool {
    if bands.isEmpty { beginUpdate() }
    guard let band = bands.popFirst() else { return true }
    return encode(band, encoder)
  }

  private var canResize: Bool {
    extensions.contains(RFBEncoding.extendedDesktopSize) || extensions.contains(RFBEncoding.desktopSize)
  }

  private func beginUpdate() {
    guard case .running = phase, let area = request else { return }
    if hasNewColourMap {
      hasNewColourMap = false
      output.append(RFBWriter.colourMap)
    }
    var writer = RFBWriter()
    var count = 0
    if screen.width != tiles.width || screen.height != tiles.height, canResize {
      // Alone: pixels of either size would be wrong beside it (7.8.2).
      tiles = DirtyTiles(width: screen.width, height: screen.height)
      bands = []
      if extensions.contains(RFBEncoding.extendedDesktopSize) {
        let news = sizeNews ?? (RFBSizeReason.server, RFBSizeStatus.done)
        writer.extendedDesktopSize(width: tiles.width, height: tiles.height, reason: news.reason, status: news.status)
        sizeNews = nil
      } else {
        writer.rectangleHeader(
          x: 0, y: 0, width: tiles.width, height: tiles.height, encoding: RFBEncoding.desktopSize)
      }
      count = 1
    } else {
      if let news = sizeNews {
        writer.extendedDesktopSize(width: tiles.width, height: tiles.height, reason: news.reason, status: news.status)
        sizeNews = nil
        count += 1
      }
      if tellsKeys {
        writer.rectangleHeader(x: 0, y: 0, width: 0, height: 0, encoding: RFBEncoding.extendedKeys)
        tellsKeys = false
        count += 1
      }
      if hasNewCursor, extensions.contains(RFBEncoding.cursor) {
        appendCursor(to: &writer)
        hasNewCursor = false
        count += 1
      }
      bands = Viewer.bands(tiles.take(touching: area))
    }
    if count + bands.count == 0 { return }
    request = nil
    var header = RFBWriter()
    header.updateHeader(rectangleCount: count + bands.count)
    output.append(header.bytes)
    output.append(writer.bytes)
  }

  /// In pieces that fit into a buffer. There are fewer than 65536: each has at least a tile, and there are so many.
  private static func bands(_ parts: [Rectangle]) -> ArraySlice<Rectangle> {
    var bands: [Rectangle] = []
    for part in parts {
      let rows = max(RectangleEncoder.preferredPixels / part.width / DirtyTiles.side, 1) * DirtyTiles.side
      for top in stride(from: part.y, to: part.y + part.height, by: rows) {
        let height = min(rows, part.y + part.height - top)
        bands.append(Rectangle(x: part.x, y: top, width: part.width, height: height))
      }
    }
    return bands[...]
  }

  private func encode(_ part: Rectangle, _ encoder: RectangleEncoder) -> Bool {
    var header = RFBWriter()
    let isCompressed = encoding == RFBEncoding.zrle
    if isCompressed, stream == nil {
      // Fast: between a guest and a viewer that is near, time is what lacks.
      stream = DeflateStream(level: 1)
      if stream == nil { return false }
    }
    header.rectangleHeader(
      x: part.x, y: part.y, width: part.width, height: part.height,
      encoding: isCompressed ? RFBEncoding.zrle : RFBEncoding.raw)
    output.append(header.bytes)
    let canvas = screen.canvas(withCursor: seesDrawnCursor)
    return output.write { writer in
      if isCompressed, let stream { return encoder.zrle(part, of: canvas, translation, stream, into: &writer) }
      encoder.raw(part, of: canvas, translation, into: &writer)
      return true
    }
  }

  /// The cursor's pixels, and a bit for each that covers what lies below (7.8.1). A hidden one has no size.
  private func appendCursor(to writer: inout RFBWriter) {
    let cursor = screen.cursor
    let side = Cursor.size
    guard cursor.isVisible, cursor.image.count == side * side * 4 else {
      writer.rectangleHeader(x: 0, y: 0, width: 0, height: 0, encoding: RFBEncoding.cursor)
      return
    }
    writer.rectangleHeader(
      x: min(max(cursor.hotX, 0), side - 1), y: min(max(cursor.hotY, 0), side - 1), width: side, height: side,
      encoding: RFBEncoding.cursor)
    var mask: [UInt8] = []
    for start in stride(from: 0, to: cursor.image.count, by: 4) {
      let pixel = cursor.image[start..<start + 4].reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
      let translated = translation.full(pixel)
      for byte in 0..<translation.format.bytesPerPixel {
        writer.u8(UInt8(truncatingIfNeeded: translated >> UInt32(8 * byte)))
      }
      // Rows of 64 bits end at a byte.
      if start / 4 % 8 == 0 { mask.append(0) }
      if pixel >> 24 >= 128 { mask[mask.count - 1] |= 0x80 >> UInt8(start / 4 % 8) }
    }
    for byte in mask { writer.u8(byte) }
  }
}
