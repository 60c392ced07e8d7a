// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Frontend
import GPUProtocol
import Graphics
import Testing
import Wire

/// What displays hear and copy. Invariants: damage is in the scanout's own coordinates and inside of it; a display
/// copies what was damaged and no more; nothing is said when nothing changed; what was freed is not shown.
@Suite(.timeLimit(.minutes(30)))
struct ScanoutTests {
  private static func bench(scanouts: Int = 1) throws -> Bench {
    var options = GraphicsOptions()
    options.scanoutCount = scanouts
    return try Bench(options)
  }

  @Test func damageIsClippedAndInCoordinatesOfTheScanout() throws {
    let bench = try Self.bench(scanouts: 2)
    let picture = Picture.noise(width: 100, height: 50)
    _ = try bench.show(picture, id: 1)
    // The left and the right half, each on a screen.
    #expect(try bench.client.setScanout(0, 1, rectangle(0, 0, 60, 50)) == .okNoData)
    #expect(try bench.client.setScanout(1, 1, rectangle(60, 10, 40, 40)) == .okNoData)
    #expect(try bench.client.flush(1, rectangle(0, 0, 100, 50)) == .okNoData)
    let mailbox = try Mailbox()
    bench.device.attach(mailbox)
    #expect(mailbox.take().map(\.damage) == [rect(0, 0, 60, 50), rect(0, 0, 40, 40)])
    #expect(mailbox.take() == [])
    #expect(try bench.client.flush(1, rectangle(50, 5, 20, 10)) == .okNoData)
    #expect(mailbox.take().map(\.damage) == [rect(50, 5, 10, 10), rect(0, 0, 10, 5)])
    #expect(try bench.client.flush(1, rectangle(60, 0, 40, 10)) == .okNoData)
    #expect(mailbox.take() == [], "above the second screen, right of the first")
    // Two flushes before anybody looks: one note.
    #expect(try bench.client.flush(1, rectangle(1, 2, 3, 4)) == .okNoData)
    #expect(try bench.client.flush(1, rectangle(10, 20, 1, 1)) == .okNoData)
    let news = mailbox.take()
    #expect(news.map(\.damage) == [rect(1, 2, 10, 19)])
    #expect(news.allSatisfy { !$0.hasNewMode })
    try expectShown(bench.device, picture.part(rect(0, 0, 60, 50)), on: 0)
    try expectShown(bench.device, picture.part(rect(60, 10, 40, 40)), on: 1)
  }

  @Test func aDisplayCopiesTheDamageAndNothingElse() throws {
    let bench = try Self.bench()
    let picture = Picture.noise(width: 80, height: 60)
    let mailbox = try Mailbox()
    bench.device.attach(mailbox)
    let shadow = Shadow(bench.device, scanout: 0)
    let buffers = try bench.showBlob(picture, id: 1)
    for news in mailbox.take() { #expect(shadow.update(news) == rect(0, 0, 80, 60)) }
    #expect(shadow.copiedByteCount == 80 * 60 * 4)
    expectSame(Picture(try #require(shadow.frame)), picture)
    // The guest draws outside of what it flushes: only what was flushed shows.
    var drawn = picture
    for (x, y) in [(7, 9), (70, 50)] {
      drawn[x, y] = 0x12_3456
      buffers[0].segment.store(UInt32(0x12_3456), at: (y * 80 + x) * 4)
    }
    #expect(try bench.client.flush(1, rectangle(0, 8, 20, 2)) == .okNoData)
    for news in mailbox.take() { #expect(shadow.update(news) == rect(0, 8, 20, 2)) }
    #expect(shadow.copiedByteCount == 80 * 60 * 4 + 20 * 2 * 4)
    var expected = picture
    expected[7, 9] = 0x12_3456
    expectSame(Picture(try #require(shadow.frame)), expected)
    try expectShown(bench.device, drawn)
  }

  @Test func aFlipIsAWholeNewPictureAndNoNewMode() throws {
    let bench = try Self.bench()
    let pictures = (1...2).map { Picture.noise(width: 40, height: 30, seed: UInt32($0)) }
    _ = try bench.showBlob(pictures[0], id: 1)
    _ = try bench.showBlob(pictures[1], id: 2)
    let mailbox = try Mailbox()
    bench.device.attach(mailbox)
    _ = mailbox.take()
    for id: UInt32 in [1, 2, 1] {
      #expect(try bench.client.setScanoutBlob(0, id, width: 40, height: 30, stride: 160) == .okNoData)
      #expect(mailbox.take() == [], "nothing is new before the flush")
      // What was flushed is a part, what is new is all of it.
      #expect(try bench.client.flush(id, rectangle(3, 3, 1, 1)) == .okNoData)
      let news = mailbox.take()
      #expect(news.map(\.damage) == [rect(0, 0, 40, 30)])
      #expect(news.allSatisfy { !$0.hasNewMode })
      try expectShown(bench.device, pictures[Int(id) - 1])
    }
    // The same again is nothing.
    #expect(try bench.client.setScanoutBlob(0, 1, width: 40, height: 30, stride: 160) == .okNoData)
    #expect(try bench.client.flush(1, rectangle(3, 3, 1, 1)) == .okNoData)
    #expect(mailbox.take().map(\.damage) == [rect(3, 3, 1, 1)])
    // A flush of what is not shown is nothing either.
    #expect(try bench.client.flush(2, rectangle(0, 0, 40, 30)) == .okNoData)
    #expect(mailbox.take() == [])
  }

  @Test func aScanoutGoesOffWithItsResource() throws {
    let bench = try Self.bench(scanouts: 3)
    let mailbox = try Mailbox()
    bench.device.attach(mailbox)
    let picture = Picture.noise(width: 16, height: 16)
    _ = try bench.show(picture, id: 1, scanout: 0)
    #expect(try bench.client.setScanout(1, 1, rectangle(0, 0, 8, 8)) == .okNoData)
    _ = try bench.showBlob(picture, id: 2, scanout: 2)
    _ = mailbox.take()
    #expect(try bench.client.unreference(1) == .okNoData)
    #expect(mailbox.take().filter(\.hasNewMode).map(\.scanout) == [0, 1])
    #expect(bench.device.scanouts.map(\.shownWidth) == [nil, nil, 16])
    #expect(bench.device.screenshot(0) == nil && bench.device.source(of: 1) == nil)
    // A blob without its memory is nothing to show.
    #expect(try bench.client.detach(2) == .okNoData)
    #expect(mailbox.take().map(\.scanout) == [2])
    #expect(bench.device.screenshot(2) == nil)
    // The number is free again.
    _ = try bench.show(picture, id: 1, scanout: 1)
    try expectShown(bench.device, picture, on: 1)
    #expect(try bench.client.setScanout(1, 0) == .okNoData)
    #expect(bench.device.scanouts.allSatisfy { $0.shownWidth == nil })
    #expect(try bench.client.setScanout(1, 0) == .okNoData, "off twice")
  }

  @Test func aPictureKeepsWhatWasTransferredWithoutItsBacking() throws {
    let bench = try Self.bench()
    let picture = Picture.noise(width: 33, height: 17)
    _ = try bench.show(picture, id: 1)
    #expect(try bench.client.detach(1) == .okNoData)
    try expectShown(bench.device, picture)
  }

  @Test func sixteenScreensShowSixteenPictures() throws {
    let bench = try Self.bench(scanouts: 16)
    let pictures = (0..<16).map { Picture.noise(width: 20 + $0, height: 10, seed: UInt32($0)) }
    for (index, picture) in pictures.enumerated() {
      _ = try bench.show(picture, id: UInt32(index + 1), scanout: UInt32(index))
    }
    for (index, picture) in pictures.enumerated() { try expectShown(bench.device, picture, on: index) }
    #expect(bench.device.scanouts.map(\.flushCount) == [UInt64](repeating: 1, count: 16))
  }

  @Test func aDisplayThatNeverLooksHoldsNobodyUp() throws {
    let bench = try Self.bench()
    let mailbox = try Mailbox()
    bench.device.attach(mailbox)
    _ = try bench.showBlob(Picture.noise(width: 64, height: 64), id: 1)
    for index in 0..<2000 {
      #expect(try bench.client.flush(1, rectangle(index % 64, index % 60, 1, 4)) == .okNoData)
    }
    let news = mailbox.take()
    #expect(news.count == 1 && news[0].damage == rect(0, 0, 64, 64))
    bench.device.detach(mailbox)
    #expect(try bench.client.flush(1, rectangle(0, 0, 1, 1)) == .okNoData)
    #expect(mailbox.take() == [])
  }

  private func rect(_ x: Int, _ y: Int, _ width: Int, _ height: Int) -> Rectangle {
    Rectangle(x: x, y: y, width: width, height: height)
  }
}
