// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import BlockProtocol
import Frontend
import Linux
import Support
import Testing
import VirtioProtocol
import Wire

/// Guests that ask for what makes no sense or is unusual, of the program in its sandbox. Invariants:
/// - each request gets the status of VIRTIO 1.3 section 5.2.6.2, nothing outside of the volume is read or written, and
///   the program lives;
/// - writes over each other leave each sector as one of them wanted it.
@Suite(.serialized, .timeLimit(.minutes(30)))
struct BadGuestTests {
  private static let contents = [UInt8](repeating: 1, count: 1 << 19) + pattern(1 << 19)
  private static let error = BlockStatus.ioError.rawValue

  /// What has to be known of a running volume.
  private struct Setting {
    let image: ImageFile
    let volume: RunningVolume
    let driver: VhostUserDriver
    var client: BlockClient { BlockClient(driver.queues[0]) }

    init(_ way: RunningWay, queues: Int = 1, queueSize: Int = 128) throws {
      image = try ImageFile(byteCount: 1 << 20, contents: BadGuestTests.contents)
      volume = try RunningVolume(
        image.path, way.options + ["--num-queues=\(queues)", "--queue-size=\(queueSize)"])
      driver = try volume.attach(queues: queues, queueSize: queueSize)
    }

    func bytes() throws -> [UInt8] { try image.bytes(at: 0, count: 1 << 21) }
  }

  @Test(arguments: RunningWay.all)
  func nothingBeyondTheEndIsReadOrWritten(_ way: RunningWay) throws {
    let setting = try Setting(way)
    let client = setting.client
    let places: [(UInt64, Int)] = [
      (2048, 512), (2047, 1024), (2040, 8192), (1 << 55, 512), (.max, 512), (.max - 7, 4096),
    ]
    for (sector, count) in places {
      let read = try client.answer(
        to: BlockRequest(BlockRequestHeader(.read, sector: sector), receivedByteCount: count))
      #expect(read.status == Self.error && read.data.allSatisfy { $0 == 0 }, "read \(sector)")
      let bytes = [UInt8](repeating: 1, count: count)
      let write = BlockRequest(BlockRequestHeader(.write, sector: sector), sent: bytes)
      #expect(try client.answer(to: write).status == Self.error, "write \(sector)")
      for type in [BlockRequestType.discard, .writeZeroes] {
        let range = BlockRange(sector: sector, numSectors: UInt32(count / 512))
        #expect(try client.answer(to: BlockRequest(type, ranges: [range])).status == Self.error, "\(type) \(sector)")
      }
    }
    #expect(try client.read(sector: 2047, byteCount: 512) == Array(Self.contents.suffix(512)))
    #expect(try setting.bytes() == Self.contents)
    try setting.volume.end()
  }

  /// Sectors carry the number of the write that they come from.
  @Test(arguments: RunningWay.all)
  func writesOverEachOtherLeaveWholeSectors(_ way: RunningWay) throws {
    let setting = try Setting(way, queues: 2)
    let clients = setting.driver.queues.map { BlockClient($0) }
    var number: UInt16 = 0
    func sector(_ number: UInt16) -> [UInt8] { (0..<256).flatMap { _ in number.bytes } }
    for round in 0..<5 {
      var writers: [Int: Set<UInt16>] = [:]
      for turn in 0..<24 {
        for (index, client) in clients.enumerated() {
          number += 1
          let (first, count) = ((turn * 5 + index * 3 + round) % 48, 1 + (turn * 7 + index) % 16)
          let bytes = (0..<count).flatMap { _ in sector(number) }
          var write = BlockRequest(BlockRequestHeader(.write, sector: UInt64(first)), sent: bytes)
          write.misalignment = [0, 0, 8, 511][turn % 4]
          try client.add(write)
          for place in first..<first + count { writers[place, default: []].insert(number) }
        }
      }
      for client in clients { client.flush() }
      for client in clients { for _ in 0..<24 { _ = try client.complete().answer.checked() } }
      let bytes = try clients[0].read(sector: 0, byteCount: 64 * 512)
      #expect(try setting.image.bytes(at: 0, count: bytes.count) == bytes)
      for (place, numbers) in writers {
        let found = Array(bytes[place * 512..<(place + 1) * 512])
        #expect(numbers.contains { sector($0) == found }, "round \(round), sector \(place)")
      }
    }
    let rest = try setting.bytes().dropFirst(64 * 512)
    #expect(rest == Self.contents.dropFirst(64 * 512))
    try setting.volume.end()
  }

  @Test(arguments: RunningWay.all)
  func emptyAndOddChainsAreAnswered(_ way: RunningWay) throws {
    let setting = try Setting(way)
    let client = setting.client
    #expect(try client.read(sector: 5, byteCount: 0).isEmpty)
    try client.write(sector: 5, [])
    for count in [1, 511, 513, 4095] {
      let read = BlockRequest(BlockRequestHeader(.read, sector: 0), receivedByteCount: count)
      #expect(try client.answer(to: read).status == Self.error, "\(count)")
      let write = BlockRequest(BlockRequestHeader(.write, sector: 0), sent: [UInt8](repeating: 1, count: count))
      #expect(try client.answer(to: write).status == Self.error, "\(count)")
    }
    // Descriptors without a byte, everywhere in the chain, and chains of nothing else.
    let (ram, queue) = (setting.driver.ram, setting.driver.queues[0])
    let (header, data, status) = (try ram.allocate(16), try ram.allocate(4096), try ram.allocate(1))
    let empty = header.part(from: 0, count: 0)
    header.segment.store(BlockRequestHeader(.read, sector: 1032))
    status.segment.store(UInt8(0xff))
    try queue.add(readable: [empty, header, empty], writable: [empty, data, empty, status, empty])
    queue.submit()
    #expect(try queue.takeNext().length == 4097)
    #expect(status.segment.load(UInt8.self) == 0)
    #expect(data.segment.bytes() == Array(Self.contents[(1 << 19) + 4096..<(1 << 19) + 8192]))
    let nothings: [([GuestBuffer], [GuestBuffer])] = [([empty], []), ([], [empty]), ([empty, empty], [empty, empty])]
    for (readable, writable) in nothings {
      try queue.add(readable: readable, writable: writable)
      queue.submit()
      #expect(try queue.takeNext().length == 0)
    }
    #expect(try client.read(sector: 0, byteCount: 512) == Array(Self.contents[0..<512]))
    #expect(try setting.bytes() == Self.contents)
    try setting.volume.end()
  }

  /// Headers over many descriptors, data in a thousand, all of them at odd addresses.
  @Test(arguments: RunningWay.all)
  func splitHeadersAndAThousandSegmentsServe(_ way: RunningWay) throws {
    let setting = try Setting(way, queueSize: 1024)
    let client = setting.client
    for (count, misalignment) in [(1000, 511), (1022, 0)] {
      var read = BlockRequest(BlockRequestHeader(.read, sector: 1024), receivedByteCount: count * 512)
      read.cutData(every: 512)
      read.readableCuts = Array(1..<16)
      read.misalignment = misalignment
      let start = 1 << 19
      #expect(try client.perform(read).data == Array(Self.contents[start..<start + count * 512]), "\(count)")
      let bytes = pattern(count * 512, seed: count)
      var write = BlockRequest(BlockRequestHeader(.write, sector: 1), sent: bytes)
      write.readableCuts = [3, 7, 8, 15] + stride(from: 16 + 100, to: 16 + count * 512, by: 700)
      write.misalignment = misalignment
      try client.perform(write)
      #expect(try setting.image.bytes(at: 512, count: bytes.count) == bytes, "\(count)")
    }
    try setting.volume.end()
  }
}
