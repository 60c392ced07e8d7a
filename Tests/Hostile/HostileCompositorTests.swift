// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Displays
import Foundation
import Frontend
import GPUProtocol
import Graphics
import Linux
import Support
import Synchronization
import Testing

/// Wayland compositors that say whatever they like, and read or do not. Invariants:
/// - the display lives, and the guest is answered all the while;
/// - no more memory and no more descriptors are kept, however often a compositor comes and goes.
@Suite(.serialized, .timeLimit(.minutes(30)))
struct HostileCompositorTests {
  @Test func randomCompositors() async throws {
    let seed = Campaign.seed
    await #expect(processExitsWith: .success) { [seed = seed as UInt64] in
      reporting {
        let device = GraphicsDevice()
        let victim = try Victim(device)
        let client = try GPUClient(try HostileGraphicsTests.attach(victim))
        var dice = Campaign.dice("wayland", seed: seed)
        try HostileCompositorTests.show(client)
        for _ in 0..<10 { try HostileCompositorTests.attack(device, client, &dice) }
        let before = try Footprint.now()
        for _ in 0..<80 * Campaign.scale { try HostileCompositorTests.attack(device, client, &dice) }
        try Footprint.expectSame(as: before, growthMiB: 64)
        client.driver.connection.close()
        victim.close()
      }
    }
  }

  private static let whole = GPURectangle(x: 0, y: 0, width: 64, height: 48)

  private static func show(_ client: GPUClient) throws {
    let buffer = try client.driver.ram.allocate(64 * 48 * 4)
    #expect(try client.createResource(1, width: 64, height: 48) == .okNoData)
    #expect(try client.attach(1, [buffer]) == .okNoData)
    #expect(try client.setScanout(0, 1, whole) == .okNoData)
    #expect(try client.flush(1, whole) == .okNoData)
  }

  /// One compositor's life with one display, while the guest draws.
  private static func attack(_ device: GraphicsDevice, _ client: GPUClient, _ dice: inout Dice) throws {
    let pair = try UnixSocket.pair()
    let end = Mutex<SharedDescriptor?>(SharedDescriptor(try pair.first.file.duplicate()))
    let box = Connection(end)
    let stop = try Event()
    let thread = try display(device, box, stop.file)
    var fuzzer = CompositorFuzzer(dice: dice)
    try? talk(pair.second, client, &fuzzer)
    dice = fuzzer.dice
    stop.signal()
    thread.join()
    // The guest is answered, whatever its window went through.
    #expect(try client.setScanout(0, 1, whole) == .okNoData)
    #expect(try client.flush(1, whole) == .okNoData)
  }

  /// What `connect` hands out, once.
  private final class Connection: Sendable {
    private let end: Mutex<SharedDescriptor?>
    init(_ end: consuming Mutex<SharedDescriptor?>) { self.end = end }

    func take() throws(Errno) -> UnixSocket {
      let taken = end.withLock { end in
        defer { end = nil }
        return end
      }
      guard let taken else { throw .noEntry }
      return UnixSocket(try taken.file.duplicate())
    }
  }

  private static func display(
    _ device: GraphicsDevice, _ connection: Connection, _ stopped: File
  ) throws -> Linux.Thread {
    let settings = WaylandSettings(
      title: "victim", scanouts: [0], input: { _ in }, connect: { () throws(Errno) in try connection.take() })
    var display = try WaylandDisplay(device, settings, stopped: stopped)
    return try Linux.Thread(name: "wayland") { display.run() }
  }

  private static func talk(
    _ socket: borrowing UnixSocket, _ client: GPUClient, _ fuzzer: inout CompositorFuzzer
  ) throws {
    // One that is not read either must not wait for ever.
    try socket.setTimeout(milliseconds: 2000)
    try socket.send(fuzzer.greeting())
    let reads = !fuzzer.dice.hits(6)
    for _ in 0..<fuzzer.dice.roll(120) {
      let files = fuzzer.dice.hits(30) ? [File(raw: 1)] : []
      try socket.send(fuzzer.message(), files: files)
      if reads, fuzzer.dice.hits(3) { drain(socket) }
      switch fuzzer.dice.roll(12) {
      case 0: _ = try client.flush(1, GPURectangle(x: 1, y: 2, width: 30, height: 20))
      case 1: _ = try client.setScanout(0, 0, GPURectangle(x: 0, y: 0, width: 0, height: 0))
      case 2:
        let width = UInt32(1 + fuzzer.dice.roll(64))
        _ = try client.setScanout(0, 1, GPURectangle(x: 0, y: 0, width: width, height: 48))
      default: break
      }
    }
  }

  private static func drain(_ socket: borrowing UnixSocket) {
    var none = ReceivedDescriptors()
    while !Poll.wait(socket.file, nil, timeoutNanoseconds: 0).first.isEmpty {
      guard let bytes = try? socket.receiveOnce(atMost: 1 << 20, descriptors: &none), !bytes.isEmpty else { return }
    }
  }
}

/// Events of a compositor that means no good. Which number is which object follows from the order in which a display
/// makes them.
struct CompositorFuzzer {
  var dice: Dice

  /// Opcodes and numbers of words, by object.
  private static let events: [(object: UInt32, opcode: UInt32, words: Int)] =
    [(1, 1, 1), (2, 1, 1), (6, 0, 1), (7, 0, 1), (8, 2, 2), (8, 3, 4), (8, 3, 4), (8, 4, 5)]
    + [(9, 0, 4), (9, 1, 2), (9, 2, 3), (9, 2, 3), (9, 3, 4), (9, 4, 3), (9, 5, 0), (9, 8, 2), (10, 0, 1)]
    + [(11, 0, 1), (11, 0, 1), (11, 0, 1), (12, 1, 0), (14, 0, 0), (15, 0, 0), (16, 0, 0), (17, 0, 1), (18, 0, 1)]

  private static func event(_ object: UInt32, _ opcode: UInt32, _ words: [UInt32]) -> [UInt8] {
    WaylandWords.bytes(WaylandWords.message(object, opcode, words))
  }

  /// What it offers, a seat that can do something, and the end of the list.
  mutating func greeting() -> [UInt8] {
    var bytes: [UInt8] = []
    for (index, name) in ["wl_compositor", "wl_shm", "xdg_wm_base", "wl_seat"].enumerated() where !dice.hits(60) {
      let version = dice.hits(4) ? UInt32(truncatingIfNeeded: dice.edge()) : 5
      bytes += Self.event(2, 0, [UInt32(index)] + WaylandWords.text(name) + [version])
    }
    return bytes + Self.event(7, 0, [UInt32(dice.roll(4))]) + Self.event(3, 0, [0])
  }

  private mutating func number() -> UInt32 {
    switch dice.roll(5) {
    case 0: UInt32(truncatingIfNeeded: dice.edge())
    case 1, 2: 8 + UInt32(dice.roll(12))
    default: UInt32(dice.roll(300))
    }
  }

  mutating func message() -> [UInt8] {
    var bytes: [UInt8]
    if dice.hits(4) {
      // xdg_toplevel.configure, with sizes that cost something.
      let states = (0..<dice.roll(4)).map { _ in UInt32(dice.roll(9)) }
      let size = [0, 1].map { _ in UInt32(dice.hits(20) ? dice.roll(20000) : dice.roll(200)) }
      bytes = Self.event(12, 0, size + [UInt32(4 * states.count)] + states) + Self.event(11, 0, [number()])
    } else if dice.hits(40) {
      bytes = Self.event(UInt32(dice.roll(24)), UInt32(dice.roll(10)), (0..<dice.roll(7)).map { _ in number() })
    } else {
      let event = dice.pick(Self.events)
      bytes = Self.event(event.object, event.opcode, (0..<event.words).map { _ in number() })
    }
    if dice.hits(150) { bytes[dice.roll(bytes.count)] ^= UInt8(1 << dice.roll(8)) }
    if dice.hits(200) { bytes.removeLast(dice.roll(bytes.count)) }
    return bytes
  }
}
