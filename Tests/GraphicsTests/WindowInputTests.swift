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

/// What people do in a window. Invariants: keys and buttons have the kernel's numbers; a pointer's place is one of the
/// picture's; what belongs together is one report; nothing stays pressed when keyboard, pointer or compositor go; the
/// cursor in the window is the guest's.
@Suite(.timeLimit(.minutes(30)))
struct WindowInputTests {
  private let place: Workplace
  private let compositor: FakeCompositor
  private static let picture = Picture.noise(width: 100, height: 60)

  init() throws {
    place = try Workplace()
    compositor = try FakeCompositor(path: place.file("wayland"))
  }

  /// A window with the pointer at its left upper corner.
  private func open() throws -> WindowBench {
    let bench = try WindowBench(compositor: compositor.path)
    _ = try bench.bench.show(Self.picture, id: 1)
    try compositor.serve(until: "shown") { compositor.window.flatMap { compositor.picture($0) } == Self.picture }
    try compositor.serve(until: "listening") {
      compositor.object("wl_pointer") != 0 && compositor.object("wl_keyboard") != 0
    }
    try pointer(0, [50, compositor.object(of: try #require(compositor.window)), 0, 0])
    try pointer(5)
    return bench
  }

  private func pointer(_ opcode: UInt32, _ words: [UInt32] = []) throws {
    try compositor.send(compositor.object("wl_pointer"), opcode, words)
  }

  private func keyboard(_ opcode: UInt32, _ words: [UInt32] = []) throws {
    try compositor.send(compositor.object("wl_keyboard"), opcode, words)
  }

  private func expectHeard(
    _ bench: WindowBench, _ reports: [[InputEvent]], sourceLocation: SourceLocation = #_sourceLocation
  ) {
    // The first one is the corner.
    #expect(eventually { bench.heard.all.count > reports.count }, sourceLocation: sourceLocation)
    #expect(Array(bench.heard.all.dropFirst()) == reports, sourceLocation: sourceLocation)
  }

  private func place(_ x: Int, _ y: Int) -> [InputEvent] {
    [.absolute(0, x * 0x7fff / 99), .absolute(1, y * 0x7fff / 59)]
  }

  @Test func keysAreTheKernelsAndAreLetGoOf() throws {
    let bench = try open()
    try keyboard(1, [60, compositor.object(of: try #require(compositor.window)), 0])
    // KEY_A down, again, up; KEY_LEFTSHIFT and KEY_F24 held when the keyboard goes elsewhere; one that there is not.
    for (code, state) in [(30, 1), (30, 1), (30, 2), (30, 0), (42, 1), (194, 1), (4000, 1), (0, 1)]
      as [(UInt32, UInt32)]
    {
      try keyboard(3, [61, 0, code, state])
    }
    try keyboard(2, [62, 0])
    expectHeard(
      bench,
      [
        [.key(30, isDown: true)], [.key(30, isDown: false)], [.key(42, isDown: true)], [.key(194, isDown: true)],
        [.key(42, isDown: false), .key(194, isDown: false)],
      ])
  }

  @Test func whatThePointerDoesInAFrameIsOneReport() throws {
    let bench = try open()
    // (99.5, 59.99), then BTN_LEFT; two steps down and one to the right; up by a touchpad, in two halves.
    try pointer(2, [0, 99 * 256 + 128, 59 * 256 + 253])
    try pointer(3, [70, 0, 0x110, 1])
    try pointer(5)
    for axis in [(8, [0, 2]), (4, [0, 0, 30 * 256]), (8, [1, 1]), (4, [0, 1, 15 * 256])] as [(UInt32, [UInt32])] {
      try pointer(axis.0, axis.1)
    }
    try pointer(5)
    for _ in 0..<2 {
      try pointer(4, [0, 0, UInt32(bitPattern: -5 * 256)])
      try pointer(5)
    }
    try pointer(3, [71, 0, 0x110, 0])
    try pointer(5)
    expectHeard(
      bench,
      [
        place(99, 59) + [.key(0x110, isDown: true)], [.relative(8, -2), .relative(6, 1)], [.relative(8, 1)],
        [.key(0x110, isDown: false)],
      ])
  }

  /// A tablet of the guest's spans all of its screens (PointerTests says where each is).
  @Test func windowsArePartsOfOneDesktop() throws {
    var options = GraphicsOptions()
    options.scanoutCount = 2
    let bench = try WindowBench(options, compositor: compositor.path)
    let other = Picture.noise(width: 100, height: 60, seed: 9)
    _ = try bench.bench.show(Self.picture, id: 1)
    _ = try bench.bench.show(other, id: 2, scanout: 1)
    try compositor.serve(until: "shown") {
      compositor.windows.count == 2 && compositor.windows.contains { compositor.picture($0) == other }
        && compositor.object("wl_pointer") != 0
    }
    let right = try #require(compositor.windows.first { compositor.picture($0) == other })
    try pointer(0, [50, compositor.object(of: right), 0, 59 * 256])
    try pointer(5)
    #expect(eventually { !bench.heard.all.isEmpty })
    // 100 of 199, rounded up; the bottom.
    #expect(bench.heard.all.first == [.absolute(0, 16466), .absolute(1, 0x7fff)])
  }

  @Test func placesBesideThePictureAreItsEdge() throws {
    let bench = try open()
    // Buttons stay with the window in which they were pressed, wherever the pointer goes.
    try pointer(2, [0, UInt32(bitPattern: -90 * 256), 4000 * 256])
    try pointer(5)
    expectHeard(bench, [place(0, 59)])
  }

  @Test(arguments: [0, 1]) func nothingStaysPressed(way: Int) throws {
    let bench = try open()
    try pointer(3, [70, 0, 0x111, 1])
    try pointer(5)
    try keyboard(3, [61, 0, 30, 1])
    #expect(eventually { bench.heard.all.count == 3 })
    if way == 0 {
      // The seat has neither any more.
      try compositor.send(compositor.object("wl_seat"), 0, [0])
      expectHeard(
        bench,
        [
          [.key(0x111, isDown: true)], [.key(30, isDown: true)], [.key(30, isDown: false)],
          [.key(0x111, isDown: false)],
        ]
      )
      try compositor.serve(until: "released") {
        compositor.object("wl_pointer") == 0 && compositor.object("wl_keyboard") == 0
      }
      #expect(compositor.violations == [])
    } else {
      compositor.disconnect()
      expectHeard(
        bench,
        [[.key(0x111, isDown: true)], [.key(30, isDown: true)], [.key(30, isDown: false), .key(0x111, isDown: false)]])
    }
  }

  @Test func theCursorIsTheGuests() throws {
    let bench = try open()
    // The guest has none: what it draws itself is enough.
    try compositor.serve(until: "hidden") { compositor.cursor.map { $0.surface == 0 } == true }
    let image = Picture.noise(width: 64, height: 64, seed: 9)
    let buffers = try bench.bench.allocate(image)
    let client = bench.bench.client
    #expect(try client.createResource(9, width: 64, height: 64) == .okNoData)
    #expect(try client.attach(9, buffers) == .okNoData)
    #expect(try client.transfer(9, rectangle(0, 0, 64, 64), stride: 256) == .okNoData)
    try client.cursor(.updateCursor, scanout: 0, x: 10, y: 10, resource: 9, hotX: 3, hotY: 60)
    try compositor.serve(until: "seen") {
      guard let cursor = compositor.cursor, let surface = compositor.surfaces[cursor.surface] else { return false }
      return (cursor.x, cursor.y) == (3, 60) && compositor.picture(surface) == image
    }
    try client.cursor(.updateCursor, scanout: 0, x: 10, y: 10, resource: 0, hotX: 0, hotY: 0)
    try compositor.serve(until: "hidden again") { compositor.cursor.map { $0.surface == 0 } == true }
    #expect(compositor.violations == [])
  }
}
