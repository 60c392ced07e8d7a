// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Block
import BlockProtocol
import Foundation
import Frontend
import Linux
import Testing
import Virtio
import VirtioProtocol

/// What depends on where the image lies. Invariants:
/// - blocks that are larger than the guest's are read, changed and written so that no neighbour is lost;
/// - a device's own sizes are told, and it is discarded, zeroed and resized as a file is;
/// - a full disk is an error for the guest and nothing worse, and writes go on when there is room again.
@Suite(.enabled(if: Grounds.areThere, Grounds.why), .serialized, .timeLimit(.minutes(30)))
struct GroundTests {
  private static let image = pattern(1 << 20)

  @Test(arguments: [EngineChoice.auto, .threads])
  func partsOfLargeBlocksAreWrittenWithoutTouchingTheRest(_ engine: EngineChoice) throws {
    let ground = try MountedGround(ext4: 64 << 20, sectorByteCount: 4096)
    let way = Way(directory: ground.directory, direct: .on, engine: engine, testDescription: "4096")
    let disk = try Disk(way, contents: Self.image, queues: 3)
    #expect(try disk.config().blkSize == 512)
    #expect(try disk.config().physicalBlockExp == 3)
    var expected = Self.image
    // Neighbours in the same blocks, from all queues at once; whole blocks, zeroes and discards between them.
    for round in 0..<12 {
      var sector = round % 5
      for (index, client) in disk.clients.enumerated() {
        for number in 0..<14 {
          let count = [1, 2, 8, 3, 16, 1, 7][(number + round) % 7]
          let range = sector * 512..<(sector + count) * 512
          if number == 9 {
            let zeroed = BlockRange(sector: UInt64(sector), numSectors: UInt32(count))
            try client.add(BlockRequest(.writeZeroes, ranges: [zeroed]))
            expected.replaceSubrange(range, with: [UInt8](repeating: 0, count: range.count))
          } else {
            let bytes = pattern(range.count, seed: round * 1000 + index * 100 + number)
            var request = BlockRequest(BlockRequestHeader(.write, sector: UInt64(sector)), sent: bytes)
            request.misalignment = number % 3 == 0 ? 8 : 0
            try client.add(request)
            expected.replaceSubrange(range, with: bytes)
          }
          sector += count
        }
      }
      for client in disk.clients { client.flush() }
      for client in disk.clients { for _ in 0..<14 { _ = try client.complete().answer.checked() } }
      #expect(try disk.client.read(sector: 0, byteCount: 1 << 18) == Array(expected[0..<1 << 18]), "round \(round)")
    }
    #expect(try disk.image.bytes(at: 0, count: 1 << 20) == expected)
    // Reads of parts too, in buffers of any kind.
    for (sector, count, misalignment) in [(1, 512, 0), (7, 1024, 8), (3, 512 * 99, 0), (9, 4096, 511), (5, 1 << 18, 4)]
    {
      var read = BlockRequest(BlockRequestHeader(.read, sector: UInt64(sector)), receivedByteCount: count)
      read.misalignment = misalignment
      #expect(try disk.client.perform(read).data == Array(expected[sector * 512..<sector * 512 + count]))
    }
  }

  /// A last write to a part of a block would make such an image larger.
  @Test func anImageThatIsNoWholeBlocksIsNotWrittenDirectly() throws {
    let ground = try MountedGround(ext4: 64 << 20, sectorByteCount: 4096)
    let image = try ImageFile(in: ground.directory, byteCount: (1 << 20) + 512)
    do {
      _ = try Image(path: image.path, readOnly: false, direct: .on)
      Issue.record("it was taken")
    } catch {
      #expect(error.message.contains("no multiple of 4096, as direct I/O needs it; round it up"), "\(error.message)")
    }
    #expect(try !Image(path: image.path, readOnly: false, direct: .prefer).isDirect)
    #expect(try Image(path: image.path, readOnly: true, direct: .on).isDirect)
    // One that becomes so while it is served shows its whole blocks.
    let way = Way(directory: ground.directory, direct: .on, engine: .auto, testDescription: "4096")
    let disk = try Disk(way, contents: Self.image)
    try disk.image.resize((6 << 20) + 1536)
    disk.device.refreshCapacity()
    #expect(try disk.config().capacity == 6 << 11)
    let beyond = BlockRequest(BlockRequestHeader(.write, sector: 6 << 11), sent: pattern(512))
    #expect(try disk.client.answer(to: beyond).status == BlockStatus.ioError.rawValue)
    #expect(try Path(disk.image.path).status().size == (6 << 20) + 1536)
  }

  /// All bounce memory belongs to requests that wait for a write of whole blocks, and that write needs some.
  @Test func rangesAndUnalignedWritesDoNotWaitForEachOther() throws {
    let ground = try MountedGround(ext4: 64 << 20, sectorByteCount: 4096)
    let way = Way(directory: ground.directory, direct: .on, engine: .auto, testDescription: "4096")
    let disk = try Disk(way, contents: Self.image, queues: 2, memoryMiB: 64)
    for round in 0..<4 {
      for client in disk.clients {
        for number in 0..<120 {
          if number % 3 == round % 3 {
            try client.add(BlockRequest(.writeZeroes, ranges: [BlockRange(sector: 0, numSectors: 256)]))
          } else {
            var write = BlockRequest(BlockRequestHeader(.write, sector: 8), sent: pattern(65536, seed: number))
            write.misalignment = 8
            try client.add(write)
          }
        }
      }
      for client in disk.clients { client.flush() }
      for client in disk.clients { for _ in 0..<120 { _ = try client.complete().answer.checked() } }
    }
  }

  @Test(arguments: [512, 4096], [DirectIO.on, .off])
  func aBlockDeviceIsServedAsItIs(_ sectorByteCount: Int, _ direct: DirectIO) throws {
    let loop = try LoopDevice(byteCount: 16 << 20, sectorByteCount: sectorByteCount)
    try loop.image.write(Self.image, at: 0)
    var options = VolumeOptions(name: "device")
    options.direct = direct
    let image = try Image(path: loop.path, readOnly: false, direct: direct)
    #expect(image.isDevice)
    let device = try BlockDevice(options, image: image)
    let bytes = device.readConfiguration(offset: 0, byteCount: 72)
    let config = try #require(bytes.load(BlockConfig.self))
    #expect(config.capacity == 32768)
    #expect(config.blkSize == UInt32(sectorByteCount))
    #expect(device.description.features.contains(.device(BlockFeatureBit.discard)))
    #expect(!device.description.features.contains(.device(BlockFeatureBit.secureErase)))
    if sectorByteCount > 512 {
      options.blockByteCount = 512
      #expect(throws: VolumeError.self) { try BlockDevice(options, image: image) }
    }
  }

  @Test(arguments: [DirectIO.on, .off])
  func aBlockDeviceIsReadWrittenZeroedDiscardedAndResized(_ direct: DirectIO) throws {
    let loop = try LoopDevice(byteCount: 8 << 20)
    let way = Way(directory: "/dev", direct: direct, engine: .auto, testDescription: "device")
    let disk = try Disk(way, image: try ImageFile(linking: loop.path))
    try disk.client.write(sector: 8, Array(Self.image[0..<65536]))
    try disk.client.flushCache()
    #expect(try disk.client.read(sector: 8, byteCount: 65536) == Array(Self.image[0..<65536]))
    try disk.client.writeZeroes(BlockRange(sector: 8, numSectors: 8))
    try disk.client.writeZeroes(BlockRange(sector: 16, numSectors: 8, flags: BlockRange.unmap))
    try disk.client.discard(BlockRange(sector: 24, numSectors: 8))
    let zeroes = [UInt8](repeating: 0, count: 24 * 512)
    #expect(try disk.client.read(sector: 8, byteCount: 24 * 512) == zeroes)
    try loop.image.resize(9 << 20)
    try host("losetup", "--set-capacity", loop.path)
    disk.device.refreshCapacity()
    #expect(try disk.config().capacity == 9 << 11)
  }

  @Test func aFullDiskIsAnErrorAndNotTheEnd() throws {
    let ext4 = try MountedGround(ext4: 8 << 20, sectorByteCount: 512)
    let tmpfs = try MountedGround(tmpfs: 2 << 20)
    for way in [
      Way(directory: ext4.directory, direct: .on, engine: .auto, testDescription: "ring"),
      Way(directory: ext4.directory, direct: .off, engine: .auto, testDescription: "cached"),
      Way(directory: ext4.directory, direct: .on, engine: .threads, testDescription: "threads"),
      Way(directory: tmpfs.directory, direct: .off, engine: .auto, testDescription: "memory"),
    ] {
      let disk = try Disk(way, byteCount: 32 << 20, contents: [1])
      let ballast = way.directory + "/ballast"
      // The last way's image is gone when its last thread has let go of it.
      try eventually("there is room for the ballast") {
        (try? Data(count: 512 << 10).write(to: URL(fileURLWithPath: ballast))) != nil
      }
      let piece = [UInt8](repeating: 9, count: 65536)
      var failedAt: UInt64?
      for number in 0..<UInt64(400) where failedAt == nil {
        let request = BlockRequest(BlockRequestHeader(.write, sector: number * 128), sent: piece)
        let answer = try disk.client.answer(to: request)
        if answer.status == BlockStatus.ioError.rawValue { failedAt = number }
      }
      let failed = try #require(failedAt, "the disk did not fill")
      #expect(disk.backend.reports.all.contains { $0.contains("a write of the image") }, "\(disk.backend.reports.all)")
      // What was written before is there, what fits nowhere is not needed for it.
      #expect(try disk.client.read(sector: 0, byteCount: 65536) == piece)
      try FileManager.default.removeItem(atPath: ballast)
      try eventually("there is room again") {
        let request = BlockRequest(BlockRequestHeader(.write, sector: failed * 128), sent: piece)
        return try disk.client.answer(to: request).status == 0
      }
      #expect(try disk.image.bytes(at: Int(failed) * 65536, count: 65536) == piece)
    }
  }
}
