// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Displays
import Foundation
import Frontend
import GPUProtocol
import Graphics
import InputProtocol
import Linux
import Support
import Testing
import Wire

/// Windows on a compositor of the tests' own. Invariants: a window ends up with the guest's picture, whatever buffers
/// the compositor keeps; what is copied and said to have changed is what has changed; sizes go both ways; nothing that
/// a compositor does or leaves holds the guest up or ends the daemon; no rule of the protocol is broken.
@Suite(.timeLimit(.minutes(30)))
struct WindowTests {
  private let place: Workplace
  private let compositor: FakeCompositor

  init() throws {
    place = try Workplace()
    compositor = try FakeCompositor(path: place.file("wayland"))
  }

  private static let small = Picture.noise(width: 100, height: 60)

  private func waitFor(
    _ picture: Picture, on index: Int = 0, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    try compositor.serve(until: "shown") {
      compositor.windows.count > index && compositor.picture(compositor.windows[index]) == picture
    }
    #expect(compositor.violations == [], sourceLocation: sourceLocation)
  }

  // MARK: Pictures

  @Test func theGuestsPictureIsInAWindow() throws {
    let bench = try WindowBench(compositor: compositor.path)
    _ = try bench.bench.show(Self.small, id: 1)
    try waitFor(Self.small)
    let window = try #require(compositor.window)
    #expect(window.title == "a guest")
    #expect(compositor.log.contains("xdg_toplevel.set_app_id"))
    #expect(compositor.log.contains("zxdg_toplevel_decoration_v1.set_mode"))
  }

  @Test func thereIsNoWindowBeforeThereIsAPicture() throws {
    var options = GraphicsOptions()
    options.scanoutCount = 2
    let bench = try WindowBench(options, compositor: compositor.path)
    _ = try bench.bench.showBlob(Self.small, id: 1, scanout: 1)
    try waitFor(Self.small)
    #expect(compositor.windows.map { $0.title } == ["a guest, screen 1"])
    let other = Picture.noise(width: 64, height: 64, seed: 7)
    _ = try bench.bench.showBlob(other, id: 2, scanout: 0)
    try waitFor(other, on: 1)
    #expect(compositor.windows.map { $0.title } == ["a guest, screen 1", "a guest, screen 0"])
  }

  @Test func onlyWhatHasChangedIsDamaged() throws {
    let bench = try WindowBench(compositor: compositor.path)
    var picture = Self.small
    let buffers = try bench.bench.showBlob(picture, id: 1)
    try waitFor(picture)
    // Through all three buffers and around: each one has to catch up with what it missed.
    for round in 0..<7 {
      let (x, y) = (round * 14, round * 8)
      for row in y..<y + 9 { for column in x..<x + 11 { picture[column, row] = UInt32(0x10_0000 + round) } }
      buffers[0].segment.copy(picture.bytes)
      let before = bench.device.shownByteCount
      #expect(try bench.bench.client.flush(1, rectangle(x, y, 11, 9)) == .okNoData)
      try waitFor(picture)
      // When each buffer was drawn once, what it missed and no more: three places in a row at most.
      if round > 2 { #expect(bench.device.shownByteCount - before <= 39 * 25 * 4) }
      #expect(compositor.window?.commits.last == [[x, y, 11, 9]])
    }
  }

  @Test func aScreenThatIsTurnedOffIsBlackAndComesBack() throws {
    let bench = try WindowBench(compositor: compositor.path)
    _ = try bench.bench.show(Self.small, id: 1)
    try waitFor(Self.small)
    #expect(try bench.bench.client.setScanout(0, 0, rectangle(0, 0, 0, 0)) == .okNoData)
    try waitFor(Picture(width: 100, height: 60) { _, _ in 0 })
    #expect(try bench.bench.client.setScanout(0, 1, rectangle(0, 0, 100, 60)) == .okNoData)
    #expect(try bench.bench.client.flush(1, rectangle(0, 0, 100, 60)) == .okNoData)
    try waitFor(Self.small)
    #expect(compositor.log.count { $0 == "xdg_surface.get_toplevel" } == 1)
  }

  // MARK: Sizes

  @Test func theWindowFollowsTheGuest() throws {
    let bench = try WindowBench(compositor: compositor.path)
    _ = try bench.bench.show(Self.small, id: 1)
    try waitFor(Self.small)
    let larger = Picture.noise(width: 160, height: 120, seed: 3)
    _ = try bench.bench.show(larger, id: 2)
    try waitFor(larger)
    // The old buffers are gone.
    #expect(compositor.buffers.values.allSatisfy { $0.width == 160 })
  }

  @Test func theGuestFollowsTheWindow() throws {
    let bench = try WindowBench(compositor: compositor.path)
    _ = try bench.bench.show(Self.small, id: 1)
    try waitFor(Self.small)
    let window = try #require(compositor.window)
    // Resizing: the largest of many wishes is the last one.
    for width in [120, 130, 140, 134] { try compositor.configure(window, width, 76, [3]) }
    try compositor.serve(until: "told") {
      bench.device.scanouts.first.map { ($0.width, $0.height) == (134, 76) } == true
    }
    #expect(try bench.bench.driver.config(count: 4)[0] & 1 == 1, "the DISPLAY event")
    // Until the guest has drawn in that size, the window is what it was.
    #expect(compositor.picture(window) == Self.small)
    let followed = Picture.noise(width: 134, height: 76, seed: 4)
    _ = try bench.bench.show(followed, id: 2)
    try waitFor(followed)
  }

  /// Maximized: a compositor ends clients whose window is not as large as it said.
  @Test(arguments: [(160, 90), (64, 40), (64, 120)])
  func aWindowThatMustHaveASizeHasIt(width: Int, height: Int) throws {
    compositor.firstSize = (width, height, [1, 4])
    let bench = try WindowBench(compositor: compositor.path)
    let buffers = try bench.bench.showBlob(Self.small, id: 1)
    let (left, top) = (max((width - 100) / 2, 0), max((height - 60) / 2, 0))
    func framed(_ picture: Picture) -> Picture {
      Picture(width: width, height: height) { x, y in
        (left..<left + 100).contains(x) && (top..<top + 60).contains(y) ? picture[x - left, y - top] : 0
      }
    }
    try waitFor(framed(Self.small))
    var changed = Self.small
    for row in 20..<30 { for column in 0..<50 { changed[column, row] = 0xff_ff00 } }
    buffers[0].segment.copy(changed.bytes)
    #expect(try bench.bench.client.flush(1, rectangle(0, 20, 50, 10)) == .okNoData)
    try waitFor(framed(changed))
    // Let go of, it is the guest's again.
    try compositor.configure(try #require(compositor.window), 0, 0)
    try waitFor(changed)
  }

  // MARK: Compositors that do not do what one would like

  @Test func aCompositorThatKeepsBuffersGetsTheLastPicture() throws {
    let bench = try WindowBench(compositor: compositor.path)
    compositor.paces = false
    var picture = Self.small
    let buffers = try bench.bench.showBlob(picture, id: 1)
    try waitFor(picture)
    let window = try #require(compositor.window)
    // It asks for frames and gives no buffer back: two more, then there is none.
    for value in UInt32(1)...20 {
      picture[0, 0] = value
      buffers[0].segment.copy(picture.bytes)
      #expect(try bench.bench.client.flush(1, rectangle(0, 0, 1, 1)) == .okNoData)
      try compositor.finishFrame(window)
      try compositor.serve(seconds: 0.02)
    }
    try compositor.serve(until: "drawn into a second buffer") { window.commits.count > 1 }
    #expect((2...3).contains(window.commits.count))
    compositor.paces = true
    for buffer in compositor.buffers.keys where buffer != window.shown { try compositor.release(buffer) }
    try compositor.finishFrame(window)
    try waitFor(picture)
  }

  @Test func framesComeAsOftenAsTheyAreAskedFor() throws {
    let bench = try WindowBench(compositor: compositor.path)
    var picture = Self.small
    let buffers = try bench.bench.showBlob(picture, id: 1)
    try waitFor(picture)
    compositor.paces = false
    let window = try #require(compositor.window)
    let before = window.commits.count
    for value in UInt32(1)...50 {
      picture[Int(value), 0] = value
      buffers[0].segment.copy(picture.bytes)
      #expect(try bench.bench.client.flush(1, rectangle(Int(value), 0, 1, 1)) == .okNoData)
    }
    try compositor.serve(seconds: 0.1)
    #expect(window.commits.count <= before + 1)
    compositor.paces = true
    try compositor.finishFrame(window)
    try waitFor(picture)
  }

  @Test func oneThatDoesNotReadHoldsNobodyUp() throws {
    let bench = try WindowBench(compositor: compositor.path)
    var picture = Self.small
    let buffers = try bench.bench.showBlob(picture, id: 1)
    try waitFor(picture)
    // Nobody serves the compositor meanwhile.
    for value in UInt32(1)...250 {
      picture[5, 5] = value
      buffers[0].segment.copy([UInt8(value), 0, 0], at: (5 * 100 + 5) * 4)
      #expect(try bench.bench.client.flush(1, rectangle(5, 5, 1, 1)) == .okNoData)
    }
    try waitFor(picture)
  }

  @Test func oneThatComesLateAndDiesGetsTheWindowsAgain() throws {
    let path = place.file("later")
    let bench = try WindowBench(compositor: path)
    _ = try bench.bench.show(Self.small, id: 1)
    #expect(eventually { !bench.reports.all.isEmpty })
    #expect(bench.reports.all[0].contains("cannot be reached"), "\(bench.reports.all)")
    for _ in 0..<2 {
      let late = try FakeCompositor(path: path)
      try late.serve(until: "shown") { late.window.flatMap { late.picture($0) } == Self.small }
      #expect(late.violations == [])
      late.disconnect()
    }
    #expect(try bench.bench.client.flush(1, rectangle(0, 0, 100, 60)) == .okNoData)
  }

  /// Each of these ends the connection and nothing else.
  static let nonsense: [(String, [UInt32])] = [
    ("a length of no message", [1, 0x0004_0001]), ("a length that is no number of words", [1, 0x000a_0001, 0, 0]),
    ("an object that is not there", [4000, 0x000c_0000, 0]),
    ("one of its own that is not there", [0xff00_0001, 8 << 16]),
    ("an event that is not there", [1, 0x0008_0007]), ("an object taken away", [1, 0x000c_0001, 2]),
    ("a string longer than its message", [2, 0x0014_0000, 1, 400, 0]),
    ("a string without its end", [2, 0x0014_0000, 1, 4, 0x4141_4141]),
    ("too few arguments", [2, 0x0008_0000]), ("an error", [1, 0x001c_0000, 1, 3, 5, 0x0a41_1b41, 0]),
  ]

  @Test(arguments: nonsense) func nonsenseEndsTheConnectionAlone(what: String, words: [UInt32]) throws {
    let bench = try WindowBench(compositor: compositor.path)
    _ = try bench.bench.show(Self.small, id: 1)
    try waitFor(Self.small)
    try compositor.sendBytes(words)
    try compositor.serve(until: "gone") { !compositor.isConnected }
    #expect(eventually { bench.reports.all.count == 1 })
    #expect(bench.reports.all.allSatisfy { !$0.contains("\u{1b}") && !$0.contains("\n") }, "\(bench.reports.all)")
    try waitFor(Self.small)
  }

  @Test func whatNobodyNeedsIsPassedOver() throws {
    compositor.globals += [("wl_seat", 2), ("wl_shm", 1), ("something_new", 99)]
    let bench = try WindowBench(compositor: compositor.path)
    _ = try bench.bench.show(Self.small, id: 1)
    try waitFor(Self.small)
    // wl_surface.enter, xdg_toplevel.wm_capabilities, wl_keyboard.modifiers.
    let window = try #require(compositor.window)
    try compositor.send(compositor.object(of: window), 0, [7])
    try compositor.send(window.toplevel, 3, [0])
    try compositor.send(compositor.object("wl_keyboard"), 4, [1, 2, 3, 4, 5])
    try compositor.send(compositor.object("xdg_wm_base"), 0, [77])
    try compositor.serve(until: "answered") { compositor.pongs == [77] }
    #expect(bench.reports.all == [])
  }

  @Test func oneThatLacksWhatIsNeededIsSaidSo() throws {
    compositor.globals.removeAll { $0.0 == "xdg_wm_base" }
    let bench = try WindowBench(compositor: compositor.path)
    try compositor.serve(until: "told") { !bench.reports.all.isEmpty }
    #expect(bench.reports.all[0].contains("lacks wl_compositor, wl_shm or xdg_wm_base"))
  }

  /// Answers pile up where nobody takes them: the connection is given up, at a bound.
  @Test func oneThatAsksAndDoesNotReadIsLeft() throws {
    let bench = try WindowBench(compositor: compositor.path)
    _ = try bench.bench.show(Self.small, id: 1)
    try waitFor(Self.small)
    let base = compositor.object("xdg_wm_base")
    #expect(throws: (any Error).self) {
      for serial in UInt32(0)..<4_000_000 { try compositor.send(base, 0, [serial]) }
    }
    #expect(eventually { bench.reports.all.contains { $0.contains("does not read") } }, "\(bench.reports.all)")
    #expect(try bench.bench.client.flush(1, rectangle(0, 0, 100, 60)) == .okNoData)
  }

  // MARK: Closing

  @Test func aClosedWindowComesBackWithTheScreen() throws {
    let bench = try WindowBench(compositor: compositor.path)
    _ = try bench.bench.show(Self.small, id: 1)
    try waitFor(Self.small)
    try compositor.send(try #require(compositor.window).toplevel, 1)
    try compositor.serve(until: "closed") { compositor.windows.isEmpty }
    #expect(compositor.buffers.isEmpty)
    #expect(try bench.bench.client.flush(1, rectangle(0, 0, 100, 60)) == .okNoData)
    try compositor.serve(seconds: 0.1)
    #expect(compositor.windows.isEmpty && compositor.isConnected)
    try expectShown(bench.device, Self.small)
    #expect(try bench.bench.client.setScanout(0, 0, rectangle(0, 0, 0, 0)) == .okNoData)
    try compositor.serve(seconds: 0.1)
    #expect(try bench.bench.client.setScanout(0, 1, rectangle(0, 0, 100, 60)) == .okNoData)
    #expect(try bench.bench.client.flush(1, rectangle(0, 0, 100, 60)) == .okNoData)
    try waitFor(Self.small)
  }
}
