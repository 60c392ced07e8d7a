// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Displays
import Foundation
import Graphics
import Linux
import Testing

/// VNC viewers that say whatever they like. Invariants:
/// - the server lives, and lets an honest viewer in afterwards;
/// - it keeps no more memory and no more descriptors, however much is said and however little is read;
/// - what was said wrongly ends that connection alone.
@Suite(.serialized, .timeLimit(.minutes(30)))
struct HostileViewerTests {
  @Test func randomViewers() async throws {
    let seed = Campaign.seed
    await #expect(processExitsWith: .success) { [seed = seed as UInt64] in
      reporting {
        let path = "/tmp/martlet-hostile-vnc-\(getpid()).sock"
        try? FileManager.default.removeItem(atPath: path)
        let device = GraphicsDevice()
        let socket = try ListeningSocket(path: path, mode: 0o600)
        let stop = try Event()
        let listener = VNCListener(SharedDescriptor(try socket.file.duplicate()), scanout: 0)
        var server = try VNCServer(device, [listener], VNCSettings(name: "victim"), stopped: stop.file)
        let thread = try Linux.Thread(name: "vnc") { server.run() }
        // The first ones make what stays: zlib's tables, the thread's arena.
        var dice = Campaign.dice("vnc", seed: seed)
        for _ in 0..<40 { HostileViewerTests.attack(path, &dice) }
        try HostileViewerTests.expectServes(path)
        let before = try Footprint.now()
        for _ in 0..<300 * Campaign.scale { HostileViewerTests.attack(path, &dice) }
        try HostileViewerTests.expectServes(path)
        try Footprint.expectSame(as: before, growthMiB: 64)
        stop.signal()
        thread.join()
        try? FileManager.default.removeItem(atPath: path)
      }
    }
  }

  /// One viewer's life: it comes in, mostly properly, says some things, reads or does not, and goes.
  private static func attack(_ path: String, _ dice: inout Dice) {
    guard let socket = try? UnixSocket.connect(to: path) else { return }
    var fuzzer = ViewerFuzzer(dice: dice)
    defer { dice = fuzzer.dice }
    // It may be gone at any time.
    do {
      try socket.send(fuzzer.greeting())
      for _ in 0..<fuzzer.dice.roll(60) {
        try socket.send(fuzzer.message())
        if fuzzer.dice.hits(3) { drain(socket) }
      }
    } catch {
      return
    }
  }

  private static func drain(_ socket: borrowing UnixSocket) {
    var none = ReceivedDescriptors()
    while !Poll.wait(socket.file, nil, timeoutNanoseconds: 0).first.isEmpty {
      guard let bytes = try? socket.receiveOnce(atMost: 1 << 20, descriptors: &none), !bytes.isEmpty else { return }
    }
  }

  /// An honest viewer is let in and gets a whole picture.
  private static func expectServes(_ path: String) throws {
    let socket = try UnixSocket.connect(to: path)
    var none = ReceivedDescriptors()
    func read(_ count: Int) throws -> [UInt8] { try #require(try socket.receive(count, descriptors: &none)) }
    #expect(try read(12) == Array("RFB 003.008\n".utf8))
    try socket.send(Array("RFB 003.008\n".utf8) + [1, 1])
    #expect(try read(6) == [1, 1, 0, 0, 0, 0])
    #expect(try Array(read(24 + 6).prefix(4)) == [5, 0, 3, 32])
    try socket.send([3, 0, 0, 0, 0, 0, 0, 64, 0, 64])
    #expect(try read(16) == [0, 0, 0, 1, 0, 0, 0, 0, 0, 64, 0, 64, 0, 0, 0, 0])
    #expect(try read(64 * 64 * 4).allSatisfy { $0 == 0 })
  }
}

/// Bytes of a viewer that means no good, by what the server takes for what.
struct ViewerFuzzer {
  var dice: Dice

  mutating func greeting() -> [UInt8] {
    if dice.hits(20) { return dice.bytes(dice.roll(64)) }
    let version = dice.pick(["003", "007", "008", "008", "008", "889", "abc"])
    var bytes = Array("RFB 003.\(version)\n".utf8)
    if version != "003" { bytes.append(dice.hits(20) ? UInt8(dice.roll(256)) : 1) }
    return bytes + [1]
  }

  private mutating func big(_ count: Int) -> [UInt8] {
    let value = dice.hits(2) ? UInt64(dice.roll(2000)) : dice.edge()
    return (0..<count).reversed().map { UInt8(truncatingIfNeeded: value >> UInt64(8 * $0)) }
  }

  mutating func message() -> [UInt8] {
    var bytes: [UInt8]
    switch dice.roll(12) {
    case 0:
      // A format that is nearly right.
      bytes = [0, 0, 0, 0, dice.pick([8, 16, 32, 24]), UInt8(dice.roll(33)), UInt8(dice.roll(2)), UInt8(dice.roll(2))]
      for _ in 0..<3 {
        bytes += dice.pick([[0, 255], [0, 31], [0, 63], [0, 7], [0, 3], [3, 255], dice.bytes(2)])
      }
      for _ in 0..<3 { bytes.append(UInt8(dice.hits(10) ? dice.roll(256) : dice.roll(32))) }
      bytes += [0, 0, 0]
    case 1:
      let list: [Int32] = [0, 16, -223, -239, -258, -308, 5, 7]
      let count = dice.hits(20) ? dice.roll(70000) : dice.roll(12)
      bytes = [2, 0, UInt8(truncatingIfNeeded: count >> 8), UInt8(truncatingIfNeeded: count)]
      for _ in 0..<min(count, 1100) {
        let encoding = UInt32(bitPattern: dice.pick(list))
        bytes += (0..<4).reversed().map { UInt8(truncatingIfNeeded: encoding >> UInt32(8 * $0)) }
      }
    case 2...5: bytes = [3, UInt8(dice.roll(2))] + big(2) + big(2) + big(2) + big(2)
    case 6: bytes = [4, UInt8(dice.roll(3)), 0, 0] + big(4)
    case 7: bytes = [5, UInt8(dice.roll(256))] + big(2) + big(2)
    case 8:
      let count = dice.roll(5000)
      bytes =
        [6, 0, 0, 0] + (dice.hits(4) ? big(4) : [0, 0, UInt8(count >> 8), UInt8(count & 0xff)]) + dice.bytes(count)
    case 9:
      let screens = dice.pick([0, 1, 1, 1, 2, 255])
      bytes = [251, 0] + big(2) + big(2) + [UInt8(screens), 0] + dice.bytes(16 * screens)
    case 10: bytes = [255, 0] + big(2) + big(4) + big(4)
    default: bytes = dice.hits(8) ? dice.bytes(dice.roll(40)) : [3, 0, 0, 0, 0, 0, 255, 255, 255, 255]
    }
    if dice.hits(40), !bytes.isEmpty { bytes[dice.roll(bytes.count)] ^= UInt8(1 << dice.roll(8)) }
    if dice.hits(60) { bytes.removeLast(dice.roll(bytes.count)) }
    return bytes
  }
}
