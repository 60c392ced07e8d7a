// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Linux
import Synchronization
import Testing
import VhostUserProtocol
import Virtio
import Wire

@testable import VhostUser

/// The parts that need no connection.
@Suite(.timeLimit(.minutes(30)))
struct ControlPartsTests {
  @Test func awakeTimeGrowsOnHitsAndShrinksToNothing() {
    var awake = StayAwake(maximumMicroseconds: 50)
    #expect(awake.windowNanoseconds == 0)
    awake.learn(idleNanoseconds: 10_000)
    #expect(awake.windowNanoseconds == 8_000)
    for _ in 0..<10 { awake.learn(idleNanoseconds: 10_000) }
    #expect(awake.windowNanoseconds == 50_000)
    for _ in 0..<4 { awake.learn(idleNanoseconds: 1_000_000) }
    #expect(awake.windowNanoseconds == 0)
    var off = StayAwake(maximumMicroseconds: 0)
    off.learn(idleNanoseconds: 0)
    #expect(off.windowNanoseconds == 0)
  }

  @Test func aRateLimitCountsWhatItHoldsBack() {
    let limit = RateLimit(intervalMilliseconds: 60_000)
    #expect(limit.admit() == 0)
    #expect(limit.admit() == nil)
    let open = RateLimit(intervalMilliseconds: 0)
    #expect(open.admit() == 0)
    #expect(open.admit() == 0)
  }

  @Test func anEventSlotPointsWhereItWasLastPointed() throws {
    let slot = try EventSlot()
    let first = try Event()
    let second = try Event()
    slot.signal()
    try slot.replace(with: try first.file.duplicate())
    slot.signal()
    #expect(first.drain() == 1)
    try slot.replace(with: try second.file.duplicate())
    slot.signal()
    #expect(first.drain() == 0)
    #expect(second.drain() == 1)
    try slot.replace(with: nil)
    slot.signal()
    #expect(second.drain() == 0)
    #expect(!slot.isConnected)
  }

  // MARK: Backend channel

  private let window = WindowMapping(
    regionID: 3, windowOffset: 0x2000, fileOffset: 0x1000, byteCount: 0x4000, writable: true)

  /// The frontend's end of a channel on which SHMEM was negotiated.
  private func channel() throws -> (channel: BackendChannel, peer: SharedSocket) {
    let pair = try UnixSocket.pair()
    let ours = pair.first
    let theirs = pair.second
    let channel = BackendChannel(log: SilentLog())
    try channel.attach(try ours.file.duplicate())
    channel.negotiate([.shmem, .backendReq, .backendSendFd, .replyAck, .config])
    try theirs.setTimeout(milliseconds: 60_000)
    return (channel, SharedSocket(theirs))
  }

  @Test(arguments: [UInt64(0), 1]) func aWindowIsMappedWhenTheFrontendSaysSo(answer: UInt64) throws {
    let (channel, peer) = try channel()
    let frontend = try Thread(name: "frontend") {
      var descriptors = ReceivedDescriptors()
      let request = try? peer.socket.receive(52, descriptors: &descriptors)
      let body =
        bytes(UInt64(3), UInt64(0x1000), UInt64(0x2000), UInt64(0x4000), UInt64(1))
      let expected = bytes(UInt32(9), UInt32(9), UInt32(40)) + body
      let verdict = request == expected && descriptors.count == 1 ? answer : 99
      try? peer.socket.send(bytes(UInt32(9), UInt32(5), UInt32(8), verdict))
    }
    let file = try MemoryFile.create("test-window", byteCount: 0x8000)
    #expect(channel.mapWindow(window, fileDescriptor: file.file.raw) == (answer == 0))
    frontend.join()
  }

  @Test func aClosedChannelEndsTheWait() throws {
    let (channel, peer) = try channel()
    let closer = try Thread(name: "closer") {
      _ = Poll.wait(peer.file, nil)
      channel.close()
    }
    #expect(!channel.unmapWindow(window))
    closer.join()
    #expect(!channel.unmapWindow(window), "without a socket there is no window")
  }

  @Test func nonsenseForAnAnswerClosesTheChannel() throws {
    let (channel, peer) = try channel()
    try peer.socket.send([UInt8](repeating: 7, count: 20))
    #expect(!channel.unmapWindow(window))
    #expect(!channel.unmapWindow(window))
  }

  @Test func changedConfigurationIsToldWithoutWaiting() throws {
    let (channel, peer) = try channel()
    channel.configurationChanged()
    var none = ReceivedDescriptors()
    #expect(try peer.socket.receive(12, descriptors: &none) == bytes(UInt32(2), UInt32(1), UInt32(0)))
    channel.negotiate([.backendReq])
    channel.configurationChanged()
    #expect(Poll.wait(peer.file, nil, timeoutNanoseconds: 20_000_000).first.isEmpty)
  }

  // MARK: Ranges

  private let health = MemoryHealth()

  private func alarm() throws -> MemoryAlarm { try MemoryAlarm(word: health.word, owner: health) }

  @Test func aRangeInTheMiddleOfAPageIsExact() throws {
    let file = try MemoryFile.create("test-range", byteCount: 0x3000)
    let whole = try Mapping(file.file, byteCount: 0x3000)
    whole.segment.store(UInt32(0xfeed), at: 0x1234)
    let range = try FileRange(file.file, offset: 0x1234, byteCount: 4, alarm: try alarm())
    #expect(range.memory.load(UInt32.self) == 0xfeed)
    #expect(range.memory.count == 4)
    #expect(throws: RangeRefusal.self) {
      try FileRange(file.file, offset: 0x2fff, byteCount: 2, alarm: try alarm())
    }
  }

  /// What is done for huge pages, on a file that has none: the offsets fit the small pages only, or none at all.
  @Test(
    arguments: [
      (0, 0x60_0000), (0x1000, 0x1000), (0x1f_f000, 0x2000), (0x1f_ffff, 2), (0x20_0000, 0x20_0000),
      (0x3f_f123, 0x1234),
      (0x5f_ffff, 1),
    ] as [(UInt64, UInt64)])
  func aRangeOfHugePagesIsExactAtAnyOffset(_ offset: UInt64, _ byteCount: UInt64) throws {
    let file = try MemoryFile.create("test-range", byteCount: 0x60_0000)
    let whole = try Mapping(file.file, byteCount: 0x60_0000)
    let first = UInt8.random(in: 1 ... .max)
    let last = UInt8.random(in: 1 ... .max)
    whole.segment.store(last, at: Int(offset + byteCount) - 1)
    whole.segment.store(first, at: Int(offset))
    let range = try FileRange(
      file.file, offset: offset, byteCount: byteCount, page: 2 << 20, alarm: try alarm())
    #expect(range.memory.count == Int(byteCount))
    #expect(range.memory.load(UInt8.self) == first)
    #expect(range.memory.load(UInt8.self, at: Int(byteCount) - 1) == (byteCount == 1 ? first : last))
    #expect(range.mapping.byteCount % (2 << 20) == 0 && range.offset == Int(offset % (2 << 20)))
    range.memory.store(UInt8(0), at: 0)
    #expect(whole.segment.load(UInt8.self, at: Int(offset)) == 0, "it is the file's memory and no copy")
  }

  /// A file of huge pages ends with a whole one, whatever its size says.
  @Test func theLastHugePageIsWhole() throws {
    let file = try MemoryFile.create("test-range", byteCount: 0x30_0000)
    let inside = try FileRange(
      file.file, offset: 0x30_0000, byteCount: 0x10_0000, page: 2 << 20, alarm: try alarm())
    #expect(inside.memory.count == 0x10_0000)
    #expect(throws: RangeRefusal.self) {
      try FileRange(file.file, offset: 0x30_0000, byteCount: 0x10_0001, page: 2 << 20, alarm: try alarm())
    }
  }
}
