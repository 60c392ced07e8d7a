// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Frontend
import GPUProtocol
import Graphics
import Linux
import Testing
import VhostUserProtocol
import Wire

/// Pictures and cursors on the frontend's display socket (QEMU's vhost-user-gpu). Invariants:
/// - what the frontend shows is what the guest shows, pixel for pixel, also after it was slow;
/// - a size is said when it changes and not otherwise, and never without the whole picture behind it;
/// - a frontend that does not read, or goes, costs the guest nothing.
@Suite(.timeLimit(.minutes(30)))
struct FrontendDisplayTests {
  private let bench: Bench
  private let qemu: FakeQEMU
  private var client: GPUClient { bench.client }

  init() throws {
    bench = try Bench()
    qemu = try FakeQEMU()
    try qemu.attach(bench.driver.connection)
    #expect(bench.device.isShownByFrontend)
  }

  /// Waits until the frontend shows a picture.
  private func expectShown(
    _ picture: Picture, on scanout: Int = 0, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let isShown = eventually { qemu.shown(scanout) == picture }
    if !isShown, let other = qemu.shown(scanout) { expectSame(other, picture, sourceLocation: sourceLocation) }
    #expect(isShown, "\(qemu.messages)", sourceLocation: sourceLocation)
    #expect(qemu.faults.isEmpty, sourceLocation: sourceLocation)
  }

  private var sizes: [FakeQEMU.Message] {
    qemu.messages.filter { if case .scanout = $0 { true } else { false } }
  }

  private var updates: [FakeQEMU.Message] {
    qemu.messages.filter { if case .update = $0 { true } else { false } }
  }

  @Test func theFrontendShowsWhatTheGuestShows() throws {
    let picture = Picture.noise(width: 100, height: 70)
    _ = try bench.show(picture, id: 1, pieces: 7)
    try expectShown(picture)
    #expect(sizes == [.scanout(0, width: 100, height: 70)])
    #expect(updates == [.update(0, .init(0, 0, 100, 70))])
    let blob = Picture.noise(width: 33, height: 5, seed: 4)
    _ = try bench.showBlob(blob, id: 2)
    try expectShown(blob)
    #expect(try client.setScanout(0, 0) == .okNoData)
    #expect(eventually { qemu.shown(0) == nil })
    #expect(sizes.last == .scanout(0, width: 0, height: 0))
    // The same size again, after it was off.
    #expect(try client.setScanout(0, 1, rectangle(0, 0, 100, 70)) == .okNoData)
    #expect(try client.flush(1, rectangle(0, 0, 100, 70)) == .okNoData)
    try expectShown(picture)
    // A display beside it is not disturbed.
    try GraphicsTests.expectShown(bench.device, picture)
  }

  @Test func onlyWhatHasChangedIsSent() throws {
    var picture = Picture.noise(width: 64, height: 48)
    let buffers = try bench.show(picture, id: 1)
    try expectShown(picture)
    qemu.forget()
    for y in 10..<13 {
      for x in 20..<25 {
        picture[x, y] = UInt32(x * y)
        buffers[0].segment.store(UInt32(x * y), at: 4 * (y * 64 + x))
      }
    }
    #expect(try client.transfer(1, rectangle(20, 10, 5, 3), stride: 64 * 4) == .okNoData)
    #expect(try client.flush(1, rectangle(20, 10, 5, 3)) == .okNoData)
    try expectShown(picture)
    #expect(qemu.messages == [.update(0, .init(20, 10, 5, 3))])
  }

  @Test func oneResourceOnTwoScreensIsSeenFromEachOrigin() throws {
    let picture = Picture.noise(width: 60, height: 20)
    let buffers = try bench.show(picture, id: 1)
    #expect(try client.setScanout(0, 1, rectangle(0, 0, 30, 20)) == .okNoData)
    // More than --scanouts says: how many there are is in the frontend's configuration space.
    #expect(try client.setScanout(15, 1, rectangle(30, 0, 30, 20)) == .okNoData)
    #expect(try client.setScanout(16, 1, rectangle(30, 0, 30, 20)) == .errorInvalidScanout)
    #expect(try client.flush(1, rectangle(0, 0, 60, 20)) == .okNoData)
    try expectShown(picture.part(Rectangle(x: 0, y: 0, width: 30, height: 20)))
    try expectShown(picture.part(Rectangle(x: 30, y: 0, width: 30, height: 20)), on: 15)
    qemu.forget()
    buffers[0].segment.store(UInt32(0x123456), at: 4 * 31)
    #expect(try client.transfer(1, rectangle(28, 0, 4, 1), stride: 240) == .okNoData)
    #expect(try client.flush(1, rectangle(28, 0, 4, 1)) == .okNoData)
    #expect(eventually { updates.count == 2 })
    #expect(updates.contains(.update(0, .init(28, 0, 2, 1))) && updates.contains(.update(15, .init(0, 0, 2, 1))))
    #expect(qemu.shown(15)?[1, 0] == 0x123456 && qemu.faults.isEmpty)
  }

  @Test func flipsBetweenPicturesOfOneSizeSayNoSize() throws {
    let pictures = (1...2).map { Picture.noise(width: 40, height: 30, seed: UInt32($0)) }
    _ = try bench.show(pictures[0], id: 1)
    _ = try bench.show(pictures[1], id: 2)
    for round in 0..<30 {
      let id = UInt32(round % 2 + 1)
      #expect(try client.setScanout(0, id, rectangle(0, 0, 40, 30)) == .okNoData)
      #expect(try client.flush(id, rectangle(0, 0, 40, 30)) == .okNoData)
      try expectShown(pictures[round % 2])
    }
    #expect(sizes.count == 1)
  }

  /// Larger than what goes into one message.
  @Test func aGiantPictureComesInParts() throws {
    qemu.set { $0.looksAtPixels = false }
    #expect(try client.createResource(1, width: 5000, height: 4000) == .okNoData)
    #expect(try client.setScanout(0, 1, rectangle(0, 0, 5000, 4000)) == .okNoData)
    #expect(try client.flush(1, rectangle(0, 0, 5000, 4000)) == .okNoData)
    #expect(eventually { updates.count == 2 })
    #expect(updates == [.update(0, .init(0, 0, 5000, 3355)), .update(0, .init(0, 3355, 5000, 645))])
    #expect(sizes.count == 1 && qemu.faults.isEmpty)
  }

  @Test func aSlowFrontendGetsTheLatestPictureAndNobodyWaits() throws {
    var picture = Picture.noise(width: 512, height: 512)
    let buffers = try bench.show(picture, id: 1)
    try expectShown(picture)
    qemu.set { $0.isReading = false }
    qemu.forget()
    // 200 MB, many times what a socket holds.
    for round in 0..<200 {
      picture[0, 0] = UInt32(round)
      buffers[0].segment.store(UInt32(round))
      #expect(try client.transfer(1, rectangle(0, 0, 512, 512), stride: 2048) == .okNoData)
      #expect(try client.flush(1, rectangle(0, 0, 512, 512)) == .okNoData)
    }
    try GraphicsTests.expectShown(bench.device, picture)
    qemu.set { $0.isReading = true }
    try expectShown(picture)
    #expect(updates.count < 10 && sizes.isEmpty)
  }

  /// Pixels go out from where the guest's transfers land: what is on its way stays one frame all the same.
  @Test func aFrameThatIsBeingSentIsNotDrawnOver() throws {
    // Twice what the socket holds.
    let size = 700
    let all = rectangle(0, 0, size, size)
    var pictures = (0..<4).map { seed in Picture(width: size, height: size) { _, _ in UInt32(seed + 1) } }
    let buffers = try bench.show(pictures[0], id: 1)
    try expectShown(pictures[0])
    for round in 1..<pictures.count {
      #expect(qemu.stopReading())
      qemu.forget()
      #expect(try client.flush(1, all) == .okNoData)
      #expect(eventually { qemu.hasInput })
      buffers[0].segment.copy(pictures[round].bytes)
      #expect(try client.transfer(1, all, stride: size * 4) == .okNoData)
      try GraphicsTests.expectShown(bench.device, pictures[round])
      qemu.set { $0.isReading = true }
      #expect(eventually { updates.count == 1 })
      try expectShown(pictures[round - 1])
      #expect(try client.flush(1, all) == .okNoData)
      try expectShown(pictures[round])
    }
    // A part that changes meanwhile comes with its own flush.
    pictures[3][5, 600] = 7
    buffers[0].segment.store(UInt32(7), at: 4 * (600 * size + 5))
    #expect(try client.transfer(1, rectangle(5, 600, 1, 1), stride: size * 4) == .okNoData)
    #expect(try client.flush(1, rectangle(5, 600, 1, 1)) == .okNoData)
    try expectShown(pictures[3])
  }

  @Test func aCursorIsShownMovedAndHidden() throws {
    let image = Picture.noise(width: 64, height: 64)
    _ = try bench.showBlob(image, id: 1)
    try expectShown(image)
    func expect(_ messages: FakeQEMU.Message..., sourceLocation: SourceLocation = #_sourceLocation) {
      #expect(eventually { qemu.messages == messages }, "\(qemu.messages)", sourceLocation: sourceLocation)
      qemu.forget()
    }
    qemu.forget()
    _ = try client.cursor(.updateCursor, x: 5, y: 6, resource: 1, hotX: 7, hotY: 8, room: 0)
    expect(.newCursor(0, x: 5, y: 6, hotX: 7, hotY: 8))
    #expect(qemu.cursor(0) == image.bytes)
    _ = try client.cursor(.moveCursor, x: -3, y: 1000, room: 0)
    expect(.cursor(0, x: -3, y: 1000))
    _ = try client.cursor(.updateCursor, x: 9, y: 9, room: 0)
    expect(.hide(0))
    // The same image again: it is known.
    _ = try client.cursor(.updateCursor, x: 1, y: 2, resource: 1, hotX: 7, hotY: 8, room: 0)
    expect(.cursor(0, x: 1, y: 2))
  }

  // MARK: Its end

  @Test func eachStartOfTheDriverBringsASocket() throws {
    var old = qemu
    for round in 0..<4 {
      let picture = Picture.noise(width: 50 + round, height: 20)
      _ = try bench.show(picture, id: 1)
      #expect(eventually { old.shown(0) == picture })
      // As QEMU does it: its end first, then the rings, then the reset.
      old.close()
      try bench.driver.reset()
      #expect(eventually { !bench.device.isShownByFrontend })
      let new = try FakeQEMU()
      try new.attach(bench.driver.connection)
      try bench.driver.start()
      #expect(old.faults.isEmpty)
      #expect(new.shown(0) == nil)
      old = new
    }
  }

  @Test func aPausedGuestIsShownOnTheNewSocket() throws {
    let picture = Picture.noise(width: 50, height: 20)
    _ = try bench.show(picture, id: 1, scanout: 3)
    try expectShown(picture, on: 3)
    qemu.close()
    try bench.driver.stop()
    #expect(eventually { !bench.device.isShownByFrontend })
    let new = try FakeQEMU()
    try new.attach(bench.driver.connection)
    try bench.driver.start()
    #expect(eventually { new.shown(3) == picture })
    #expect(try client.flush(1, rectangle(0, 0, 50, 20)) == .okNoData)
  }

  /// What StratoVirt does: a second one while the first is open.
  @Test func theLatestSocketCounts() throws {
    let picture = Picture.noise(width: 50, height: 20)
    _ = try bench.show(picture, id: 1)
    try expectShown(picture)
    let new = try FakeQEMU()
    try new.attach(bench.driver.connection)
    #expect(eventually { qemu.isClosed && new.shown(0) == picture })
    #expect(bench.device.isShownByFrontend)
  }

  @Test func theDeviceOutlivesItsDisplay() throws {
    let picture = Picture.noise(width: 50, height: 20)
    qemu.set { $0.isReading = false }
    _ = try bench.show(Picture.noise(width: 700, height: 700), id: 1)
    qemu.close()
    #expect(eventually { !bench.device.isShownByFrontend })
    _ = try bench.show(picture, id: 2)
    try GraphicsTests.expectShown(bench.device, picture)
    #expect(bench.device.resize(0, width: 800, height: 600))
    let info = try #require(try client.get(GPUControlHeader(.getDisplayInfo), for: GPUDisplayInfo.self))
    #expect(info.modes[0].rectangle.width == 800 && info.modes[1].enabled == 0)
  }

  /// Before 8.2 QEMU does not say that a guest was reset: its rings begin anew, that is all.
  @Test func aGuestThatBeginsAnewFindsAnEmptyDevice() throws {
    _ = try bench.show(Picture.noise(width: 20, height: 20), id: 1)
    try bench.driver.stop()
    for queue in bench.driver.queues { queue.reset() }
    try bench.driver.start()
    #expect(try client.flush(1, rectangle(0, 0, 20, 20)) == .errorInvalidResource)
    #expect(bench.device.screenshot(0) == nil)
    let picture = Picture.noise(width: 24, height: 20)
    _ = try bench.show(picture, id: 1)
    try expectShown(picture)
  }

  /// A frontend that answers nonsense, in whatever pieces, gets what is its due: the guest's own answers are ours.
  @Test func nonsenseFromTheFrontendDoesNoHarm() throws {
    let picture = Picture.noise(width: 24, height: 20)
    var dice = SystemRandomNumberGenerator()
    for round in 0..<50 {
      let pair = try UnixSocket.pair()
      try bench.driver.connection.setDisplaySocket(pair.second.file, needReply: true)
      for _ in 0..<20 {
        let size = Int.random(in: 0...1100, using: &dice)
        let request = DisplayRequest(rawValue: UInt32.random(in: 0...13, using: &dice))
        let flags: UInt32 = round % 3 == 0 ? .random(in: 0 ... .max, using: &dice) : DisplayMessageHeader.replyFlag
        var bytes = [UInt8](wire: DisplayMessageHeader(request, flags: flags, size: size))
        for _ in 0..<size { bytes.append(UInt8.random(in: 0 ... .max, using: &dice)) }
        // Whoever closed it meanwhile was right.
        try? pair.first.send(Array(bytes.prefix(Int.random(in: 1...bytes.count, using: &dice))))
      }
      pair.first.shutDown()
      let edid = GPUGetEDID(header: GPUControlHeader(.getEDID), scanoutID: 0)
      #expect(try client.send(edid) == .okEDID)
      #expect(try client.send(GPUControlHeader(.getDisplayInfo)) == .okDisplayInfo)
      _ = try bench.show(picture, id: UInt32(round + 1))
    }
    #expect(eventually { !bench.device.isShownByFrontend })
    try GraphicsTests.expectShown(bench.device, picture)
  }

  @Test(arguments: [false, true]) func whatIsNoSocketDoesNoHarm(isEvent: Bool) throws {
    let event = try Event()
    let pair = try UnixSocket.pair()
    if isEvent {
      try bench.driver.connection.setDisplaySocket(event.file, needReply: true)
    } else {
      try bench.driver.connection.setDisplaySocket(pair.second.file, needReply: true)
      // Longer than any reply, and nonsense.
      try pair.first.send([UInt8](repeating: 0xff, count: 8192))
    }
    #expect(eventually { !bench.device.isShownByFrontend })
    let picture = Picture.noise(width: 24, height: 20)
    _ = try bench.show(picture, id: 1)
    try GraphicsTests.expectShown(bench.device, picture)
  }
}
