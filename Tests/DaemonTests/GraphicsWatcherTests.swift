// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Frontend
import GPUProtocol
import Linux
import Support
import Testing
import Wire

/// Who looks on comes and goes as it likes: the frontend's display, VNC viewers. Invariants, of the daemon as a person
/// starts it: the guest is answered all the while, other displays go on, and who comes back sees everything again.
@Suite(.timeLimit(.minutes(30)))
struct GraphicsWatcherTests {
  /// The frontend's end of a display socket, up to a message of this kind; questions are not answered.
  private static func expect(
    _ wanted: DisplayRequest, on socket: borrowing UnixSocket, sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    var none = ReceivedDescriptors()
    while true {
      if Poll.wait(socket.file, nil, timeoutNanoseconds: 60_000_000_000).first.isEmpty {
        Issue.record("\(wanted) never came", sourceLocation: sourceLocation)
        return
      }
      let header = try #require(try socket.receive(12, descriptors: &none)?.load(DisplayMessageHeader.self))
      if header.size > 0 { _ = try socket.receive(Int(header.size), descriptors: &none) }
      if header.request == wanted { return }
    }
  }

  @Test func theFrontendsDisplayClosesAndComesBack() throws {
    let bench = try GraphicsFaultBench()
    let (width, height) = (800, 600)
    let whole = GraphicsFaultBench.rectangle(width, height)
    try bench.showBlob(width, height, 0x11_2233)
    for round in 0..<4 {
      let pair = try UnixSocket.pair()
      try bench.driver.connection.setDisplaySocket(pair.second.file, needReply: true)
      #expect(try bench.client.flush(1, whole) == .okNoData)
      try Self.expect(.scanout, on: pair.first)
      if round % 2 == 0 { try Self.expect(.update, on: pair.first) }
      // Otherwise in the middle of a picture, which is larger than what a socket holds.
      pair.first.shutDown()
      #expect(try bench.client.flush(1, whole) == .okNoData)
      #expect(try bench.screenshot() == GraphicsFaultBench.picture(width, height, 0x11_2233))
      // Sizes are the daemon's to say again, when its display has noticed.
      try bench.process.waitUntil("resizing is possible again") {
        let answer = String(decoding: try bench.control("resize 0 \(640 + round)x480"), as: UTF8.self)
        return answer.hasPrefix("screen 0 is \(640 + round)x480")
      }
    }
    try bench.expectServes()
    try bench.expectEndsWell()
  }

  /// One asks and never reads, one goes in the middle of what it is sent, one looks on as it should.
  @Test func viewersThatAreSlowOrVanish() throws {
    let bench = try GraphicsFaultBench()
    let (width, height) = (1280, 800)
    let whole = GraphicsFaultBench.rectangle(width, height)
    let buffer = try bench.showBlob(width, height, 0)
    #expect(try bench.client.flush(1, whole) == .okNoData)
    let before = try bench.privateMiB()
    let sleepers = try (0..<4).map { _ in try bench.viewer() }
    let honest = try bench.viewer()
    for round in 1...20 {
      for sleeper in sleepers { try sleeper.request() }
      // Gone before its picture is: 4 MB do not fit into a socket.
      let passing = try bench.viewer()
      try passing.request()
      passing.socket.shutDown()
      let colour = UInt32(round * 0x05_0709)
      for pixel in 0..<width * height { buffer.segment.store(colour, at: 4 * pixel) }
      #expect(try bench.client.flush(1, whole) == .okNoData)
      #expect(try bench.client.cursor(.moveCursor, x: round, room: 0) == nil)
      if round % 5 == 0 {
        try bench.process.waitUntil("the picture of round \(round)") { try honest.colour() == colour }
      }
    }
    // A buffer each for those that do not read, and one picture for all.
    #expect(try bench.privateMiB() - before < 128)
    // When one wakes up, it sees what is there now; first what was on its way.
    try bench.process.waitUntil("the last picture") { try sleepers[0].colour() == UInt32(20 * 0x05_0709) }
    try bench.expectServes()
    try bench.expectEndsWell()
  }
}
