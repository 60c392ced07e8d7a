// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Frontend
import GPUProtocol
import Graphics
import Testing
import Wire

/// Viewers that draw no cursor themselves see the guest's in the picture. Invariants: it lies where the guest has put
/// it, over what the guest draws there, and nowhere else once it has moved; what is sent for it is what lies below it,
/// before and after; viewers that draw it themselves see it once.
@Suite(.timeLimit(.minutes(30)))
struct ViewerCursorTests {
  private static let cursor: Int32 = -239

  private let bench: ViewerBench
  private let picture = Picture.noise(width: 300, height: 170)
  /// Covered, half covered, not covered, and colours that say more than they cover.
  private let image = Picture(width: 64, height: 64) { x, y in
    switch (x / 32, y / 32) {
    case (0, 0): 0xff00_0000 | UInt32(x) << 18 | UInt32(y) << 2
    case (1, 0): 0x8010_4080
    case (0, 1): 0
    default: 0x80ff_f0e0
    }
  }

  init() throws {
    bench = try ViewerBench()
  }

  /// The picture with a cursor's upper left corner at a place, in the arithmetic of real numbers.
  private func composed(_ picture: Picture, _ left: Int, _ top: Int) -> Picture {
    Picture(width: picture.width, height: picture.height) { x, y in
      let below = picture[x, y]
      guard (0..<64).contains(x - left), (0..<64).contains(y - top) else { return below }
      let above = image[x - left, y - top]
      let rest = 1 - Double(above >> 24) / 255
      return [UInt32(16), 8, 0].reduce(0) { colours, shift in
        let sum = Double(above >> shift & 0xff) + Double(below >> shift & 0xff) * rest
        return colours << 8 | UInt32(min(sum.rounded(), 255))
      }
    }
  }

  private func showCursor(at x: Int, _ y: Int) throws {
    let buffers = try bench.bench.allocate(image)
    #expect(try bench.bench.client.createBlob(9, byteCount: 64 * 64 * 4, buffers) == .okNoData)
    try bench.bench.client.cursor(.updateCursor, x: x, y: y, resource: 9, hotX: 5, hotY: 6)
  }

  @Test(arguments: [Int32(0), 16]) func theCursorIsAPartOfThePicture(encoding: Int32) throws {
    var picture = picture
    let buffers = try bench.bench.showBlob(picture, id: 1)
    let viewer = try bench.viewer()
    try viewer.setEncodings([encoding])
    try viewer.expectSees(picture)
    try showCursor(at: 70, 50)
    try viewer.expectSees(composed(picture, 70, 50))
    // In part and as a whole outside, on all sides.
    for (x, y) in [(0, 0), (-20, -40), (299, 169), (270, -63), (-63, 150), (-64, 0), (5000, -5000), (100, 100)] {
      try bench.bench.client.cursor(.moveCursor, x: x, y: y)
      try viewer.expectSees(composed(picture, x, y))
    }
    // The guest draws below it.
    for y in 110..<120 {
      for x in 90..<130 {
        picture[x, y] = UInt32(x * y)
        buffers[0].segment.store(UInt32(x * y), at: 4 * (y * 300 + x))
      }
    }
    #expect(try bench.bench.client.flush(1, rectangle(90, 110, 40, 10)) == .okNoData)
    try viewer.expectSees(composed(picture, 100, 100))
    // What is kept, of which screenshots are taken, has no cursor.
    try expectShown(bench.device, picture)
    try bench.bench.client.cursor(.updateCursor)
    try viewer.expectSees(picture)
  }

  @Test func whatIsSentForACursorIsWhatLiesBelowIt() throws {
    _ = try bench.bench.showBlob(Picture.noise(width: 640, height: 480), id: 1)
    try showCursor(at: 64, 128)
    let viewer = try bench.viewer()
    try viewer.setEncodings([0])
    try viewer.expectSees(composed(Picture.noise(width: 640, height: 480), 64, 128))
    try viewer.request()
    #expect(viewer.isQuiet)
    try bench.bench.client.cursor(.moveCursor, x: 448, y: 320)
    #expect(
      try viewer.update() == [
        TestViewer.Part(x: 64, y: 128, width: 64, height: 64, encoding: 0),
        TestViewer.Part(x: 448, y: 320, width: 64, height: 64, encoding: 0),
      ])
    // The same again is no news.
    try bench.bench.client.cursor(.moveCursor, x: 448, y: 320)
    try viewer.request()
    #expect(viewer.isQuiet)
  }

  @Test func aViewerThatDrawsItSeesItOnce() throws {
    _ = try bench.bench.showBlob(picture, id: 1)
    try showCursor(at: 70, 50)
    let viewer = try bench.viewer()
    let other = try bench.viewer()
    try viewer.setEncodings([0])
    try viewer.expectSees(composed(picture, 70, 50))
    try other.setEncodings([0, Self.cursor])
    try other.expectSees(picture)
    #expect(other.cursor?.width == 64)
    // From now on it draws it itself, and from then on not any more.
    try viewer.setEncodings([0, Self.cursor])
    try viewer.expectSees(picture)
    try viewer.setEncodings([0])
    try viewer.expectSees(composed(picture, 70, 50))
    try other.request()
    #expect(other.isQuiet)
  }
}
