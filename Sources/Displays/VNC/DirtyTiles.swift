// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import Graphics

/// What one viewer has not seen yet of a picture, in tiles of 64 by 64 pixels: bounded however much changes while the
/// viewer does not look, and a cursor that blinks in one corner does not send the clock in the other one.
struct DirtyTiles {
  static let side = 64

  let width: Int
  let height: Int
  private let columns: Int
  private let rows: Int
  private var isDirty: [Bool]
  private var count = 0

  /// Nothing of it was seen.
  init(width: Int, height: Int) {
    self.width = width
    self.height = height
    columns = (width + DirtyTiles.side - 1) / DirtyTiles.side
    rows = (height + DirtyTiles.side - 1) / DirtyTiles.side
    isDirty = Array(repeating: true, count: columns * rows)
    count = columns * rows
  }

  var isEmpty: Bool { count == 0 }

  mutating func mark(_ part: Rectangle) {
    let part = part.intersection(Rectangle(x: 0, y: 0, width: width, height: height))
    if part.isEmpty { return }
    for row in part.y / DirtyTiles.side...(part.y + part.height - 1) / DirtyTiles.side {
      for column in part.x / DirtyTiles.side...(part.x + part.width - 1) / DirtyTiles.side {
        let index = row * columns + column
        if !isDirty[index] { count += 1 }
        isDirty[index] = true
      }
    }
  }

  /// The rectangles of all dirty tiles that `area` touches, which are clean from then on. No two overlap.
  mutating func take(touching area: Rectangle) -> [Rectangle] {
    let area = area.intersection(Rectangle(x: 0, y: 0, width: width, height: height))
    if area.isEmpty || isEmpty { return [] }
    var done: [Rectangle] = []
    // Runs of the row above, which grow downwards as long as the next row has the same.
    var open: [Rectangle] = []
    for row in area.y / DirtyTiles.side...(area.y + area.height - 1) / DirtyTiles.side {
      var next: [Rectangle] = []
      for var run in takeRuns(row, area) {
        if let above = open.firstIndex(where: { $0.x == run.x && $0.width == run.width }) {
          let old = open.remove(at: above)
          run = Rectangle(x: run.x, y: old.y, width: run.width, height: old.height + run.height)
        }
        next.append(run)
      }
      done += open
      open = next
    }
    return done + open
  }

  private mutating func takeRuns(_ row: Int, _ area: Rectangle) -> [Rectangle] {
    let top = row * DirtyTiles.side
    let tileHeight = min(DirtyTiles.side, height - top)
    var runs: [Rectangle] = []
    for column in area.x / DirtyTiles.side...(area.x + area.width - 1) / DirtyTiles.side {
      let index = row * columns + column
      guard isDirty[index] else { continue }
      isDirty[index] = false
      count -= 1
      let left = column * DirtyTiles.side
      let tileWidth = min(DirtyTiles.side, width - left)
      if let last = runs.last, last.x + last.width == left {
        runs[runs.count - 1].width += tileWidth
      } else {
        runs.append(Rectangle(x: left, y: top, width: tileWidth, height: tileHeight))
      }
    }
    return runs
  }
}
