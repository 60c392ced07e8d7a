// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Block
import BlockProtocol
import Frontend
import Linux
import Testing
import VirtioProtocol
import Wire

/// Requests that are no transfers, and requests that make no sense. Invariants:
/// - each is answered with the status of VIRTIO 1.3 section 5.2.6.2, and only a chain without room for one is not;
/// - a zeroed range reads as zeroes, a discarded one of a file too, and nothing else has changed;
/// - nothing changes a read-only volume.
@Suite(.timeLimit(.minutes(30)))
struct RequestTests {
  private static let image = pattern(1 << 20)

  @Test(arguments: Way.all)
  func flushIsAnswered(_ way: Way) throws {
    let disk = try Disk(way, contents: Self.image)
    for _ in 0..<10 { try disk.client.flushCache() }
    let counts = disk.device.operationReadings
    #expect(counts.count == 1)
    #expect(counts[0].operation == "flush" && counts[0].count == 10 && counts[0].failures == 0)
  }

  @Test func theSerialNumberIsTheOneThatWasGiven() throws {
    for serial in ["MARTLET-7", "12345678901234567890"] {
      let disk = try Disk { $0.serial = serial }
      #expect(try disk.client.identifier() == serial)
      let short = BlockRequest(BlockRequestHeader(.getID, sector: 0), receivedByteCount: 4)
      #expect(try disk.client.perform(short).data == Array(serial.utf8.prefix(4)))
      let long = BlockRequest(BlockRequestHeader(.getID, sector: 0), receivedByteCount: 60)
      let padding = [UInt8](repeating: 0, count: 20 - serial.utf8.count)
      #expect(try Array(disk.client.perform(long).data.prefix(20)) == Array(serial.utf8) + padding)
    }
  }

  @Test func withoutOneTheSerialNumberIsTheImagesOwn() throws {
    let image = try ImageFile(byteCount: 1 << 20)
    let disks = [try Disk(image: image), try Disk(image: image), try Disk()]
    let serials = try disks.map { try $0.client.identifier() }
    #expect(serials[0] == serials[1])
    #expect(serials[0] != serials[2])
    #expect(serials[0].hasPrefix("martlet") && serials[0].utf8.count == 20)
  }

  @Test(arguments: [21, 0])
  func impossibleSerialNumbersAreRefused(_ length: Int) {
    #expect(throws: VolumeError.self) { try Disk { $0.serial = String(repeating: "x", count: length) } }
  }

  // MARK: Ranges

  @Test(arguments: Way.all)
  func zeroedRangesReadAsZeroes(_ way: Way) throws {
    let disk = try Disk(way, contents: Self.image)
    var expected = Self.image
    let unmap = BlockRange.unmap
    for ranges in [
      [BlockRange(sector: 0, numSectors: 1)], [BlockRange(sector: 9, numSectors: 3, flags: unmap)],
      [BlockRange(sector: 16, numSectors: 64), BlockRange(sector: 200, numSectors: 333, flags: unmap)],
      [BlockRange(sector: 1000, numSectors: 0)], (0..<256).map { BlockRange(sector: 1024 + $0 * 2, numSectors: 1) },
    ] {
      try disk.client.perform(BlockRequest(.writeZeroes, ranges: ranges))
      for range in ranges {
        let (start, count) = (Int(range.sector) * 512, Int(range.numSectors) * 512)
        expected.replaceSubrange(start..<start + count, with: [UInt8](repeating: 0, count: count))
      }
      #expect(try disk.image.bytes(at: 0, count: expected.count) == expected)
      #expect(try disk.client.read(sector: 0, byteCount: expected.count) == expected)
    }
  }

  @Test(arguments: Way.all)
  func discardGivesSpaceBack(_ way: Way) throws {
    let disk = try Disk(way, contents: Self.image)
    try disk.client.flushCache()
    let before = disk.image.allocated
    try disk.client.discard(BlockRange(sector: 256, numSectors: 1024), BlockRange(sector: 1600, numSectors: 256))
    #expect(disk.image.allocated <= before - (1280 - 16) * 512)
    var expected = Self.image
    for range in [256 * 512..<1280 * 512, 1600 * 512..<1856 * 512] {
      expected.replaceSubrange(range, with: [UInt8](repeating: 0, count: range.count))
    }
    #expect(try disk.image.bytes(at: 0, count: expected.count) == expected)
  }

  @Test func zeroingWithoutUnmapKeepsTheSpaceAndWithItGivesItBack() throws {
    let disk = try Disk(contents: Self.image)
    try disk.client.flushCache()
    let before = disk.image.allocated
    try disk.client.writeZeroes(BlockRange(sector: 0, numSectors: 512))
    #expect(disk.image.allocated >= before)
    try disk.client.writeZeroes(BlockRange(sector: 0, numSectors: 512, flags: BlockRange.unmap))
    #expect(disk.image.allocated <= before - 500 * 512)
  }

  @Test(arguments: [BlockRequestType.discard, .writeZeroes])
  func rangesThatMakeNoSenseAreRefused(_ type: BlockRequestType) throws {
    let disk = try Disk(byteCount: 1 << 20, contents: Self.image)
    func status(_ ranges: [BlockRange], extra: [UInt8] = []) throws -> UInt8 {
      var request = BlockRequest(type, ranges: ranges)
      request.sent += extra
      return try disk.client.answer(to: request).status
    }
    let error = BlockStatus.ioError.rawValue
    let unsupported = BlockStatus.unsupported.rawValue
    #expect(try status([]) == error)
    #expect(try status([BlockRange(sector: 0, numSectors: 1)], extra: [0]) == error)
    #expect(try status([BlockRange(sector: 2048, numSectors: 1)]) == error)
    #expect(try status([BlockRange(sector: 2047, numSectors: 2)]) == error)
    #expect(try status([BlockRange(sector: .max, numSectors: 1)]) == error)
    #expect(try status([BlockRange(sector: 0, numSectors: .max)]) == error)
    #expect(try status((0..<257).map { BlockRange(sector: $0, numSectors: 1) }) == error)
    #expect(try status([BlockRange(sector: 0, numSectors: 1, flags: 2)]) == unsupported)
    #expect(try status([BlockRange(sector: 0, numSectors: 1, flags: 0x8000_0000)]) == unsupported)
    if type == .discard {
      #expect(try status([BlockRange(sector: 0, numSectors: 1, flags: BlockRange.unmap)]) == unsupported)
    }
    // A good range before a bad one: nothing is done.
    #expect(try status([BlockRange(sector: 0, numSectors: 8), BlockRange(sector: 2048, numSectors: 1)]) == error)
    #expect(try disk.image.bytes(at: 0, count: 1 << 20) == Self.image)
  }

  @Test func erasingAFileIsUnsupported() throws {
    let disk = try Disk(contents: Self.image)
    #expect(!disk.driver.offeredFeatures.contains(.device(BlockFeatureBit.secureErase)))
    let request = BlockRequest(.secureErase, ranges: [BlockRange(sector: 0, numSectors: 8)])
    #expect(try disk.client.answer(to: request).status == BlockStatus.unsupported.rawValue)
  }

  // MARK: Nonsense

  @Test(arguments: Way.all)
  func unknownTypesAreUnsupported(_ way: Way) throws {
    let disk = try Disk(way, contents: Self.image)
    for type: UInt32 in [2, 3, 5, 6, 7, 9, 10, 12, 15, 16, 24, 0x8000_0000, 0x8000_0001, .max] {
      var header = BlockRequestHeader()
      header.type = type
      let answer = try disk.client.answer(to: BlockRequest(header, sent: [1, 2, 3], receivedByteCount: 8))
      #expect(answer.status == BlockStatus.unsupported.rawValue, "type \(type)")
    }
  }

  @Test func headersThatAreTooShortAreAnswered() throws {
    let disk = try Disk(contents: Self.image)
    let ram = disk.driver.ram
    let queue = disk.driver.queues[0]
    for count in [0, 1, 15] {
      let status = try ram.allocate(1)
      status.segment.store(UInt8(0xff))
      let readable = count > 0 ? [try ram.allocate(count)] : []
      try queue.add(readable: readable, writable: [status])
      queue.submit()
      #expect(try queue.takeNext().length == 1)
      #expect(status.segment.load(UInt8.self) == BlockStatus.ioError.rawValue, "\(count) bytes")
    }
    // No place for a status: nothing is written, and the queue goes on.
    let header = try ram.allocate(16)
    header.segment.store(BlockRequestHeader(.write, sector: 0))
    try queue.add(readable: [header], writable: [])
    queue.submit()
    #expect(try queue.takeNext().length == 0)
    #expect(try disk.client.read(sector: 0, byteCount: 512) == Array(Self.image[0..<512]))
    #expect(disk.device.operationReadings.first { $0.operation == "malformed" }?.count == 4)
  }

  // MARK: Read-only

  @Test(arguments: Way.all)
  func aReadOnlyVolumeDoesNotChange(_ way: Way) throws {
    let disk = try Disk(way, contents: Self.image) { $0.readOnly = true }
    let offered = disk.driver.offeredFeatures
    #expect(offered.contains(.device(BlockFeatureBit.readOnly)))
    for bit in [BlockFeatureBit.discard, BlockFeatureBit.writeZeroes, BlockFeatureBit.configWCE] {
      #expect(!offered.contains(.device(bit)))
    }
    let range = [BlockRange(sector: 0, numSectors: 8)]
    for request in [
      BlockRequest(BlockRequestHeader(.write, sector: 0), sent: [UInt8](repeating: 1, count: 512)),
      BlockRequest(.discard, ranges: range), BlockRequest(.writeZeroes, ranges: range),
      BlockRequest(.secureErase, ranges: range),
    ] {
      #expect(try disk.client.answer(to: request).status == BlockStatus.ioError.rawValue)
    }
    try disk.client.flushCache()
    #expect(try disk.client.read(sector: 0, byteCount: 4096) == Array(Self.image[0..<4096]))
    #expect(try disk.image.bytes(at: 0, count: Self.image.count) == Self.image)
  }
}
