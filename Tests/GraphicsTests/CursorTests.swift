// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Frontend
import GPUProtocol
import Graphics
import Testing
import Wire

/// The cursor queue is served like the other one: every chain comes back, also those without room for an answer, of
/// which Linux sends nothing else.
@Suite(.timeLimit(.minutes(30)))
struct CursorTests {
  private let bench: Bench
  private var client: GPUClient { bench.client }
  private let image = Picture.noise(width: 64, height: 64)

  /// Resource 1 is a picture of a cursor, 2 a blob of one.
  init() throws {
    var options = GraphicsOptions()
    options.scanoutCount = 2
    bench = try Bench(options)
    let buffers = try bench.allocate(image, pieces: 5)
    #expect(try bench.client.createResource(1, width: 64, height: 64, format: .b8g8r8a8) == .okNoData)
    #expect(try bench.client.attach(1, buffers) == .okNoData)
    #expect(try bench.client.transfer(1, rectangle(0, 0, 64, 64), stride: 256) == .okNoData)
    #expect(try bench.client.createBlob(2, byteCount: 64 * 64 * 4, buffers) == .okNoData)
  }

  @Test(arguments: [UInt32(1), 2])
  func aCursorIsShownMovedAndHidden(resource: UInt32) throws {
    let mailbox = try Mailbox()
    bench.device.attach(mailbox)
    #expect(!bench.device.cursor(of: 1).isVisible)
    _ = try client.cursor(.updateCursor, scanout: 1, x: 5, y: 6, resource: resource, hotX: 7, hotY: 8, room: 0)
    var cursor = bench.device.cursor(of: 1)
    #expect(cursor.isVisible && cursor.x == 5 && cursor.y == 6 && cursor.hotX == 7 && cursor.hotY == 8)
    #expect(cursor.image == image.bytes)
    #expect(mailbox.take().map { [$0.scanout == 1, $0.hasNewCursor, $0.cursorMoved] } == [[true, true, true]])
    _ = try client.cursor(.moveCursor, scanout: 1, x: -3, y: 1000, room: 0)
    cursor = bench.device.cursor(of: 1)
    #expect(cursor.isVisible && cursor.x == -3 && cursor.y == 1000 && cursor.image == image.bytes)
    #expect(mailbox.take().map { [$0.hasNewCursor, $0.cursorMoved] } == [[false, true]])
    _ = try client.cursor(.updateCursor, scanout: 1, x: 9, y: 9, room: 0)
    #expect(!bench.device.cursor(of: 1).isVisible)
    #expect(mailbox.take().map { [$0.hasNewCursor, $0.cursorMoved] } == [[true, true]])
    #expect(bench.device.cursor(of: 0) == Cursor())
  }

  @Test func aCursorHasItsSize() throws {
    #expect(try client.createResource(3, width: 32, height: 64) == .okNoData)
    #expect(try client.cursor(.updateCursor, resource: 3) == .errorInvalidParameter)
    let buffer = try bench.ram.allocate(64 * 64 * 4)
    #expect(try client.createBlob(4, byteCount: 64 * 64 * 4 - 1, [buffer]) == .okNoData)
    #expect(try client.cursor(.updateCursor, resource: 4) == .errorInvalidParameter)
    #expect(!bench.device.cursor(of: 0).isVisible)
  }

  @Test func aCursorOutlivesItsResource() throws {
    #expect(try client.cursor(.updateCursor, resource: 1) == .okNoData)
    #expect(try client.unreference(1) == .okNoData)
    #expect(bench.device.cursor(of: 0).isVisible)
    #expect(bench.device.cursor(of: 0).image == image.bytes)
  }

  /// Thousands of moves, as many in flight as the queue holds, none with room for an answer: what stops another
  /// backend's guest for ever.
  @Test func aStormOfMovesComesBackWhole() throws {
    let queue = bench.driver.queues[1]
    let total = 5000
    var sent = 0
    var returned = 0
    let request = try bench.ram.allocate(GPUUpdateCursor.byteCount * queue.size)
    while returned < total {
      while sent < total, queue.freeCount > 0 {
        let place = GPUCursorPosition(scanoutID: 0, x: UInt32(sent), y: UInt32(sent / 2))
        let move = GPUUpdateCursor(header: GPUControlHeader(.moveCursor), position: place)
        let slot = request.part(
          from: sent % queue.size * GPUUpdateCursor.byteCount, count: GPUUpdateCursor.byteCount)
        slot.segment.store(move)
        try queue.add(readable: [slot], writable: [])
        sent += 1
      }
      queue.submit()
      #expect(try queue.takeNext(timeoutNanoseconds: 60_000_000_000).length == 0)
      returned += 1
    }
    #expect(bench.device.cursor(of: 0).x == total - 1)
    #expect(bench.device.commandCounts.first { $0.name == "MOVE_CURSOR" }?.count == UInt64(total))
  }

  @Test func bothQueuesTakeBothKindsOfCommands() throws {
    let request = GPUUpdateCursor(
      header: GPUControlHeader(.moveCursor, flags: .fence, fenceID: 9),
      position: GPUCursorPosition(scanoutID: 0, x: 3, y: 4))
    let answer = try client.header(of: try client.ask([UInt8](wire: request)))
    #expect(answer.type == .okNoData && answer.fenceID == 9)
    #expect(bench.device.cursor(of: 0).x == 3)
  }
}
