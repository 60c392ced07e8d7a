// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import Graphics
internal import Wire

/// The guest's cursor as a part of the picture, for viewers that draw none of their own.
struct DrawnCursor: Equatable {
  /// May lie outside of the picture, in part or as a whole.
  let place: Rectangle
  private let image: [UInt8]

  /// Nil for a cursor that is not to be seen.
  init?(_ cursor: Cursor) {
    guard cursor.isVisible, cursor.image.count == Cursor.size * Cursor.size * 4 else { return nil }
    place = Rectangle(x: cursor.x, y: cursor.y, width: Cursor.size, height: Cursor.size)
    image = cursor.image
  }

  /// Draws over pixels of row `y` of the picture, the first of which is at `x`. Colours already count as much as they
  /// cover (KMS: the blend mode "Pre-multiplied", the only one of cursor planes); one that says more than that is cut.
  func draw(over row: Segment, y: Int, from x: Int) {
    guard (place.y..<place.y + place.height).contains(y) else { return }
    let first = max(place.x, x)
    let end = min(place.x + place.width, x + row.count / 4)
    guard first < end else { return }
    var source = ((y - place.y) * place.width + first - place.x) * 4
    for offset in stride(from: (first - x) * 4, to: (end - x) * 4, by: 4) {
      let rest = 255 - Int(image[source + 3])
      for colour in 0..<3 {
        let below = Int(row.load(UInt8.self, at: offset + colour) ?? 0)
        let mixed = Int(image[source + colour]) + (below * rest + 127) / 255
        row.store(UInt8(min(mixed, 255)), at: offset + colour)
      }
      source += 4
    }
  }
}
