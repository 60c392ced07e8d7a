// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Displays
import Frontend
import GPUProtocol
import Graphics
import InputProtocol
import Linux
import Testing
import VirtioProtocol
import Wire

/// What VNC viewers see and do. Invariants: every viewer ends up with the guest's picture, in its own format and
/// encoding; it is sent what has changed and little more; sizes go both ways; a viewer that does not read costs nobody
/// anything; keys that are held are let go of when a viewer leaves.
@Suite(.timeLimit(.minutes(30)))
struct ViewerTests {
  private static let raw: Int32 = 0
  private static let zrle: Int32 = 16
  private static let cursor: Int32 = -239
  private static let size: Int32 = -223
  private static let anySize: Int32 = -308
  private static let keys: Int32 = -258

  /// Tiles of one colour, of a few, of many, and a size that is no multiple of a tile's.
  private static let picture = Picture(width: 300, height: 170) { x, y in
    switch (x / 64, y / 64) {
    case (0, _): 0x20_4060
    case (1, 0): x % 2 == 0 ? 0xff_0000 : 0x00_ff00
    case (1, _): UInt32(x % 4) * 0x40_2010
    case (2, 0): UInt32((x + y) % 16) * 0x0f_0e0d
    default: UInt32(truncatingIfNeeded: (x &* 0x9e37 &+ y &* 0x85eb_ca6b) &* 0xc2b2_ae35 >> 3) & 0xff_ffff
    }
  }

  @Test(arguments: [[raw], [zrle], [], [99, zrle, raw]], ["003.003", "003.007", "003.008"])
  func aViewerSeesWhatTheGuestShows(encodings: [Int32], version: String) throws {
    let bench = try ViewerBench()
    _ = try bench.bench.showBlob(Self.picture, id: 1)
    let viewer = try bench.viewer(version: version)
    #expect(viewer.name == "a guest" && viewer.width == 300 && viewer.height == 170)
    try viewer.setEncodings(encodings)
    try viewer.request(incremental: false)
    let parts = try viewer.update()
    let expected = encodings.contains(Self.zrle) ? Self.zrle : Self.raw
    #expect(parts.allSatisfy { $0.encoding == expected })
    #expect(viewer.pixels == Self.picture.pixels.map(viewer.reduced))
  }

  private static let formats: [TestViewer.Format] = [
    .init(bits: 32, depth: 24, isBigEndian: true, shifts: [16, 8, 0]),
    .init(bits: 32, depth: 24, isBigEndian: false, shifts: [0, 8, 16]),
    .init(bits: 32, depth: 24, isBigEndian: false, shifts: [24, 16, 8]),
    .init(bits: 32, depth: 24, isBigEndian: true, shifts: [8, 16, 24]),
    .init(bits: 32, depth: 30, isBigEndian: false, most: [1023, 1023, 1023], shifts: [20, 10, 0]),
    .init(bits: 16, depth: 16, isBigEndian: false, most: [31, 63, 31], shifts: [11, 5, 0]),
    .init(bits: 16, depth: 15, isBigEndian: true, most: [31, 31, 31], shifts: [0, 5, 10]),
    .init(bits: 8, depth: 8, isBigEndian: false, most: [7, 7, 3], shifts: [0, 3, 6]),
  ]

  @Test(arguments: formats.indices, [raw, zrle])
  func pixelsComeAsTheViewerWantsThem(format: Int, encoding: Int32) throws {
    let bench = try ViewerBench()
    _ = try bench.bench.show(Self.picture, id: 1)
    let viewer = try bench.viewer()
    try viewer.setFormat(Self.formats[format])
    try viewer.setEncodings([encoding])
    try viewer.request(incremental: false)
    try viewer.update()
    #expect(viewer.pixels == Self.picture.pixels.map(viewer.reduced))
  }

  @Test func onlyWhatHasChangedIsSent() throws {
    let bench = try ViewerBench()
    var picture = Picture.noise(width: 640, height: 480)
    let buffers = try bench.bench.showBlob(picture, id: 1)
    let viewer = try bench.viewer()
    try viewer.expectSees(picture)
    try viewer.request()
    #expect(viewer.isQuiet, "nothing has changed")
    // Two corners between two looks: neither of them drags in what lies between.
    for (x, y) in [(3, 4), (630, 470)] {
      picture[x, y] = 0x12_3456
      buffers[0].segment.store(UInt32(0x12_3456), at: (y * 640 + x) * 4)
    }
    #expect(try bench.bench.client.flush(1, rectangle(0, 0, 8, 8)) == .okNoData)
    let first = try viewer.update()
    #expect(first == [TestViewer.Part(x: 0, y: 0, width: 64, height: 64, encoding: 0)])
    #expect(try bench.bench.client.flush(1, rectangle(628, 470, 4, 1)) == .okNoData)
    try viewer.request()
    let second = try viewer.update()
    #expect(second == [TestViewer.Part(x: 576, y: 448, width: 64, height: 32, encoding: 0)])
    #expect(viewer.pixels == picture.pixels.map(viewer.reduced))
  }

  @Test(arguments: [size, anySize])
  func theSizeFollowsTheGuest(encoding: Int32) throws {
    let bench = try ViewerBench()
    let viewer = try bench.viewer()
    #expect(viewer.width == 1280 && viewer.height == 800, "what the screen wishes for while the guest shows nothing")
    try viewer.setEncodings([encoding])
    let small = Picture.noise(width: 200, height: 100)
    _ = try bench.bench.showBlob(small, id: 1)
    try viewer.expectSees(small)
    let large = Picture.noise(width: 400, height: 300, seed: 2)
    _ = try bench.bench.showBlob(large, id: 2)
    try viewer.expectSees(large)
    // The screen goes off: black, of the size that it had.
    #expect(try bench.bench.client.setScanout(0, 0, rectangle(0, 0, 0, 0)) == .okNoData)
    try viewer.expectSees(Picture(width: 400, height: 300) { _, _ in 0 })
  }

  @Test func aViewerThatCannotFollowKeepsItsSize() throws {
    let bench = try ViewerBench()
    _ = try bench.bench.showBlob(Picture.noise(width: 100, height: 100), id: 1)
    let viewer = try bench.viewer()
    let wide = Picture.noise(width: 150, height: 80, seed: 3)
    _ = try bench.bench.showBlob(wide, id: 2)
    try viewer.expectSees(Picture(width: 100, height: 100) { x, y in y < 80 ? wide[x, y] : 0 })
  }

  @Test func aViewerAsksForAnotherSize() throws {
    let bench = try ViewerBench()
    _ = try bench.bench.showBlob(Picture.noise(width: 100, height: 100), id: 1)
    let viewer = try bench.viewer()
    try viewer.setEncodings([Self.anySize])
    try viewer.request()
    try viewer.update()
    #expect(viewer.sizeNews.map { [$0.reason, $0.status] } == [0, 0])
    #expect(try ask(viewer, for: (1600, 900)) == [1, 4], "it is the guest who decides")
    #expect(bench.device.scanouts[0].width == 1600 && bench.device.scanouts[0].height == 900)
    #expect(viewer.width == 100, "until the guest follows")
    #expect(try ask(viewer, for: (20, 65535)) == [1, 3])
    #expect(bench.device.scanouts[0].width == 1600)
  }

  /// SetDesktopSize with one screen; the reason and the status that come back.
  private func ask(_ viewer: TestViewer, for size: (Int, Int)) throws -> [Int] {
    let size = TestViewer.big(size.0 << 16 | size.1, 4)
    let screen = TestViewer.big(7, 4) + [0, 0, 0, 0] + size + [0, 0, 0, 0]
    try viewer.send([251, 0] + size + [1, 0] + screen)
    try viewer.request()
    try viewer.update()
    return try #require(viewer.sizeNews.map { [$0.reason, $0.status] })
  }

  /// QEMU's display and a viewer of ours at the same time: QEMU decides on sizes, whoever asks.
  @Test func whereTheFrontendShowsTheScreenItsSizeIsNotTheViewers() throws {
    let bench = try ViewerBench()
    let picture = Picture.noise(width: 100, height: 100)
    _ = try bench.bench.showBlob(picture, id: 1)
    let viewer = try bench.viewer()
    try viewer.setEncodings([Self.anySize])
    try viewer.expectSees(picture)
    let qemu = try FakeQEMU()
    try qemu.attach(bench.bench.driver.connection)
    #expect(try ask(viewer, for: (1600, 900)) == [1, 1], "administratively prohibited")
    #expect(bench.device.scanouts[0].width != 1600)
    qemu.close()
    #expect(eventually { !bench.device.isShownByFrontend })
    #expect(try ask(viewer, for: (1600, 900)) == [1, 4])
    #expect(bench.device.scanouts[0].width == 1600)
  }

  @Test func theGuestsCursorIsTheViewers() throws {
    var options = GraphicsOptions()
    (options.width, options.height) = (64, 64)
    let bench = try ViewerBench(options)
    let viewer = try bench.viewer()
    try viewer.setEncodings([Self.cursor])
    // A corner that covers, everything else does not.
    let image = Picture(width: 64, height: 64) { x, y in x < 9 && y < 3 ? 0xff10_2030 : 0x0040_5060 }
    let buffers = try bench.bench.allocate(image)
    #expect(try bench.bench.client.createBlob(9, byteCount: 64 * 64 * 4, buffers) == .okNoData)
    try bench.bench.client.cursor(.updateCursor, resource: 9, hotX: 5, hotY: 6)
    while viewer.cursor?.width != 64 {
      try viewer.request()
      try viewer.update()
    }
    let cursor = try #require(viewer.cursor)
    #expect(cursor.hotX == 5 && cursor.hotY == 6 && cursor.height == 64)
    #expect(Array(cursor.pixels[0..<3]) == [0x30, 0x20, 0x10] && Array(cursor.pixels[36..<39]) == [0x60, 0x50, 0x40])
    #expect(
      cursor.mask == (0..<64).flatMap { $0 < 3 ? [0xff, 0x80, 0, 0, 0, 0, 0, 0] : [UInt8](repeating: 0, count: 8) })
    try bench.bench.client.cursor(.updateCursor)
    while viewer.cursor?.width != 0 {
      try viewer.request()
      try viewer.update()
    }
  }

  @Test func aViewerThatDoesNotReadHoldsNobodyUp() throws {
    let bench = try ViewerBench()
    var picture = Picture.noise(width: 512, height: 384)
    let buffers = try bench.bench.showBlob(picture, id: 1)
    // They ask for whole pictures again and again, and take none.
    let sleepers = try (0..<3).map { _ in try bench.viewer() }
    let viewer = try bench.viewer()
    for round in 0..<60 {
      for sleeper in sleepers { try sleeper.request(incremental: false) }
      picture[round, round] = 0xff_ffff
      buffers[0].segment.store(UInt32(0xff_ffff), at: (round * 512 + round) * 4)
      #expect(try bench.bench.client.flush(1, rectangle(0, 0, 512, 384)) == .okNoData)
    }
    try viewer.expectSees(picture)
    // When they wake up, they see what is there now.
    try sleepers[0].expectSees(picture)
  }

  @Test func keysAndPointersReachTheGuest() throws {
    let bench = try ViewerBench()
    _ = try bench.bench.showBlob(Picture.noise(width: 101, height: 201), id: 1)
    let viewer = try bench.viewer()
    // 'A' by its symbol, down twice as repeating keys are, and up.
    for isDown in [UInt8(1), 1, 0] { try viewer.send([4, isDown, 0, 0, 0, 0, 0, 0x41]) }
    // A symbol that no key has: nothing.
    try viewer.send([4, 1, 0, 0, 0, 0x12, 0x34, 0x56])
    // QEMU's message: the right Control key by its code, whatever the symbol says.
    try viewer.setEncodings([Self.keys])
    try viewer.send([255, 0, 0, 1, 0, 0, 0, 0x61, 0, 0, 0, 0x9d])
    // Lower right corner with the left and the right button, then the wheel down, then the left one alone.
    try viewer.send([5, 0x05, 0, 100, 0, 200])
    try viewer.send([5, 0x15, 0, 100, 0, 200])
    try viewer.send([5, 0x01, 0, 50, 0, 100])
    func key(_ code: UInt16, _ value: UInt32) -> InputEvent { InputEvent(type: 1, code: code, value: value) }
    func place(_ axis: UInt16, _ value: UInt32) -> InputEvent { InputEvent(type: 3, code: axis, value: value) }
    let expected = [
      [key(30, 1)], [key(30, 0)], [key(97, 1)],
      [place(0, 32767), place(1, 32767), key(0x110, 1), key(0x111, 1)],
      [place(0, 32767), place(1, 32767), InputEvent(type: 2, code: 8, value: .max)],
      [place(0, 16384), place(1, 16384), key(0x111, 0)],
    ]
    #expect(eventually { bench.heard.all.count >= expected.count })
    #expect(bench.heard.all == expected)
    // It goes with a key and a button held.
    try viewer.send([77])
    #expect(eventually { bench.heard.all.count > expected.count })
    #expect(bench.heard.all.last == [key(97, 0), key(0x110, 0)])
  }

  @Test func eachListenerHasItsScreen() throws {
    var options = GraphicsOptions()
    options.scanoutCount = 2
    let bench = try ViewerBench(options, scanout: 1)
    _ = try bench.bench.showBlob(Picture.noise(width: 60, height: 50), id: 1, scanout: 0)
    let second = Picture.noise(width: 70, height: 40, seed: 5)
    _ = try bench.bench.showBlob(second, id: 2, scanout: 1)
    try bench.viewer().expectSees(second)
  }

  @Test func viewersComeAndGo() throws {
    let bench = try ViewerBench()
    for round in 0..<3 {
      let picture = Picture.noise(width: 90 + round, height: 80, seed: UInt32(round))
      _ = try bench.bench.showBlob(picture, id: UInt32(round + 1))
      let viewers = try (0..<12).map { _ in try bench.viewer() }
      for viewer in viewers { try viewer.expectSees(picture) }
    }
  }
}
