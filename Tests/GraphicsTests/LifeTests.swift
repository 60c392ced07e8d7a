// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Frontend
import GPUProtocol
import Graphics
import Testing
import VhostUserProtocol
import Wire

/// The device outlives its drivers. Invariants: after a reset nothing of the guest is left and everything works anew;
/// rings that stop and go on change nothing; memory that goes away takes what points to it along.
@Suite(.timeLimit(.minutes(30)))
struct LifeTests {
  @Test func nothingIsLeftAfterAReset() throws {
    let bench = try Bench()
    let mailbox = try Mailbox()
    bench.device.attach(mailbox)
    let picture = Picture.noise(width: 64, height: 64)
    for round in 0..<5 {
      // Another picture each time, under the same numbers.
      _ = try bench.show(Picture.noise(width: 32 + round, height: 16), id: 1)
      _ = try bench.showBlob(picture, id: 2)
      #expect(try bench.client.cursor(.updateCursor, resource: 2) == .okNoData)
      #expect(bench.device.resize(0, width: 800 + round, height: 600))
      #expect(bench.device.resourceCount == 2)
      _ = mailbox.take()
      try bench.driver.reset()
      #expect(bench.device.resourceCount == 0 && bench.device.memoryInUse == 0)
      #expect(bench.device.screenshot(0) == nil)
      #expect(!bench.device.cursor(of: 0).isVisible)
      #expect(mailbox.take().map { [$0.hasNewMode, $0.hasNewCursor] } == [[true, true]])
      #expect(bench.device.scanouts.map(\.width) == [800 + round], "the screen is still the screen")
      try bench.driver.start()
      #expect(try bench.driver.config(count: 4) == [0, 0, 0, 0], "no event of the guest before")
      #expect(try bench.client.flush(1, rectangle(0, 0, 1, 1)) == .errorInvalidResource)
    }
  }

  @Test func aPausedGuestGoesOnWithItsPictures() throws {
    let bench = try Bench()
    var picture = Picture.noise(width: 40, height: 40)
    let buffers = try bench.showBlob(picture, id: 1, pieces: 3)
    for value: UInt32 in 1...3 {
      try bench.driver.stop()
      try expectShown(bench.device, picture)
      try bench.driver.start()
      buffers[0].segment.store(value)
      picture[0, 0] = value
      #expect(try bench.client.flush(1, rectangle(0, 0, 40, 40)) == .okNoData)
    }
    try expectShown(bench.device, picture)
  }

  @Test func anotherFrontendFindsAnEmptyDevice() throws {
    let bench = try Bench()
    let picture = Picture.noise(width: 24, height: 24)
    for _ in 0..<3 {
      _ = try bench.show(picture, id: 1)
      _ = try bench.showBlob(picture, id: 2)
      try expectShown(bench.device, picture)
      try bench.reconnect()
      #expect(try bench.client.flush(2, rectangle(0, 0, 1, 1)) == .errorInvalidResource)
      #expect(bench.device.resourceCount == 0)
    }
  }

  @Test func memoryThatGoesAwayTakesItsPicturesAlong() throws {
    let bench = try Bench()
    let layout = GuestRegionLayout(
      guestAddress: 1 << 32, byteCount: 1 << 20, userAddress: 0x7e00_0000_0000)
    try bench.driver.plug(layout)
    let picture = Picture.noise(width: 64, height: 64)
    let plugged = try bench.ram.allocate(1 << 20, region: 1).part(from: 0, count: picture.bytes.count)
    plugged.segment.copy(picture.bytes)
    let other = try bench.show(picture, id: 1)
    #expect(try bench.client.createBlob(2, byteCount: UInt64(picture.bytes.count), [plugged]) == .okNoData)
    #expect(try bench.client.createBlob(3, byteCount: UInt64(picture.bytes.count), other) == .okNoData)
    #expect(try bench.client.setScanoutBlob(0, 2, width: 64, height: 64, stride: 256) == .okNoData)
    try expectShown(bench.device, picture)
    let region = try #require(bench.ram.unplug(at: 1 << 32))
    try bench.driver.connection.removeMemory(region, needReply: true)
    // The queue takes the new table over in its own time.
    #expect(eventually { bench.device.screenshot(0) == nil })
    #expect(try bench.client.setScanoutBlob(0, 2, width: 64, height: 64, stride: 256) == .errorInvalidParameter)
    #expect(try bench.client.setScanoutBlob(0, 3, width: 64, height: 64, stride: 256) == .okNoData)
    try expectShown(bench.device, picture)
  }
}
