// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Linux
import Synchronization
import Testing
import VhostUser
import Wire

/// The control plane, message by message. Invariants: every request that has a reply gets exactly one, of the exact
/// size, in order; NEED_REPLY is always answered and never twice; no message but a broken stream ends the connection.
@Suite(.timeLimit(.minutes(30)))
struct SessionTests {
  static let noFeatures = bytes(UInt64(1) << 32)
  static let allFeatures = bytes(UInt64(1) << 32 | 1 << 30)

  @Test func featuresAreOfferedBeforeAnOwnerIsSet() throws {
    let bench = try Bench()
    let reply = try bench.frontend.ask(1)
    // Bit 0 is the device's; 26 LOG_ALL, 28 INDIRECT, 29 EVENT_IDX, 30 vhost-user, 32 VERSION_1.
    #expect(u64(reply.payload) == 1 << 32 | 1 << 30 | 1 << 29 | 1 << 28 | 1 << 26 | 1)
  }

  @Test func protocolFeaturesFollowWhatTheDeviceCanDo() throws {
    let bench = try Bench()
    let offered = u64(try bench.frontend.ask(15).payload)
    // MQ, LOG_SHMFD, REPLY_ACK, BACKEND_REQ, CONFIG, BACKEND_SEND_FD, INFLIGHT_SHMFD, RESET_DEVICE, MEM_SLOTS, STATUS,
    // DEVICE_STATE, GPA_ADDRESSES.
    let expected: [UInt64] = [0, 1, 3, 5, 9, 10, 12, 13, 15, 16, 19, 21]
    #expect(offered == expected.reduce(0) { $0 | 1 << $1 })
  }

  @Test func queueNumberIsExact() throws {
    let bench = try Bench()
    #expect(u64(try bench.frontend.ask(17).payload) == 2)
    #expect(u64(try bench.frontend.ask(36).payload) == 509)
  }

  @Test func aRequestWithItsOwnReplyIsNotAnsweredTwice() throws {
    let bench = try Bench()
    // stratovirt sets NEED_REPLY on every GET without having negotiated REPLY_ACK.
    #expect(try bench.frontend.ask(1, needReply: true).payload.count == 8)
    #expect(try bench.frontend.ask(15, needReply: true).payload.count == 8)
    #expect(bench.frontend.isQuiet)
  }

  @Test func needReplyIsAnsweredFromTheFirstMessageOn() throws {
    let bench = try Bench()
    #expect(try bench.frontend.acknowledge(16, bytes(UInt64(0x8029))) == 0)
    #expect(try bench.frontend.acknowledge(3) == 0)
    #expect(try bench.frontend.acknowledge(3) == 0)
    #expect(try bench.frontend.acknowledge(2, bytes(UInt64.max)) == 0, "bits that were not offered are masked")
    #expect(bench.frontend.isQuiet)
  }

  /// Ids with a reply of their own; 6 among them, because its sender waits without asking.
  static let ownReply: Set<UInt32> = [
    1, 6, 11, 15, 17, 22, 24, 26, 28, 30, 31, 36, 40, 41, 42, 43, 44,
  ]

  @Test(arguments: Array(UInt32(0)...70) + [1000, 1004, .max])
  func everyRequestIsAnsweredOnceAndNoneEndsTheConnection(request: UInt32) throws {
    let bench = try Bench()
    for payload in [[], [UInt8](repeating: 0xff, count: 8), [UInt8](repeating: 0, count: 300)] {
      let file = try Event()
      try bench.frontend.send(request, payload, files: [file.file], needReply: true)
      let reply = try bench.frontend.reply()
      #expect(reply.request == request)
      #expect(bench.frontend.isQuiet)
      try bench.frontend.send(request, payload)
      if SessionTests.ownReply.contains(request) { #expect(try bench.frontend.reply().request == request) }
      try bench.frontend.barrier()
    }
  }

  @Test func unknownRequestIsRefusedAndTheSessionGoesOn() throws {
    let bench = try Bench()
    #expect(try bench.frontend.acknowledge(77, [1, 2, 3]) != 0)
    try bench.frontend.send(78, [1, 2, 3])
    try bench.frontend.barrier()
    #expect(bench.endpoint.statistics.refusedMessages == 2)
  }

  @Test func wrongVersionClosesTheConnection() throws {
    let bench = try Bench()
    try bench.frontend.socket.send(bytes(UInt32(1), UInt32(2), UInt32(0)))
    #expect(bench.frontend.isClosed)
    #expect(bench.endpoint.statistics.sessions == 0)
  }

  @Test func hugePayloadClosesTheConnection() throws {
    let bench = try Bench()
    try bench.frontend.socket.send(bytes(UInt32(1), UInt32(1), UInt32(1) << 30))
    #expect(bench.frontend.isClosed)
  }

  @Test func aMessageInPiecesIsOneMessage() throws {
    let bench = try Bench()
    let message = bytes(UInt32(24), UInt32(1), UInt32(12), UInt32(4), UInt32(2), UInt32(0))
    for byte in message { try bench.frontend.socket.send([byte]) }
    #expect(try bench.frontend.reply().payload == bytes(UInt32(4), UInt32(2), UInt32(0)) + [4, 5])
  }

  // MARK: Configuration

  @Test func configurationReadsAnySizeAndFillsWithZero() throws {
    let bench = try Bench()
    for (offset, size, flags) in [(0, 16, 0), (0, 60, 1), (12, 8, 0), (16, 1, 1), (4000, 256, 0), (3, 0, 0)] {
      let header = bytes(UInt32(offset), UInt32(size), UInt32(flags))
      let reply = try bench.frontend.ask(24, header + [UInt8](repeating: 0xee, count: size))
      let expected = (offset..<offset + size).map { $0 < 16 ? UInt8($0) : 0 }
      #expect(reply.payload == header + expected)
    }
    let tooLong = try bench.frontend.ask(24, bytes(UInt32(0), UInt32(257), UInt32(0)))
    #expect(tooLong.payload.isEmpty)
  }

  @Test(arguments: [UInt32(0), 1]) func configurationWritesReachTheDevice(flags: UInt32) throws {
    let bench = try Bench()
    #expect(try bench.frontend.acknowledge(25, bytes(UInt32(8), UInt32(2), flags) + [7, 9]) == 0)
    #expect(bench.device.readConfiguration(offset: 8, byteCount: 2) == [7, 9])
    #expect(try bench.frontend.acknowledge(25, bytes(UInt32(0), UInt32(2), flags) + [7, 9]) != 0)
    #expect(try bench.frontend.acknowledge(25, bytes(UInt32(8), UInt32(4), flags) + [7]) != 0)
  }

  // MARK: Status and reset

  @Test func statusIsKeptAndResetComesAtAnyTime() throws {
    let bench = try Bench()
    for _ in 0..<3 { #expect(try bench.frontend.acknowledge(34) == 0) }
    #expect(try bench.frontend.acknowledge(39, bytes(UInt64(8))) == 0)
    #expect(u64(try bench.frontend.ask(40).payload) == 8)
    #expect(bench.device.resets.load(ordering: .relaxed) == 3)
    #expect(try bench.frontend.acknowledge(39, bytes(UInt64(0))) == 0)
    #expect(bench.device.resets.load(ordering: .relaxed) == 4)
    #expect(try bench.frontend.acknowledge(4) == 0)
  }

  @Test func windowsAreDescribedAsNone() throws {
    let bench = try Bench()
    #expect(try bench.frontend.ask(44).payload == [UInt8](repeating: 0, count: 2056))
  }

  // MARK: The device's state

  @Test func stateIsSavedAndLoadedThroughTheDescriptor() throws {
    let source = try Bench()
    #expect(try source.frontend.acknowledge(25, bytes(UInt32(8), UInt32(1), UInt32(0)) + [0x55]) == 0)
    let saving = try UnixSocket.pair()
    let theirs = saving.first
    let ours = saving.second
    #expect(u64(try source.frontend.ask(42, bytes(UInt32(0), UInt32(0)), files: [theirs.file]).payload) == 0x100)
    var none = ReceivedDescriptors()
    let state = try #require(try ours.receive(16, descriptors: &none))
    #expect(u64(try source.frontend.ask(43).payload) == 0)

    let target = try Bench()
    let loading = try UnixSocket.pair()
    let into = loading.first
    let from = loading.second
    #expect(u64(try target.frontend.ask(42, bytes(UInt32(1), UInt32(0)), files: [into.file]).payload) == 0x100)
    try from.send(state)
    from.shutDown()
    #expect(u64(try target.frontend.ask(43).payload) == 0)
    #expect(target.device.readConfiguration(offset: 8, byteCount: 1) == [0x55])
  }

  @Test func aStateThatIsTooShortIsRefused() throws {
    let bench = try Bench()
    let loading = try UnixSocket.pair()
    let into = loading.first
    let from = loading.second
    #expect(u64(try bench.frontend.ask(42, bytes(UInt32(1), UInt32(0)), files: [into.file]).payload) == 0x100)
    try from.send([1, 2, 3])
    from.shutDown()
    #expect(u64(try bench.frontend.ask(43).payload) == 1)
    #expect(u64(try bench.frontend.ask(43).payload) == 1, "without a transfer there is nothing to confirm")
    #expect(u64(try bench.frontend.ask(42, bytes(UInt32(0), UInt32(0))).payload) == 0x101)
  }

  @Test func aFrontendThatNeverReadsTheStateDoesNotKeepTheEndpoint() throws {
    let bench = try Bench()
    let loading = try UnixSocket.pair()
    #expect(u64(try bench.frontend.ask(42, bytes(UInt32(1), UInt32(0)), files: [loading.first.file]).payload) == 0x100)
    try bench.frontend.send(43)
    // Nothing is ever written: CHECK_DEVICE_STATE waits until the endpoint is stopped (deinit of the bench).
    #expect(bench.frontend.isQuiet)
  }
}
