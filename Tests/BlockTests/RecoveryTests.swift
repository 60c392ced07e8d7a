// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Block
import BlockProtocol
import Foundation
import Frontend
import Glibc
import Linux
import Support
import Testing
import VhostUserProtocol
import VirtioProtocol
import Wire

/// The daemon is killed in the middle of its work, again and again, and the guest goes on with the next one through the
/// same rings. Invariants:
/// - every chain is used exactly once, whoever answered it;
/// - a block holds what was written to it last, whatever was in flight when the daemon died: nothing that was
///   answered is lost, and nothing old is done again over something newer.
@Suite(.timeLimit(.minutes(30)))
struct RecoveryTests {
  /// A guest that outlives its backends.
  private final class Guest {
    static let queueSize = 64
    static let blockByteCount = 4096
    static let blockCount = 256

    let ram: GuestRAM
    private(set) var queues: [DriverQueue] = []
    private(set) var clients: [BlockClient] = []
    private var inflight: InflightMemory?
    private var connection: FrontendConnection?
    /// What each block holds, by the seed of its pattern; 0 is what it held at the start.
    var versions = [Int](repeating: 0, count: blockCount)
    /// Writes that were not answered, by queue and token: the block and its new version.
    var pending: [[UInt64: (block: Int, version: Int)]] = [[:], [:]]
    var flushes: [Set<UInt64>] = [[], []]
    private var lastVersion = 0
    private(set) var answered = 0

    init() throws {
      ram = try GuestRAM(byteCount: 16 << 20)
    }

    /// The handshake of a frontend that reconnects: the area for requests in flight before the rings.
    func attach(to path: String) throws {
      let connection = try FrontendConnection(path: path, timeoutNanoseconds: 60_000_000_000)
      self.connection = connection
      try connection.setOwner()
      let features = try connection.getFeatures().subtracting([.logAll, .ringPacked])
      try connection.setProtocolFeatures([.mq, .replyAck, .inflightShmfd, .config])
      if queues.isEmpty {
        for index in 0..<2 {
          queues.append(try DriverQueue(index: index, size: Self.queueSize, ram: ram, features: features))
        }
        clients = queues.map { BlockClient($0) }
      }
      try connection.setFeatures(features, needReply: true)
      if inflight == nil { inflight = try connection.getInflight(queueCount: 2, queueSize: Self.queueSize) }
      if let inflight { try connection.setInflight(inflight, needReply: true) }
      try connection.setMemoryTable(ram, needReply: true)
      for queue in queues {
        try connection.setRingSize(queue.index, queue.size, needReply: true)
        try connection.setRingBase(queue.index, queue.deviceUsedIndex, needReply: true)
        try connection.setRingAddress(queue.addresses(), needReply: true)
        try connection.setCall(queue.index, queue.callEvent.file, needReply: true)
        try connection.setKick(queue.index, queue.kickEvent.file, needReply: true)
        try connection.setRingEnabled(queue.index, true, needReply: true)
        // What was added while nobody was there.
        queue.kick()
      }
    }

    func detach() {
      connection?.close()
      connection = nil
    }

    /// Begins writes to blocks that have none in flight, and a flush now and then.
    func begin(_ count: Int, on index: Int) throws {
      let busy = Set(pending.flatMap { $0.values.map(\.block) })
      var left = count
      for _ in 0..<count * 3 where left > 0 && queues[index].freeCount > 8 {
        let block = Int.random(in: 0..<Self.blockCount)
        if busy.contains(block) || pending[index].values.contains(where: { $0.block == block }) { continue }
        lastVersion += 1
        var request = BlockRequest(
          BlockRequestHeader(.write, sector: UInt64(block * 8)), sent: pattern(Self.blockByteCount, seed: lastVersion))
        request.misalignment = lastVersion % 7 == 0 ? 8 : 0
        pending[index][try clients[index].add(request)] = (block, lastVersion)
        left -= 1
      }
      if queues[index].freeCount > 8 {
        flushes[index].insert(try clients[index].add(BlockRequest(BlockRequestHeader(.flush, sector: 0))))
      }
      clients[index].flush()
    }

    /// Takes the answers that are there; returns how many.
    @discardableResult
    func take() throws -> Int {
      var count = 0
      for index in clients.indices {
        while let (token, answer) = try clients[index].completeWithoutWaiting() {
          _ = try answer.checked()
          count += 1
          if flushes[index].remove(token) != nil { continue }
          let write = pending[index].removeValue(forKey: token)
          let known = try #require(write, "an answer to nothing")
          versions[known.block] = known.version
        }
      }
      answered += count
      return count
    }

    var inFlight: Int { clients.reduce(0) { $0 + $1.inFlightCount } }
  }

  private static func start(_ path: String, _ image: ImageFile, _ way: Way, in place: Workplace) throws
    -> RunningProgram
  {
    let program = try RunningProgram(
      [
        BuildFolder.program("martlet-blk"), "--blk-file=\(image.path)", "--socket-path=\(path)", "--num-queues=2",
        "--direct=\(way.direct.rawValue)", "--engine=\(way.engine.rawValue)", "--sandbox=none", "--log-level=warn",
      ], in: place)
    try eventually("the daemon listens: \(program.log)") { (try? UnixSocket.connect(to: path)) != nil }
    return program
  }

  @Test(arguments: [Way.ringDirect, .ringBuffered, .threadsDirect])
  func nothingIsLostAndNothingIsDoneTwice(_ way: Way) throws {
    let rounds = ProcessInfo.processInfo.environment["MARTLET_SLOW"] == nil ? 17 : 50
    let place = try Workplace()
    let size = Guest.blockCount * Guest.blockByteCount
    let image = try ImageFile(byteCount: size, contents: [UInt8](repeating: 0, count: size))
    let guest = try Guest()
    var leftInFlight = 0
    for round in 0..<rounds {
      let path = place.file("s\(round)")
      let program = try Self.start(path, image, way, in: place)
      try guest.attach(to: path)
      // Everything that the last one left is done first; then what it wrote must be there.
      try eventually("round \(round): \(guest.inFlight) requests were not answered; \(program.log)") {
        try guest.take()
        return guest.inFlight == 0
      }
      try check(guest, image, round)
      // Killed after some of its answers, with others in flight.
      let goal = Int.random(in: 0...300)
      var done = 0
      try eventually("round \(round): the daemon does not answer; \(program.log)") {
        for index in 0..<2 { try guest.begin(8, on: index) }
        done += try guest.take()
        return done >= goal
      }
      for index in 0..<2 { try guest.begin(8, on: index) }
      kill(program.identifier, SIGKILL)
      _ = try program.waitBlocking()
      guest.detach()
      try guest.take()
      leftInFlight += guest.inFlight
    }
    print("\(way.testDescription): \(guest.answered) answers, \(leftInFlight) requests in flight when the daemon died")
    // What is cached is done before a signal can come.
    if way.direct == .on { #expect(leftInFlight > 0, "no daemon died with work to do") }
  }

  private func check(_ guest: Guest, _ image: ImageFile, _ round: Int) throws {
    let bytes = try image.bytes(at: 0, count: Guest.blockCount * Guest.blockByteCount)
    for (block, version) in guest.versions.enumerated() {
      let start = block * Guest.blockByteCount
      let expected =
        version == 0
        ? [UInt8](repeating: 0, count: Guest.blockByteCount) : pattern(Guest.blockByteCount, seed: version)
      if Array(bytes[start..<start + Guest.blockByteCount]) != expected {
        Issue.record("round \(round): block \(block) does not hold version \(version)")
      }
    }
  }
}
