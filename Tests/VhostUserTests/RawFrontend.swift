// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A frontend made of bytes: every message is written out by hand, so that these tests do not share a reading of the
// specification with the code they test. And the least that a driver needs: one ring in a memory file.

import Linux
import Testing
import VhostUser
import Wire

/// Little-endian bytes of a list of fields.
func bytes(_ fields: any FixedWidthInteger...) -> [UInt8] {
  fields.flatMap { littleEndian($0) }
}

private func littleEndian(_ value: some FixedWidthInteger) -> [UInt8] {
  (0..<value.bitWidth / 8).map { UInt8(truncatingIfNeeded: value >> ($0 * 8)) }
}

func u64(_ bytes: [UInt8], at offset: Int = 0) -> UInt64 {
  bytes[offset..<offset + 8].reversed().reduce(0) { $0 << 8 | UInt64($1) }
}

func u32(_ bytes: [UInt8], at offset: Int = 0) -> UInt32 {
  bytes[offset..<offset + 4].reversed().reduce(0) { $0 << 8 | UInt32($1) }
}

/// What came back for one message.
struct Reply: ~Copyable {
  var request: UInt32
  var flags: UInt32
  var payload: [UInt8]
  var descriptors: ReceivedDescriptors
}

final class RawFrontend {
  let socket: UnixSocket

  init(_ socket: consuming UnixSocket) throws {
    self.socket = socket
    try self.socket.setTimeout(milliseconds: 60_000)
  }

  /// Leaves for certain: a process that another test is just starting holds a copy of the descriptor for a moment.
  deinit {
    socket.shutDown()
  }

  func send(_ request: UInt32, _ payload: [UInt8] = [], files: [File] = [], needReply: Bool = false) throws {
    let header = bytes(request, UInt32(needReply ? 9 : 1), UInt32(payload.count))
    try socket.send(header + payload, files: files)
  }

  /// One recvmsg, as frontends do it: header and payload must come in one piece of the exact size.
  func reply() throws -> Reply {
    var descriptors = ReceivedDescriptors()
    let all = try #require(try socket.receiveOnce(atMost: 4096, descriptors: &descriptors))
    try #require(all.count >= 12)
    #expect(u32(all, at: 8) == UInt32(all.count - 12), "the size in the header is that of the payload")
    return Reply(request: u32(all), flags: u32(all, at: 4), payload: Array(all.dropFirst(12)), descriptors: descriptors)
  }

  /// Sends a request that has a reply of its own and takes it.
  func ask(
    _ request: UInt32, _ payload: [UInt8] = [], files: [File] = [], needReply: Bool = false
  ) throws -> Reply {
    try send(request, payload, files: files, needReply: needReply)
    let reply = try reply()
    #expect(reply.request == request)
    #expect(reply.flags == 5)
    return reply
  }

  /// Sends with NEED_REPLY: 0 for done.
  func acknowledge(_ request: UInt32, _ payload: [UInt8] = [], files: [File] = []) throws -> UInt64 {
    let reply = try ask(request, payload, files: files, needReply: true)
    try #require(reply.payload.count == 8)
    return u64(reply.payload)
  }

  /// True if nothing lies unread: for "exactly one reply".
  var isQuiet: Bool {
    Poll.wait(socket.file, nil, timeoutNanoseconds: 20_000_000).first.isEmpty
  }

  /// A request with a known answer: everything before it was handled.
  func barrier() throws {
    _ = try ask(1)
  }

  /// True if the backend has closed.
  var isClosed: Bool {
    guard !Poll.wait(socket.file, nil, timeoutNanoseconds: 60_000_000_000).first.isEmpty else { return false }
    var descriptors = ReceivedDescriptors()
    let got = try? socket.receiveOnce(atMost: 16, descriptors: &descriptors)
    return (got ?? nil) == nil
  }
}

/// A served device and the frontend at the other end of its socket.
final class Bench {
  let device = EchoDevice()
  let endpoint: Endpoint
  let frontend: RawFrontend
  private var thread: Thread?

  init(_ options: Endpoint.Options = Endpoint.Options(), log: any SessionLog = SilentLog()) throws {
    let pair = try UnixSocket.pair()
    let (endpoint, frontend) = try Bench.take(pair, device, options, log)
    self.endpoint = endpoint
    self.frontend = frontend
    thread = try Thread(name: "endpoint") { _ = endpoint.run() }
  }

  private static func take(
    _ pair: consuming SocketPair, _ device: EchoDevice, _ options: Endpoint.Options, _ log: any SessionLog
  ) throws -> (Endpoint, RawFrontend) {
    let ours = pair.first
    let theirs = pair.second
    return (Endpoint(connection: ours, device: device, options: options, log: log), try RawFrontend(theirs))
  }

  deinit {
    endpoint.stop()
    if let thread = thread.take() { thread.join() }
  }
}

/// One ring, driven by hand, in a memory file of 1 MiB.
final class GuestRing {
  static let guestBase: UInt64 = 0x4000_0000
  static let userBase: UInt64 = 0x7f00_0000_0000

  let file: FileDescriptor
  let memory: Mapping
  let kick: Event
  let call: Event
  let err: Event
  let index: UInt32
  let size: Int
  let userBase: UInt64
  /// Where this ring's areas start in the file.
  let offset: Int
  private(set) var available: UInt16 = 0

  /// - Parameter alarm: lets this side too survive a truncated file.
  init(
    _ index: UInt32 = 0, size: Int = 16, userBase: UInt64 = GuestRing.userBase, alarm: MemoryAlarm? = nil
  ) throws {
    file = try MemoryFile.create("test-guest", byteCount: 1 << 20)
    memory = try Mapping(file.file, byteCount: 1 << 20, alarm: alarm)
    kick = try Event()
    call = try Event()
    err = try Event()
    self.index = index
    self.size = size
    self.userBase = userBase
    offset = 0
  }

  // Layout: descriptors, available, used ring; then data.
  var descriptors: UInt64 { userBase + 0x1000 }
  var availableRing: UInt64 { userBase + 0x2000 }
  var usedRing: UInt64 { userBase + 0x3000 }

  /// Payload of SET_MEM_TABLE with the whole file as one region.
  var memoryTable: [UInt8] {
    bytes(UInt32(1), UInt32(0)) + region(byteCount: 1 << 20)
  }

  func region(byteCount: UInt64, offset: UInt64 = 0) -> [UInt8] {
    bytes(GuestRing.guestBase + offset, byteCount, userBase + offset, offset)
  }

  var addresses: [UInt8] { bytes(index, UInt32(0), descriptors, usedRing, availableRing, UInt64(0)) }

  /// Adds a chain of one readable and one writable descriptor at slot pair `slot`, with `text` as the request.
  func submit(_ text: String, slot: Int = 0, kicks: Bool = true, dataAddress: UInt64? = nil) {
    let head = slot * 2
    let data = 0x10000 + slot * 0x1000
    let segment = memory.segment
    for (position, byte) in text.utf8.enumerated() { segment.store(byte, at: data + position) }
    let address = dataAddress ?? GuestRing.guestBase + UInt64(data)
    describe(head, address, UInt32(text.utf8.count), flags: 1, next: UInt16(head + 1))
    describe(head + 1, GuestRing.guestBase + UInt64(data) + 0x800, 0x400, flags: 2, next: 0)
    segment.store(UInt16(head), at: 0x2000 + 4 + 2 * (Int(available) % size))
    available &+= 1
    segment.store(available, at: 0x2000 + 2)
    if kicks { kick.signal() }
  }

  private func describe(_ index: Int, _ address: UInt64, _ length: UInt32, flags: UInt16, next: UInt16) {
    let at = 0x1000 + 16 * index
    memory.segment.store(address, at: at)
    memory.segment.store(length, at: at + 8)
    memory.segment.store(flags, at: at + 12)
    memory.segment.store(next, at: at + 14)
  }

  var used: UInt16 { memory.segment.load(UInt16.self, at: 0x3002) ?? 0 }

  /// Waits until the used index is `index`; false after a minute.
  func waitUsed(_ index: UInt16) -> Bool {
    let end = Clock.monotonic + 60_000_000_000
    while used != index {
      if Clock.monotonic > end { return false }
      _ = Poll.wait(nil, nil, timeoutNanoseconds: 200_000)
    }
    return true
  }

  /// The answer in slot pair `slot`.
  func answer(_ count: Int, slot: Int = 0) -> String {
    let data = memory.segment.dropFirst(0x10000 + slot * 0x1000 + 0x800).prefix(count)
    return String(decoding: data.bytes(), as: UTF8.self)
  }

  /// Forgets both indices, as a driver's reset does.
  func reset() {
    available = 0
    memory.segment.dropFirst(0x1000).prefix(0x3000).zero()
  }
}

extension File {
  /// True if the event gets a signal within a minute, or less if asked so; takes it.
  func isSignalled(withinMilliseconds limit: Int64 = 60_000) -> Bool {
    guard Poll.wait(self, nil, timeoutNanoseconds: limit * 1_000_000).first.contains(.input) else { return false }
    return drainEvent() > 0
  }
}
