// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Frontend
import GPUProtocol
import Graphics
import InputProtocol
import Support
import Testing

/// Guests spread a tablet over all of their screens. Invariant: a pixel that is pointed at in one of them is that
/// pixel for a guest that turns a tablet's place into one of its desktop as libinput does (evdev_device_transform_x:
/// value * width / (maximum + 1)), wherever on the desktop the screen is.
@Suite(.timeLimit(.minutes(30)))
struct PointerTests {
  /// Points at a screen and checks where a guest with such a desktop finds it.
  /// - Parameter corner: of the screen on the desktop.
  private func check(
    _ bench: ViewerBench, _ viewer: TestViewer, _ pixels: [(x: Int, y: Int)], corner: (x: Int, y: Int),
    desktop: (width: Int, height: Int), sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    for pixel in pixels {
      let before = bench.heard.all.count
      try viewer.send([5, 0] + [pixel.x >> 8, pixel.x, pixel.y >> 8, pixel.y].map { UInt8(truncatingIfNeeded: $0) })
      #expect(eventually { bench.heard.all.count > before }, sourceLocation: sourceLocation)
      let report = try #require(bench.heard.all.last, sourceLocation: sourceLocation)
      #expect(report.map(\.type) == [3, 3] && report.map(\.code) == [0, 1], sourceLocation: sourceLocation)
      #expect(report.allSatisfy { $0.value <= 0x7fff }, sourceLocation: sourceLocation)
      let found = zip(report, [desktop.width, desktop.height]).map { Int($0.value) * $1 / 0x8000 }
      #expect(found == [corner.x + pixel.x, corner.y + pixel.y], sourceLocation: sourceLocation)
    }
  }

  private func bench(scanouts: Int, viewing scanout: Int) throws -> ViewerBench {
    var options = GraphicsOptions()
    options.scanoutCount = scanouts
    return try ViewerBench(options, scanout: scanout)
  }

  @Test func screensOfTheirOwnStandSideBySide() throws {
    let bench = try bench(scanouts: 3, viewing: 1)
    _ = try bench.bench.showBlob(Picture.noise(width: 640, height: 480), id: 1, scanout: 0)
    _ = try bench.bench.show(Picture.noise(width: 800, height: 600), id: 2, scanout: 1)
    let viewer = try bench.viewer()
    let pixels = [(0, 0), (1, 1), (400, 300), (799, 599)]
    try check(bench, viewer, pixels, corner: (640, 0), desktop: (1440, 600))
    // The third one goes on, then the first one off: nobody has been told, and the next place is right.
    _ = try bench.bench.showBlob(Picture.noise(width: 320, height: 700), id: 3, scanout: 2)
    try check(bench, viewer, pixels, corner: (640, 0), desktop: (1760, 700))
    #expect(try bench.bench.client.setScanout(0, 0, rectangle(0, 0, 0, 0)) == .okNoData)
    try check(bench, viewer, pixels, corner: (0, 0), desktop: (1120, 700))
    #expect(try bench.bench.client.setScanout(2, 0, rectangle(0, 0, 0, 0)) == .okNoData)
    try check(bench, viewer, pixels, corner: (0, 0), desktop: (800, 600))
  }

  /// As X servers show it: the second screen is above the first one.
  @Test func partsOfOnePictureLieAsTheyDo() throws {
    let bench = try bench(scanouts: 2, viewing: 0)
    let client = bench.bench.client
    _ = try bench.bench.showBlob(Picture.noise(width: 800, height: 900), id: 1)
    let viewer = try bench.viewer()
    try viewer.expectSees(Picture.noise(width: 800, height: 900))
    for (scanout, part) in [rectangle(0, 400, 640, 480), rectangle(100, 0, 700, 400)].enumerated() {
      #expect(
        try client.setScanoutBlob(UInt32(scanout), 1, width: 800, height: 900, stride: 3200, part: part) == .okNoData)
    }
    try check(bench, viewer, [(0, 0), (639, 479), (320, 240)], corner: (0, 400), desktop: (800, 880))
    // Both show the same: it is one screen.
    for scanout: UInt32 in 0...1 {
      #expect(
        try client.setScanoutBlob(scanout, 1, width: 800, height: 900, stride: 3200, part: rectangle(0, 400, 640, 480))
          == .okNoData)
    }
    try check(bench, viewer, [(0, 0), (639, 479), (320, 240)], corner: (0, 0), desktop: (640, 480))
  }

  @Test func aPlaceBesideAScreenIsItsEdge() throws {
    let bench = try bench(scanouts: 2, viewing: 0)
    _ = try bench.bench.showBlob(Picture.noise(width: 640, height: 480), id: 1, scanout: 0)
    _ = try bench.bench.showBlob(Picture.noise(width: 800, height: 600), id: 2, scanout: 1)
    let viewer = try bench.viewer()
    try viewer.send([5, 0, 0xff, 0xff, 0xff, 0xff])
    #expect(eventually { !bench.heard.all.isEmpty })
    let found = try zip(#require(bench.heard.all.first), [1440, 600]).map { Int($0.value) * $1 / 0x8000 }
    #expect(found == [639, 479])
  }
}
