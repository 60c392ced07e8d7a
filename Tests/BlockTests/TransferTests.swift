// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Block
import BlockProtocol
import Frontend
import Linux
import Testing
import VirtioProtocol

/// Reads and writes. Invariants, for every way of doing them:
/// - what the guest reads is what pread(2) of the image gives, what it writes is what pread(2) gives afterwards;
/// - no layout of header, data and status over descriptors makes a difference;
/// - the used length covers what was written and nothing else;
/// - what lies outside of the volume is refused, and nothing of it is done.
@Suite(.timeLimit(.minutes(30)))
struct TransferTests {
  private static let image = pattern(1 << 20)

  @Test(arguments: Way.all)
  func readsWhatTheImageHolds(_ way: Way) throws {
    let disk = try Disk(way, contents: Self.image)
    // What the way says is what happens: a ring that cannot be had would make all ways the same.
    #expect(disk.device.usesRing == (way.engine != .threads))
    for (sector, count) in [(0, 512), (0, 4096), (1, 512), (7, 1024), (8, 65536), (3, 512 * 77), (0, 1 << 20)] {
      let bytes = try disk.client.read(sector: UInt64(sector), byteCount: count)
      #expect(bytes == Array(Self.image[sector * 512..<sector * 512 + count]), "\(count) bytes from \(sector)")
    }
  }

  @Test(arguments: Way.all)
  func writesWhatTheGuestSays(_ way: Way) throws {
    let disk = try Disk(way, contents: Self.image)
    var expected = Self.image
    for (sector, count) in [(0, 512), (8, 4096), (17, 512), (31, 1536), (64, 65536), (129, 512 * 77), (512, 1 << 18)] {
      let bytes = pattern(count, seed: sector + 2)
      try disk.client.write(sector: UInt64(sector), bytes)
      expected.replaceSubrange(sector * 512..<sector * 512 + count, with: bytes)
    }
    try disk.client.flushCache()
    #expect(try disk.image.bytes(at: 0, count: expected.count) == expected)
  }

  /// Header, data and status cut in every way that drivers might think of.
  @Test(arguments: Way.all)
  func anyLayoutServes(_ way: Way) throws {
    let disk = try Disk(way, contents: Self.image)
    let cuts: [(readable: [Int], writable: [Int])] = [
      ([], []), ([1], [1]), ([15], [4095]), ([17], [4096]), ([16, 16 + 512], [512]),
      ([3, 8, 16, 100, 2000], [4, 4094]),
      (Array(1..<60), Array(4050...4096)), ([16 + 4095], [4095, 4096]),
    ]
    for (number, cut) in cuts.enumerated() {
      for misalignment in [0, 8, 511] {
        var read = BlockRequest(BlockRequestHeader(.read, sector: 40), receivedByteCount: 4096)
        read.readableCuts = cut.readable.filter { $0 < 16 }
        read.writableCuts = cut.writable
        read.misalignment = misalignment
        let answer = try disk.client.perform(read)
        #expect(answer.data == Array(Self.image[40 * 512..<48 * 512]), "read \(cut) + \(misalignment)")
        #expect(answer.usedByteCount == 4097)

        let bytes = pattern(4096, seed: number)
        var write = BlockRequest(BlockRequestHeader(.write, sector: 400), sent: bytes)
        write.readableCuts = cut.readable
        write.misalignment = misalignment
        #expect(try disk.client.perform(write).usedByteCount == 1)
        #expect(try disk.image.bytes(at: 400 * 512, count: 4096) == bytes, "write \(cut) + \(misalignment)")
      }
    }
  }

  @Test(arguments: Way.all)
  func chainsOfAThousandSegmentsServe(_ way: Way) throws {
    let disk = try Disk(way, contents: Self.image, queueSize: 1024)
    for count in [1000, 1024, 1500] {
      var read = BlockRequest(BlockRequestHeader(.read, sector: 0), receivedByteCount: count * 512)
      read.cutData(every: 512)
      #expect(try disk.client.perform(read).data == Array(Self.image[0..<count * 512]), "\(count)")
      var write = BlockRequest(BlockRequestHeader(.write, sector: 2048), sent: pattern(count * 512, seed: count))
      write.cutData(every: 512)
      try disk.client.perform(write)
      #expect(try disk.image.bytes(at: 2048 * 512, count: count * 512) == write.sent, "\(count)")
    }
  }

  @Test(arguments: Way.all)
  func requestsOutsideOfTheVolumeAreRefused(_ way: Way) throws {
    let disk = try Disk(way, byteCount: 1 << 20, contents: Self.image)
    let end: UInt64 = 2048
    for (sector, count) in [
      (end, 512), (end - 1, 1024), (UInt64.max, 512), (UInt64.max - 1, 4096), (UInt64.max / 512, 512), (1 << 55, 512),
    ] {
      var read = BlockRequest(BlockRequestHeader(.read, sector: sector), receivedByteCount: count)
      let answer = try disk.client.answer(to: read)
      #expect(answer.status == BlockStatus.ioError.rawValue, "read \(sector)")
      #expect(answer.usedByteCount == count + 1)
      #expect(answer.data == [UInt8](repeating: 0, count: count))
      read = BlockRequest(BlockRequestHeader(.write, sector: sector), sent: [UInt8](repeating: 1, count: count))
      #expect(try disk.client.answer(to: read).status == BlockStatus.ioError.rawValue, "write \(sector)")
    }
    #expect(try disk.image.bytes(at: 0, count: 1 << 21) == Self.image)
    #expect(try disk.client.read(sector: end - 1, byteCount: 512) == Array(Self.image.suffix(512)))
  }

  @Test(arguments: Way.all)
  func partsOfSectorsAreRefusedAndNothingIsNothing(_ way: Way) throws {
    let disk = try Disk(way, contents: Self.image)
    for count in [1, 511, 513, 4095] {
      let read = BlockRequest(BlockRequestHeader(.read, sector: 0), receivedByteCount: count)
      #expect(try disk.client.answer(to: read).status == BlockStatus.ioError.rawValue, "\(count)")
      let write = BlockRequest(BlockRequestHeader(.write, sector: 0), sent: [UInt8](repeating: 1, count: count))
      #expect(try disk.client.answer(to: write).status == BlockStatus.ioError.rawValue, "\(count)")
    }
    #expect(try disk.client.read(sector: 5, byteCount: 0) == [])
    try disk.client.write(sector: 5, [])
    #expect(try disk.image.bytes(at: 0, count: 8192) == Array(Self.image[0..<8192]))
  }

  /// Many requests in flight, in whatever order the answers come.
  @Test(arguments: Way.all)
  func manyInFlightEachGetsItsOwnAnswer(_ way: Way) throws {
    let disk = try Disk(way, contents: Self.image, queues: 2)
    for round in 0..<6 {
      for client in disk.clients {
        var wanted: [UInt64: Int] = [:]
        for number in 0..<48 {
          let sector = (number * 37 + round * 11) % 2000
          var read = BlockRequest(BlockRequestHeader(.read, sector: UInt64(sector)), receivedByteCount: 4096)
          read.misalignment = number % 5 == 0 ? 24 : 0
          wanted[try client.add(read)] = sector
        }
        client.flush()
        for _ in 0..<48 {
          let (token, answer) = try client.complete()
          let known = wanted.removeValue(forKey: token)
          let sector = try #require(known)
          #expect(try answer.checked().data == Array(Self.image[sector * 512..<sector * 512 + 4096]))
        }
      }
    }
  }

  /// Writes from all queues at once, each to blocks of its own; afterwards the image holds all of them.
  @Test(arguments: Way.all)
  func queuesWriteSideBySide(_ way: Way) throws {
    let queues = 3
    let disk = try Disk(way, queues: queues)
    var expected = [UInt8](repeating: 0, count: 1 << 20)
    for round in 0..<8 {
      for (index, client) in disk.clients.enumerated() {
        for number in 0..<16 {
          let sector = (number * queues + index) * 8 + round % 3
          let bytes = pattern(512 * (1 + number % 5), seed: round * 1000 + index * 100 + number)
          var request = BlockRequest(BlockRequestHeader(.write, sector: UInt64(sector)), sent: bytes)
          request.misalignment = number % 4 == 1 ? 40 : 0
          try client.add(request)
          expected.replaceSubrange(sector * 512..<sector * 512 + bytes.count, with: bytes)
        }
        client.flush()
      }
      for client in disk.clients {
        for _ in 0..<16 { _ = try client.complete().answer.checked() }
      }
    }
    #expect(try disk.image.bytes(at: 0, count: expected.count) == expected)
  }

  /// More at once than there is memory to align them with: some wait for others, all are done, none is mixed up.
  @Test(arguments: Way.all)
  func aHundredUnalignedRequestsAreUnderWay(_ way: Way) throws {
    let disk = try Disk(way, contents: Self.image)
    let count = 100
    var expected = Self.image
    for number in 0..<count {
      let bytes = pattern(1024 * (1 + number % 3), seed: number)
      var write = BlockRequest(BlockRequestHeader(.write, sector: UInt64(number * 8)), sent: bytes)
      write.misalignment = 8
      try disk.client.add(write)
      expected.replaceSubrange(number * 4096..<number * 4096 + bytes.count, with: bytes)
    }
    disk.client.flush()
    for _ in 0..<count { _ = try disk.client.complete().answer.checked() }
    var sectors: [UInt64: Int] = [:]
    for number in 0..<count {
      var read = BlockRequest(BlockRequestHeader(.read, sector: UInt64(number * 8)), receivedByteCount: 4096)
      read.misalignment = 8
      sectors[UInt64(try disk.client.add(read))] = number
    }
    disk.client.flush()
    for _ in 0..<count {
      let done = try disk.client.complete()
      let number = try #require(sectors[UInt64(done.token)])
      #expect(done.answer.data == Array(expected[number * 4096..<(number + 1) * 4096]), "request \(number)")
    }
    #expect(try disk.image.bytes(at: 0, count: expected.count) == expected)
  }
}
