// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import BlockProtocol
import Foundation
import Frontend
import Linux
import Support
import Testing

/// Hosts that fail, under the program in its sandbox. Invariants:
/// - where a file system cannot do what was asked for, a sentence says so, before there is a socket; with "prefer" the
///   log says so, and the volume is served;
/// - what the disk refuses is an I/O error for the guest and a line in the log; everything else goes on, and that too
///   as soon as the disk can.
@Suite(.serialized, .enabled(if: Grounds.areThere, Grounds.why), .timeLimit(.minutes(30)))
struct HostFaultTests {
  private static let contents = pattern(1 << 14)
  private static let piece = [UInt8](repeating: 9, count: 1 << 14)

  private func status(_ client: BlockClient, _ type: BlockRequestType, _ sector: Int, _ byteCount: Int) throws -> UInt8
  {
    let header = BlockRequestHeader(type, sector: UInt64(sector))
    let request =
      type == .read
      ? BlockRequest(header, receivedByteCount: byteCount)
      : BlockRequest(header, sent: [UInt8](repeating: 9, count: byteCount))
    return try client.answer(to: request).status
  }

  // MARK: No direct I/O

  /// A file system that refuses O_DIRECT (ramfs), and one that takes it and does not do it.
  @Test(arguments: ["ramfs", "data=journal"], ["auto", "threads"])
  func withoutDirectIOThereIsASentenceOrThePageCache(_ kind: String, _ engine: String) throws {
    let ground =
      kind == "ramfs" ? try MountedGround(ramfs: "martlet-test") : try MountedGround(ext4: 64 << 20, journalsData: true)
    let image = try ImageFile(in: ground.directory, byteCount: 1 << 20, contents: Self.contents)
    if kind != "ramfs" {
      let file = try image.open(OpenFlags.readWrite | OpenFlags.direct)
      // Linux before 6.1 does not tell, and martlet-blk cannot know.
      guard try file.file.directAlignment() != nil else { return print("data=journal: the kernel does not tell") }
    }
    for more in [[], ["--read-only"]] {
      let words = ["--engine=\(engine)"] + more
      let refusal = try RunningVolume.refusal(image.path, ["--direct"] + words)
      #expect(refusal.contains("'\(image.path)' has no direct I/O (O_DIRECT); give --direct=prefer"), "\(refusal)")
      let volume = try RunningVolume(image.path, ["--direct=prefer"] + words)
      #expect(volume.log.contains("requests go through the page cache"), "\(volume.log)")
      let client = BlockClient(try volume.attach().queues[0])
      #expect(try client.read(sector: 3, byteCount: 4096) == Array(Self.contents[1536..<5632]))
      if more.isEmpty {
        try client.write(sector: 1000, Self.piece)
        try client.flushCache()
        #expect(try image.bytes(at: 512_000, count: Self.piece.count) == Self.piece)
      }
      try volume.end()
    }
  }

  // MARK: A full disk

  @Test(arguments: RunningWay.all, ["ext4", "tmpfs"])
  func aFullDiskIsAnErrorUntilThereIsRoom(_ way: RunningWay, _ kind: String) throws {
    // Linux before 6.6 has no O_DIRECT on tmpfs.
    let way = kind == "tmpfs" ? RunningWay(engine: way.engine, direct: "prefer") : way
    let ground = kind == "tmpfs" ? try MountedGround(tmpfs: 2 << 20) : try MountedGround(ext4: 3 << 20)
    let ballast = ground.directory + "/ballast"
    try Data(count: 1 << 19).write(to: URL(fileURLWithPath: ballast))
    let image = try ImageFile(in: ground.directory, byteCount: 16 << 20, contents: Self.contents)
    let volume = try RunningVolume(image.path, way.options)
    let client = BlockClient(try volume.attach().queues[0])
    var full: Int?
    for number in 1..<400 where full == nil {
      if try status(client, .write, number * 32, 1 << 14) == BlockStatus.ioError.rawValue { full = number }
    }
    let failed = try #require(full, "the disk did not fill")
    #expect(volume.log.contains("a write of the image '\(image.path)' failed: No space left"), "\(volume.log)")
    // What was there is there, and can be written again.
    #expect(try client.read(sector: 0, byteCount: 1 << 14) == Self.contents)
    #expect(try client.read(sector: UInt64((failed - 1) * 32), byteCount: 1 << 14) == Self.piece)
    #expect(try status(client, .write, 32, 1 << 14) == 0)
    try FileManager.default.removeItem(atPath: ballast)
    try eventually("there is room again") { try status(client, .write, failed * 32, 1 << 14) == 0 }
    try client.flushCache()
    #expect(try image.bytes(at: failed << 14, count: 1 << 14) == Self.piece)
    try volume.end()
  }

  // MARK: A bad disk

  @Test(.enabled(if: FaultDisk.isThere, Comment(rawValue: FaultDisk.why)), arguments: RunningWay.all)
  func anErrorOfTheMediumIsOneForTheGuest(_ way: RunningWay) throws {
    let disk = try FaultDisk(byteCount: 4 << 20)
    let volume = try RunningVolume(disk.image, way.options)
    let client = BlockClient(try volume.attach().queues[0])
    let error = BlockStatus.ioError.rawValue
    // Eight sectors in the middle of a request, at its end, and all of it.
    try disk.fail("read", from: 1 << 20, count: 4096)
    for (sector, count) in [(2040, 16384), (2040, 8192), (2048, 4096), (2048, 512)] {
      let request = BlockRequest(BlockRequestHeader(.read, sector: UInt64(sector)), receivedByteCount: count)
      let answer = try client.answer(to: request)
      #expect(answer.status == error && answer.usedByteCount == count + 1, "\(count) from \(sector)")
      // Nothing of it may look like the disk's.
      #expect(answer.data.allSatisfy { $0 == 0 })
    }
    #expect(try status(client, .read, 2032, 4096) == 0)
    #expect(try status(client, .read, 2056, 4096) == 0)
    try disk.heal()
    #expect(try status(client, .read, 2040, 16384) == 0)

    try disk.fail("write", from: 2 << 20, count: 4096)
    for (sector, count) in [(4096, 4096), (4096, 512), (4090, 1 << 14)] {
      #expect(try status(client, .write, sector, count) == error, "\(count) to \(sector)")
    }
    let zeroes = BlockRequest(.writeZeroes, ranges: [BlockRange(sector: 4096, numSectors: 8)])
    #expect(try client.answer(to: zeroes).status == error)
    #expect(try status(client, .write, 4104, 4096) == 0)
    try disk.heal()
    #expect(try status(client, .write, 4090, 1 << 14) == 0)

    try disk.fail("sync")
    #expect(try client.answer(to: BlockRequest(BlockRequestHeader(.flush, sector: 0))).status == error)
    try disk.heal()
    try client.flushCache()
    let medium = try disk.mediumBytes()
    #expect(Array(medium[4090 * 512..<4122 * 512]) == Self.piece)
    #expect(volume.log.contains("a read of the image '\(disk.image)' failed: Input/output error"), "\(volume.log)")
    try volume.end()
  }
}
