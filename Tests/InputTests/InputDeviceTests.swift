// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Frontend
import InputProtocol
import Linux
import Synchronization
import Testing
import VirtioProtocol
import Wire

@testable import Input

/// A guest's driver before an input device. Invariants: reports arrive whole and in order, whenever room for them
/// comes; a guest that takes none finds no key held afterwards; the configuration space answers what is selected, in
/// whatever pieces; a queue with room and nothing to say costs no processor time; chains that make no sense come back.
@Suite(.timeLimit(.minutes(30)))
struct InputDeviceTests {
  private static func key(_ code: UInt16, _ isDown: Bool) -> InputEvent { .key(code, isDown: isDown) }

  @Test func reportsArriveInOrder() throws {
    let bench = try InputBench()
    try bench.offer(16)
    bench.device.post([Self.key(30, true)])
    bench.device.post([.absolute(0, 100), .absolute(1, 200), Self.key(0x110, true)])
    #expect(
      try bench.next(6) == [
        Self.key(30, true), .report, .absolute(0, 100), .absolute(1, 200), Self.key(0x110, true), .report,
      ])
    #expect(eventually { bench.device.counts.written == 6 && bench.device.counts.dropped == 0 })
  }

  @Test func eventsWaitForRoom() throws {
    let bench = try InputBench(queueSize: 4)
    try bench.offer(1)
    bench.device.post([Self.key(1, true)])
    #expect(try bench.next() == Self.key(1, true))
    for code in UInt16(2)...40 { bench.device.post([Self.key(code, true)]) }
    try bench.offer(1)
    #expect(try bench.next() == .report)
    for code in UInt16(2)...40 {
      try bench.offer(2)
      #expect(try bench.next(2) == [Self.key(code, true), .report])
    }
  }

  @Test func whoTakesNothingFindsNoKeyHeld() throws {
    let bench = try InputBench()
    try bench.offer(4)
    bench.device.post([Self.key(42, true)])
    bench.device.post([Self.key(30, true)])
    #expect(try bench.next(4) == [Self.key(42, true), .report, Self.key(30, true), .report])
    // More than anybody keeps.
    for round in 0..<Backlog.mostEvents { bench.device.post([.absolute(0, round)]) }
    #expect(bench.device.counts.dropped > 0)
    try bench.offer(3)
    #expect(try bench.next(3) == [Self.key(30, false), Self.key(42, false), .report])
  }

  @Test func aPauseLetsGoOfKeys() throws {
    let bench = try InputBench()
    try bench.offer(2)
    bench.device.post([Self.key(42, true)])
    #expect(try bench.next(2) == [Self.key(42, true), .report])
    try bench.driver.stop()
    // Nobody hears that it was let go of.
    bench.device.post([Self.key(42, false)])
    try bench.driver.start()
    try bench.offer(2)
    #expect(try bench.next(2) == [Self.key(42, false), .report])
  }

  @Test func anotherGuestKnowsOfNothing() throws {
    let bench = try InputBench()
    try bench.offer(2)
    bench.device.post([Self.key(42, true)])
    _ = try bench.next(2)
    try bench.reconnect()
    try bench.offer(2)
    bench.device.post([Self.key(30, true)])
    #expect(try bench.next(2) == [Self.key(30, true), .report])
  }

  // MARK: Configuration

  @Test func theDeviceSaysWhatItIs() throws {
    let bench = try InputBench()
    #expect(try bench.ask(0) == [])
    #expect(try bench.ask(1) == Array("Martlet keyboard and tablet".utf8))
    #expect(try bench.ask(2) == [])
    #expect(try bench.ask(3) == [6, 0, 0, 0, 1, 0, 1, 0])
    let keys = try bench.ask(0x11, 1)
    func has(_ code: Int) -> Bool { keys.count > code / 8 && keys[code / 8] & 1 << UInt8(code % 8) != 0 }
    // KEY_ESC, KEY_Z, KEY_F24, the buttons; not what would make it a joystick or a pen.
    #expect([1, 44, 194, 0x110, 0x111, 0x112].allSatisfy(has))
    #expect(![0, 0x100, 0x120, 0x140, 0x14a].contains(where: has))
    #expect(try bench.ask(0x11, 2) == [0x40, 0x01])
    #expect(try bench.ask(0x11, 3) == [0x03])
    #expect(try bench.ask(0x11, 0x11) == [0x07])
    #expect(try bench.ask(0x11, 0x14).count == 1, "keys repeat")
    #expect(try bench.ask(0x11, 5) == [])
    #expect(try bench.ask(0x12, 0) == [0, 0, 0, 0, 0xff, 0x7f, 0, 0] + [UInt8](repeating: 0, count: 12))
    #expect(try bench.ask(0x12, 2) == [])
    #expect(try bench.ask(0x12, 255) == [])
    #expect(try bench.ask(0x99, 1) == [])
  }

  @Test func theSelectionIsWrittenInAnyPieces() throws {
    let bench = try InputBench()
    let connection = bench.driver.connection
    // QEMU: the whole space.
    try connection.setConfig(offset: 0, bytes: [0x11, 3] + [UInt8](repeating: 0xff, count: 134), needReply: true)
    #expect(try bench.driver.config(offset: 2, count: 1) == [1])
    #expect(try bench.driver.config(offset: 8, count: 2) == [3, 0])
    // Byte by byte.
    try connection.setConfig(offset: 1, bytes: [2], needReply: true)
    #expect(try bench.driver.config(offset: 8, count: 2) == [0x40, 1])
    #expect(throws: FrontendError.self) {
      try connection.setConfig(offset: 130, bytes: [UInt8](repeating: 0, count: 8), needReply: true)
    }
    #expect(try bench.driver.config(offset: 0, count: 2) == [0x11, 2])
  }

  // MARK: The other queue, and nonsense

  @Test func lightsAreHeard() throws {
    let bench = try InputBench()
    let buffer = try bench.driver.ram.allocate(8)
    buffer.segment.store(InputEvent(type: 0x11, code: 1, value: 1))
    try bench.driver.queues[1].add(readable: [buffer], writable: [])
    bench.driver.queues[1].submit()
    #expect(try bench.driver.queues[1].takeNext(timeoutNanoseconds: 60_000_000_000).length == 0)
    #expect(bench.lights.all == [InputEvent(type: 0x11, code: 1, value: 1)])
  }

  @Test func chainsThatMakeNoSenseComeBack() throws {
    let bench = try InputBench()
    let queue = bench.driver.queues[0]
    let small = try bench.driver.ram.allocate(7)
    try queue.add(readable: [small], writable: [], token: 1)
    try queue.add(readable: [], writable: [small], token: 2)
    // An event in two pieces is as good as in one.
    let halves = try (0..<2).map { _ in try bench.driver.ram.allocate(4) }
    try queue.add(readable: [], writable: halves, token: 3)
    queue.submit()
    bench.device.post([.absolute(1, 7)])
    #expect(try (0..<3).map { _ in try queue.takeNext(timeoutNanoseconds: 60_000_000_000).length } == [0, 0, 8])
    #expect(halves[0].segment.bytes() + halves[1].segment.bytes() == InputEvent.absolute(1, 7).bytes)
    let status = bench.driver.queues[1]
    try status.add(readable: [small], writable: [])
    try status.add(readable: [], writable: [halves[0]])
    status.submit()
    for _ in 0..<2 { #expect(try status.takeNext(timeoutNanoseconds: 60_000_000_000).length == 0) }
    #expect(bench.lights.all == [])
  }

  @Test func roomWithoutNewsCostsNothing() throws {
    let bench = try InputBench()
    try bench.offer(64)
    bench.device.post([Self.key(30, true)])
    #expect(try bench.next() == Self.key(30, true))
    #expect(try bench.next() == .report)
    // 62 chains are there to be taken: a loop that took them for work would look at them without end.
    let before = bench.counted.processCalls.load(ordering: .relaxed)
    _ = Poll.wait(nil, nil, timeoutNanoseconds: 300_000_000)
    #expect(bench.counted.processCalls.load(ordering: .relaxed) - before < 20)
  }
}

/// Devices of the host, as far as they can be had without one: what the kernel writes, through a pipe.
@Suite struct HostDeviceTests {
  private func record(_ type: UInt16, _ code: UInt16, _ value: UInt32) -> [UInt8] {
    [UInt8](repeating: 0xaa, count: 16) + InputEvent(type: type, code: code, value: value).bytes
  }

  @Test func reportsArePassedOnWhole() throws {
    let pipe = try Pipe()
    let device = try HostDevice(pipe.reading)
    #expect(device.identity() == nil, "a pipe is no input device")
    var bytes = record(1, 30, 1) + record(0, 0, 0) + record(3, 0, 5) + record(3, 1, 6) + record(0, 0, 0)
    // SYN_DROPPED: what follows up to the next report is incomplete.
    bytes += record(1, 31, 1) + record(0, 3, 0) + record(1, 32, 1) + record(0, 0, 0)
    bytes += record(1, 33, 1) + record(0, 0, 0) + record(1, 34, 1) + record(0, 0, 0)
    bytes += record(1, 33, 0) + record(0, 0, 0)
    #expect(try pipe.writing.file.write(bytes, from: 0) == bytes.count)
    let stop = try Event()
    var reports: [[InputEvent]] = []
    device.run(stopped: stop.file) { report in
      reports.append(report)
      if reports.count == 6 { stop.signal() }
    }
    #expect(
      reports == [
        [.key(30, isDown: true)], [.absolute(0, 5), .absolute(1, 6)],
        // A pipe does not say which keys are down.
        [.key(30, isDown: false)],
        [.key(33, isDown: true)], [.key(34, isDown: true)], [.key(33, isDown: false)],
        // At the end nothing is held.
        [.key(34, isDown: false)],
      ])
  }

  /// The guest repeats keys by itself: the device says that it may (EV_REP).
  @Test func repeatsAndLightsOfTheHostAreNotPassedOn() throws {
    let pipe = try Pipe()
    let device = try HostDevice(pipe.reading)
    // As Linux repeats a key: a report with nothing else, or with the code that the key has on its wire.
    var bytes = record(1, 30, 1) + record(0, 0, 0) + record(1, 30, 2) + record(0, 0, 1) + record(0, 0, 0)
    bytes += record(4, 4, 7) + record(1, 30, 2) + record(0, 0, 0) + record(1, 30, 0) + record(0, 0, 0)
    // A light, a sound and how fast keys repeat: the guest's own doing.
    for type in [0x11, 0x12, 0x14] as [UInt16] { bytes += record(type, 1, 1) + record(0, 0, 0) }
    bytes += record(2, 0, 5) + record(0, 0, 0)
    #expect(try pipe.writing.file.write(bytes, from: 0) == bytes.count)
    let stop = try Event()
    var reports: [[InputEvent]] = []
    device.run(stopped: stop.file) { report in
      reports.append(report)
      if reports.count == 4 { stop.signal() }
    }
    #expect(
      reports == [
        [.key(30, isDown: true)], [InputEvent(type: 4, code: 4, value: 7)], [.key(30, isDown: false)],
        [InputEvent(type: 2, code: 0, value: 5)],
      ])
  }

  /// To the host a key that is written is one that was pressed: a guest could type on it.
  @Test func aGuestLightsLightsAndPressesNothing() throws {
    let pipe = try Pipe()
    let device = try HostDevice(pipe.writing)
    for type in [1, 2, 3, 4, 0x12, 0x14] as [UInt16] { device.write(InputEvent(type: type, code: 30, value: 1)) }
    device.write(InputEvent(type: 0x11, code: 1, value: 1))
    device.write(InputEvent(type: 0, code: 0, value: 0))
    let scratch = Scratch(byteCount: 1024)
    #expect(try pipe.reading.file.read(into: scratch.segment) == 48)
    #expect(scratch.segment.load(UInt16.self, at: 16) == 0x11)
    #expect(scratch.segment.load(UInt16.self, at: 40) == 0)
  }
}
