// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Block
import BlockProtocol
import Frontend
import Linux
import Testing
import VhostUserProtocol
import VirtioProtocol
import Wire

/// Live migration under a volume. Invariants:
/// - once the driver's features say LOG_ALL, every page of guest memory that the device changes is marked in the log,
///   the used ring included, whoever did the request; a page that it only reads is not;
/// - without LOG_ALL nothing is.
@Suite(.timeLimit(.minutes(30)))
struct DirtyLogTests {
  private static let image = pattern(1 << 20)
  private static let page = 4096

  /// The log's bytes, read as the specification describes them: one bit for 4096 bytes, least significant first.
  private final class Log {
    let description: LogDescription
    let file: SharedDescriptor
    private let mapping: Mapping

    init(_ ram: GuestRAM) throws {
      let byteCount = 1 << 16
      let memory = try MemoryFile.create("dirty-log", byteCount: byteCount)
      mapping = try Mapping(memory.file, byteCount: byteCount)
      file = SharedDescriptor(memory)
      description = LogDescription(size: UInt64(byteCount))
    }

    /// Numbers of the pages that are marked.
    var pages: Set<Int> {
      Set(
        (0..<mapping.segment.count).flatMap { byte in
          let bits: UInt8 = mapping.segment.load(at: byte) ?? 0
          return (0..<8).filter { bits & (1 << $0) != 0 }.map { byte * 8 + $0 }
        })
    }

    func clear() { mapping.segment.zero() }
  }

  /// A driver that migrates: its memory, one queue, one log.
  private struct Migration {
    let backend: Backend
    let connection: FrontendConnection
    let ram: GuestRAM
    let queue: DriverQueue
    let log: Log

    init(_ way: Way, logs: Bool) throws {
      var options = VolumeOptions(name: "migration")
      options.direct = way.direct
      options.engine = way.engine
      backend = try Backend(
        try ImageFile(in: way.directory, byteCount: 1 << 20, contents: DirtyLogTests.image), options)
      connection = try backend.connect()
      try connection.setOwner()
      var features = try connection.getFeatures().subtracting([.ringPacked, .logAll])
      try connection.setProtocolFeatures([.logShmfd, .replyAck, .config])
      ram = try GuestRAM(byteCount: 16 << 20)
      log = try Log(ram)
      queue = try DriverQueue(index: 0, size: 128, ram: ram, features: features)
      if logs { features.insert(.logAll) }
      try connection.setFeatures(features, needReply: true)
      try connection.setMemoryTable(ram, needReply: true)
      _ = try connection.setLog(log.description, file: log.file.file)
      try connection.setRingSize(0, 128, needReply: true)
      try connection.setRingBase(0, 0, needReply: true)
      try connection.setRingAddress(queue.addresses(flags: logs ? .log : []), needReply: true)
      try connection.setCall(0, queue.callEvent.file, needReply: true)
      try connection.setKick(0, queue.kickEvent.file, needReply: true)
      try connection.setRingEnabled(0, true, needReply: true)
    }

    /// A request whose parts have pages of their own; returns the pages of the part that the device may write.
    func request(_ header: BlockRequestHeader, sends: [UInt8] = [], takes: Int, misalignment: Int = 0) throws -> [Int] {
      let question = try ram.allocate(DirtyLogTests.page, alignment: 4096)
      question.segment.store(header)
      var readable = [question.part(from: 0, count: BlockRequestHeader.byteCount)]
      if !sends.isEmpty {
        let data = try ram.allocate(sends.count + misalignment, alignment: 4096)
        data.segment.dropFirst(misalignment).copy(sends)
        readable.append(data.part(from: misalignment, count: sends.count))
      }
      let room = try ram.allocate((takes + misalignment + 4095) & ~4095, alignment: 4096)
      let status = try ram.allocate(DirtyLogTests.page, alignment: 4096)
      var writable = [status.part(from: 100, count: 1)]
      if takes > 0 { writable.insert(room.part(from: misalignment, count: takes), at: 0) }
      try queue.add(readable: readable, writable: writable)
      queue.submit()
      _ = try queue.takeNext()
      #expect(status.segment.load(UInt8.self, at: 100) == 0)
      return writable.flatMap { buffer in
        let first = Int(buffer.guestAddress) / 4096
        return Array(first...(Int(buffer.guestAddress) + buffer.count - 1) / 4096)
      }
    }

    /// Where the used ring is: the page of its index and those of its elements.
    var usedPages: Set<Int> {
      let start = Int(queue.used.guestAddress)
      return Set(start / 4096...(start + queue.used.count - 1) / 4096)
    }
  }

  @Test(arguments: Way.all)
  func whatTheDeviceWritesIsMarkedAndNothingElse(_ way: Way) throws {
    let migration = try Migration(way, logs: true)
    let log = migration.log
    for misalignment in [0, 8] {
      for (header, sends, takes) in [
        (BlockRequestHeader(.read, sector: 8), [], 3 * Self.page), (BlockRequestHeader(.read, sector: 9), [], 512),
        (BlockRequestHeader(.write, sector: 16), pattern(2 * Self.page), 0),
        (BlockRequestHeader(.flush, sector: 0), [], 0),
        (BlockRequestHeader(.getID, sector: 0), [], 20),
        (BlockRequestHeader(.writeZeroes, sector: 0), BlockRange(sector: 64, numSectors: 8).bytes, 0),
        // A driver that gives a write more room than the status needs.
        (BlockRequestHeader(.write, sector: 16), pattern(512), Self.page + 1),
      ] {
        log.clear()
        let written = try migration.request(header, sends: sends, takes: takes, misalignment: misalignment)
        let marked = log.pages
        #expect(marked.isSuperset(of: written), "\(header)")
        #expect(marked.subtracting(written).isSubset(of: migration.usedPages), "\(header)")
        #expect(!marked.isDisjoint(with: migration.usedPages), "\(header): the used ring")
      }
    }
    // What could not be read was written too: zeroes.
    try migration.backend.image.resize(1 << 19)
    log.clear()
    let room = try migration.ram.allocate(2 * Self.page, alignment: 4096)
    let question = try migration.ram.allocate(16)
    question.segment.store(BlockRequestHeader(.read, sector: 1024))
    try migration.queue.add(readable: [question], writable: [room.part(from: 0, count: Self.page + 1)])
    migration.queue.submit()
    _ = try migration.queue.takeNext()
    let first = Int(room.guestAddress) / 4096
    #expect(log.pages.isSuperset(of: [first, first + 1]))
  }

  @Test func withoutLogAllNothingIsMarked() throws {
    let migration = try Migration(.ringDirect, logs: false)
    _ = try migration.request(BlockRequestHeader(.read, sector: 8), takes: 3 * Self.page)
    #expect(migration.log.pages.isEmpty)
  }
}
