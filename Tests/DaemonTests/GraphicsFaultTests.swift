// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Frontend
import GPUProtocol
import Linux
import Support
import Testing
import Wire

/// A guest that means no good, before martlet-gpu as a person starts it: sandboxed, and killed for any system call that
/// it has no need of. Invariants: whatever is wrong is answered with an error, each chain comes back, memory is
/// bounded, and an honest guest is served afterwards by the same process.
@Suite(.timeLimit(.minutes(30)))
struct GraphicsFaultTests {
  private static let isSlow = ProcessInfo.processInfo.environment["MARTLET_SLOW"] == "1"
  private static let pixel = GraphicsFaultBench.rectangle(1, 1)

  @Test func resourcesWithoutEnd() throws {
    let bench = try GraphicsFaultBench()
    try bench.expectServes()
    let before = try bench.privateMiB()
    var answers: [GPUMessageType: Int] = [:]
    for id in 1...(Self.isSlow ? 1_000_000 : 20_000) {
      answers[try bench.client.createResource(UInt32(id), width: 1, height: 1), default: 0] += 1
    }
    // Memory for 100000 of them would be there: they are counted too.
    #expect(answers.count == 2 && answers[.okNoData] == 16384 && answers[.errorOutOfMemory] != nil, "\(answers)")
    #expect(try bench.privateMiB() - before < 64)
    #expect(try bench.client.unreference(77) == .okNoData)
    try bench.expectServes()
    // Another guest finds the room that this one leaves.
    try bench.driver.reset()
    try bench.driver.start()
    #expect(try bench.client.createResource(1, width: 1, height: 1) == .okNoData)
    try bench.expectServes()
    try bench.expectEndsWell()
  }

  @Test func theMemoryLimitHolds() throws {
    let bench = try GraphicsFaultBench(["--memory-limit=1M"])
    let client = bench.client
    #expect(try client.createResource(1, width: 512, height: 512) == .errorOutOfMemory, "1 MiB, and what it takes")
    var made: UInt32 = 0
    while made < 100, try client.createResource(made + 1, width: 64, height: 64) == .okNoData { made += 1 }
    // 16 KiB each, and less than 1 KiB beside.
    #expect((60...64).contains(made))
    // Backings count as well: a page of entries costs more than what is left.
    let page = try bench.ram.allocate(4096)
    let entries = (0..<1000).map { GPUMemoryEntry(address: UInt64($0 % 7 * 8192), length: 4096) }
    let request = GPUAttachBacking(
      header: GPUControlHeader(.attachBacking), resourceID: 1, entryCount: UInt32(entries.count))
    #expect(try client.send(request, entries: entries) == .errorOutOfMemory)
    #expect(try client.attach(1, [page]) == .okNoData)
    for id in 1...made { #expect(try client.unreference(id) == .okNoData) }
    try bench.expectServes()
    try bench.expectEndsWell()
  }

  @Test func numbersAreUsedAgain() throws {
    let bench = try GraphicsFaultBench()
    let client = bench.client
    for round in 1...20 {
      let (width, height) = (16 + round, 8 + round)
      let colour = UInt32(round * 0x0a_0b0c)
      let whole = GraphicsFaultBench.rectangle(width, height)
      let buffer = try bench.buffer(width, height, colour)
      let isBlob = round % 2 == 0
      if isBlob {
        #expect(try client.createBlob(1, byteCount: UInt64(buffer.count), [buffer]) == .okNoData)
      } else {
        #expect(try client.createResource(1, width: width, height: height) == .okNoData)
        #expect(try client.attach(1, [buffer]) == .okNoData)
        #expect(try client.transfer(1, whole, stride: width * 4) == .okNoData)
      }
      #expect(try client.createResource(1, width: 4, height: 4) == .errorInvalidResource, "it is taken")
      for scanout: UInt32 in 0...1 {
        let answer =
          isBlob
          ? try client.setScanoutBlob(
            scanout, 1, width: UInt32(width), height: UInt32(height), stride: UInt32(width * 4))
          : try client.setScanout(scanout, 1, whole)
        #expect(answer == .okNoData)
      }
      #expect(try client.flush(1, whole) == .okNoData)
      for scanout in 0...1 {
        #expect(try bench.screenshot(scanout) == GraphicsFaultBench.picture(width, height, colour), "\(round)")
      }
      // Freed while both screens show it: they go off, and the number names nothing.
      #expect(try client.unreference(1) == .okNoData)
      for scanout in 0...1 { #expect(try bench.screenshot(scanout) == nil) }
      #expect(try client.flush(1, whole) == .errorInvalidResource)
      #expect(try client.transfer(1, whole, stride: width * 4) == .errorInvalidResource)
      #expect(try client.setScanout(0, 1, whole) == .errorInvalidResource)
      #expect(try client.cursor(.updateCursor, resource: 1) == .errorInvalidResource)
      #expect(try client.unreference(1) == .errorInvalidResource)
      bench.ram.free(buffer)
    }
    try bench.expectServes()
    try bench.expectEndsWell()
  }

  /// Sizes whose products need more than 64 bits, memory that the guest does not have, rectangles whose ends lie before
  /// their beginnings.
  @Test func numbersThatMakeNoSense() throws {
    let bench = try GraphicsFaultBench()
    let client = bench.client
    for (width, height) in [(0xffff_ffff, 0xffff_ffff), (0x8000_0000, 0x8000_0000), (65536, 65536)] {
      #expect(try client.createResource(1, width: width, height: height) == .errorOutOfMemory)
    }
    #expect(try client.createResource(1, width: 32, height: 32) == .okNoData)
    for address in [64 << 20, UInt64.max, UInt64.max - 4095, 1 << 63] {
      let request = GPUAttachBacking(header: GPUControlHeader(.attachBacking), resourceID: 1, entryCount: 1)
      let entry = GPUMemoryEntry(address: address, length: 4096)
      #expect(try client.send(request, entries: [entry]) == .errorUnspecified)
    }
    #expect(try client.attach(1, [try bench.ram.allocate(4096)]) == .okNoData)
    let most = UInt32.max
    for part in [
      GPURectangle(x: most, y: 0, width: 2, height: 1), GPURectangle(x: 0, y: most, width: 1, height: 2),
      GPURectangle(x: 1, y: 1, width: most, height: most), GPURectangle(x: most, y: most, width: most, height: most),
      GPURectangle(x: 0, y: 0, width: 0, height: 0),
    ] {
      #expect(try client.transfer(1, part, stride: 128) == .errorInvalidParameter)
      #expect(try client.flush(1, part) == .errorInvalidParameter)
      #expect(try client.setScanout(0, 1, part) == .errorInvalidParameter)
    }
    try bench.expectServes()
    try bench.expectEndsWell()
  }

  /// Every command cut off at every byte of its fixed part, on both queues; the shortest has nothing to read at all.
  @Test func requestsThatEndTooEarly() throws {
    let bench = try GraphicsFaultBench()
    let types = Array(0x100...0x10d) + Array(0x200...0x209) + [0x300, 0x301, 0, 0xffff_ffff] as [UInt32]
    let request = try bench.ram.allocate(128)
    let answer = try bench.ram.allocate(1056)
    var faults: [String] = []
    for (number, type) in types.enumerated() {
      for count in 0..<96 {
        let queue = bench.driver.queues[(number + count) % 2]
        request.segment.copy([UInt8](wire: GPUControlHeader(GPUMessageType(rawValue: type))))
        answer.segment.zero()
        try queue.add(readable: count > 0 ? [request.part(from: 0, count: count)] : [], writable: [answer])
        queue.submit()
        let length = Int(try queue.takeNext(timeoutNanoseconds: 60_000_000_000).length)
        let header = answer.segment.load(GPUControlHeader.self) ?? GPUControlHeader()
        let isAnswer = (0x1100...0x1106).contains(header.type.rawValue) || header.type.isError
        if length < 24 || !isAnswer { faults.append("\(type) cut at \(count): \(length) bytes, \(header.type)") }
        if count < 24, !header.type.isError { faults.append("\(type) cut at \(count) is done") }
      }
    }
    #expect(faults == [])
    try bench.expectServes()
    try bench.expectEndsWell()
  }

  /// As Linux sends them. One that does not come back stops its guest for ever.
  @Test func cursorCommandsWithoutRoomForAnAnswer() throws {
    let bench = try GraphicsFaultBench()
    let queue = bench.driver.queues[1]
    let slots = try (0..<queue.size).map { _ in try bench.ram.allocate(GPUUpdateCursor.byteCount) }
    let total = 3000
    var (sent, returned) = (0, 0)
    while returned < total {
      while sent < total, queue.freeCount > 0 {
        let type: GPUMessageType = [.moveCursor, .updateCursor, .getDisplayInfo, GPUMessageType(rawValue: 0x30f)][
          sent % 4]
        let place = GPUCursorPosition(scanoutID: UInt32(sent % 5), x: UInt32(sent), y: 0)
        slots[sent % slots.count].segment.store(
          GPUUpdateCursor(header: GPUControlHeader(type), position: place, resourceID: UInt32(sent % 3)))
        try queue.add(readable: [slots[sent % slots.count]], writable: [])
        sent += 1
      }
      queue.submit()
      #expect(try queue.takeNext(timeoutNanoseconds: 60_000_000_000).length == 0)
      returned += 1
    }
    try bench.expectServes()
    try bench.expectEndsWell()
  }
}
