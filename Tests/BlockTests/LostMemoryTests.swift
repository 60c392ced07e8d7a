// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Block
import BlockProtocol
import Foundation
import Frontend
import Linux
import Testing
import VirtioProtocol
import Wire

/// A frontend that truncates its guest memory while the volume works on requests in it. Invariants: no byte comes into
/// the image that the guest did not write; the volume lives and serves the next frontend.
@Suite(.timeLimit(.minutes(30)))
struct LostMemoryTests {
  private static let image = pattern(1 << 20)
  private static let boundary = 8 << 20

  /// A write whose data begins before the end of what is left of the memory, and ends behind it.
  @Test(arguments: Way.all, [0, 8])
  func aWriteWhoseDataIsGoneLeavesTheImageAlone(_ way: Way, _ misalignment: Int) throws {
    let disk = try Disk(way, byteCount: 1 << 20, contents: Self.image)
    let ram = disk.driver.ram
    let header = try #require(ram.buffer(at: 0x60_0000, count: BlockRequestHeader.byteCount))
    header.segment.store(BlockRequestHeader(.write, sector: 8))
    let data = try #require(ram.buffer(at: UInt64(Self.boundary - 4096 + misalignment), count: 8192))
    data.segment.copy(Array(Self.image[4096..<12288]))
    let status = try #require(ram.buffer(at: 0x61_0000, count: 1))
    try disk.driver.queues[0].add(readable: [header, data], writable: [status])
    try #require(ram.regions.first).file.setSize(Int64(Self.boundary))
    disk.driver.queues[0].submit()
    try eventually("the write is answered") { disk.device.operationReadings.first?.count == 1 }
    // As much of it as was there may have been written, and holds what it held before.
    #expect(try disk.image.bytes(at: 0, count: Self.image.count) == Self.image)
    #expect(disk.device.operationReadings.map { $0.failures } == [1])
    disk.driver.connection.close()
    try expectServesTheNext(disk)
  }

  /// Header and data in one page, which is gone: the header reads as zeroes, and so would the data.
  @Test(arguments: Way.all)
  func aRequestWhoseHeaderIsGoneIsNotDone(_ way: Way) throws {
    let disk = try Disk(way, byteCount: 1 << 20, contents: Self.image)
    let ram = disk.driver.ram
    // The type says "write" before the boundary, and the sector is behind it.
    let start = UInt64(Self.boundary - 8)
    let request = try #require(ram.buffer(at: start, count: BlockRequestHeader.byteCount + 4096))
    request.segment.store(BlockRequestHeader(.write, sector: 64))
    let status = try #require(ram.buffer(at: 0x61_0000, count: 1))
    try disk.driver.queues[0].add(readable: [request], writable: [status])
    try #require(ram.regions.first).file.setSize(Int64(Self.boundary))
    disk.driver.queues[0].submit()
    try eventually("the frontend is cut off") {
      Poll.wait(disk.driver.connection.socket.file, nil, timeoutNanoseconds: 1_000_000).first.contains(.hangUp)
    }
    try expectServesTheNext(disk)
    #expect(try disk.image.bytes(at: 0, count: Self.image.count) == Self.image)
  }

  private func expectServesTheNext(_ disk: Disk) throws {
    let next = try VhostUserDriver(try disk.backend.connect(), ram: try GuestRAM(byteCount: 1 << 20))
    try next.start()
    #expect(try BlockClient(next.queues[0]).read(sector: 8, byteCount: 512) == Array(Self.image[4096..<4608]))
    next.connection.close()
  }
}
