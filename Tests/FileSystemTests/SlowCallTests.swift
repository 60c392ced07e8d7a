// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing
import Wire

/// Operations that wait for the disk beside others on the same queue. Invariants: what comes behind a large copy is
/// answered before it; every request is answered once, with the answer that it would have had alone; when the queue has
/// stopped nothing is in flight.
@Suite(.timeLimit(.minutes(30)))
struct SlowCallTests {
  /// Takes `count` answers; tokens in the order in which they came.
  private func take(_ count: Int, from queue: DriverQueue) throws -> [UInt64] {
    try (0..<count).map { _ in try queue.takeNext().token }
  }

  private func header(_ answer: GuestBuffer) -> FuseOutHeader {
    answer.segment.load(FuseOutHeader.self) ?? FuseOutHeader()
  }

  /// A file with bytes that repeat nowhere near.
  private func plant(_ mount: Mount, _ name: String, _ byteCount: Int) throws -> (node: UInt64, handle: UInt64) {
    let block = (0..<65536).map { _ in UInt8.random(in: 0 ... .max) }
    var bytes = [UInt8]()
    while bytes.count < byteCount { bytes += block.map { $0 &+ UInt8(truncatingIfNeeded: bytes.count >> 16) } }
    try Data(bytes.prefix(byteCount)).write(to: URL(filePath: mount.path(name)))
    return try mount.open(name)
  }

  @Test(arguments: [false, true]) func whatComesBehindALargeCopyDoesNotWait(_ wide: Bool) throws {
    let mount = try Mount(on: .memory)
    let size = 24 << 20
    let source = try plant(mount, "source", size)
    let target = try mount.open("target")
    let queue = mount.driver.queues[1]
    let range = FuseCopyFileRangeIn(
      fhIn: source.handle, offIn: 0, nodeidOut: target.node, fhOut: target.handle, offOut: 0, len: UInt64(size),
      flags: 0)
    let copied = try queue.add(wide ? .copyFileRange64 : .copyFileRange, source.node, range.bytes, token: 1)
    for token in 2...5 { try queue.add(.getattr, Fuse.rootID, FuseGetattrIn().bytes, token: UInt64(token)) }
    queue.submit()
    let order = try take(5, from: queue)
    #expect(order.prefix(4).sorted() == [2, 3, 4, 5] && order.last == 1, "\(order)")
    #expect(header(copied).error == 0 && header(copied).unique == 1001)
    let count =
      wide
      ? copied.segment.load(UInt64.self, at: FuseOutHeader.byteCount)
      : copied.segment.load(UInt32.self, at: FuseOutHeader.byteCount).map { UInt64($0) }
    let done = try #require(count)
    // The kernel may copy less than it was asked for.
    #expect(done > 0 && done <= UInt64(size))
    let (one, two) = (mount.path("source"), mount.path("target"))
    let original = try Data(contentsOf: URL(filePath: one)).prefix(Int(done))
    #expect(try Data(contentsOf: URL(filePath: two)) == original)
    #expect(mount.device.operationCounts.contains { $0.operation == (wide ? "copyFileRange64" : "copyFileRange") })
    mount.close()
  }

  @Test func everySyncOfManyIsAnsweredAndWhatIsWrongIsRefused() throws {
    let mount = try Mount(queueSize: 256)
    let file = try mount.open("file", containing: "text")
    let queue = mount.driver.queues[1]
    // More than may be in flight; every tenth on a handle that does not exist.
    var answers: [GuestBuffer] = []
    for number in 0..<120 {
      var sync = FuseFsyncIn()
      sync.fh = number % 10 == 9 ? 0xdead : file.handle
      answers.append(try queue.add(.fsync, file.node, sync.bytes, token: UInt64(number)))
    }
    queue.submit()
    #expect(try take(120, from: queue).sorted() == Array(0..<120))
    for (number, answer) in answers.enumerated() {
      #expect(header(answer).unique == UInt64(1000 + number))
      #expect(header(answer).error == (number % 10 == 9 ? -EBADF : 0))
    }
    mount.close()
  }

  @Test func aQueueThatStopsHasAnsweredThem() throws {
    let mount = try Mount(on: .memory)
    for _ in 0..<5 {
      let source = try plant(mount, "source", 16 << 20)
      let target = try mount.open("target")
      let queue = mount.driver.queues[1]
      for number in 0..<8 {
        let range = FuseCopyFileRangeIn(
          fhIn: source.handle, offIn: 0, nodeidOut: target.node, fhOut: target.handle, offOut: UInt64(number) << 24,
          len: 16 << 20, flags: 0)
        try queue.add(.copyFileRange, source.node, range.bytes, token: UInt64(number))
      }
      let allocation = FuseFallocateIn(fh: target.handle, offset: 0, length: 64 << 20, mode: 0)
      try queue.add(.fallocate, target.node, allocation.bytes, token: 8)
      queue.submit()
      try mount.driver.stop()
      // What the device had not taken is still there; what it had taken is answered.
      let taken = Int(queue.resumeBase &- queue.takenIndex)
      #expect(try take(taken, from: queue).count == taken)
      try mount.driver.start()
      _ = try take(9 - taken, from: queue)
      try mount.client.release(source.node, source.handle)
      try mount.client.release(target.node, target.handle)
    }
    mount.close()
  }

  /// Both kinds of requests in flight, with one descriptor to wait for.
  @Test func copiesAndTransfersGoSideBySide() throws {
    let mount = try Mount { $0.allowDirectIO = true }
    let file = try plant(mount, "file", 1 << 20)
    let direct = try unlessRefused(.invalid) { try mount.client.open(file.node, flags: UInt32(O_RDONLY | O_DIRECT)).fh }
    guard let direct else {
      print("skipped: the file system below \(mount.directory) has no O_DIRECT")
      return
    }
    let target = try mount.open("target")
    let queue = mount.driver.queues[1]
    let contents = try Data(contentsOf: URL(filePath: mount.path("file")))
    for _ in 0..<10 {
      var rooms: [GuestBuffer] = []
      for number in 0..<8 {
        let read = FuseReadIn(fh: direct, offset: UInt64(number) << 16, size: 65536)
        rooms.append(try queue.ram.allocate(65536, alignment: 4096))
        try queue.add(.read, file.node, read.bytes, token: UInt64(number), takes: rooms[number])
        if number % 4 == 3 {
          let range = FuseCopyFileRangeIn(
            fhIn: file.handle, offIn: 0, nodeidOut: target.node, fhOut: target.handle, offOut: 0, len: 1 << 20,
            flags: 0)
          try queue.add(.copyFileRange, file.node, range.bytes, token: UInt64(10 + number))
        }
      }
      queue.submit()
      #expect(try take(10, from: queue).sorted() == [0, 1, 2, 3, 4, 5, 6, 7, 13, 17])
      for number in 0..<8 {
        #expect(rooms[number].segment.bytes() == Array(contents[number << 16..<(number + 1) << 16]))
        queue.ram.free(rooms[number])
      }
    }
    mount.close()
  }
}
