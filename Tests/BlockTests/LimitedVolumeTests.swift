// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Block
import BlockProtocol
import Frontend
import Glibc
import Linux
import Testing
import VirtioProtocol

/// Limits at work under a driver (LimitsTests has their arithmetic). Invariants, for every way of doing requests:
/// - all queues together get no more than the limit, each request is answered, and right;
/// - flushes and questions for the serial number are answered while everything else waits;
/// - a ring is stopped while requests are held back, and none of them is lost; what they cost is paid for before
///   anything else is taken.
///
/// Times are bounded from below only: a busy machine is slower than the limit, never faster.
@Suite(.timeLimit(.minutes(30)))
struct LimitedVolumeTests {
  private static let image = pattern(1 << 20)

  private func disk(_ way: Way, queues: Int = 1, queueSize: Int = 128, _ limits: VolumeLimits) throws -> Disk {
    try Disk(way, contents: Self.image, queues: queues, queueSize: queueSize) { $0.limits = limits }
  }

  private func read(_ sector: Int, _ count: Int = 512) -> BlockRequest {
    BlockRequest(BlockRequestHeader(.read, sector: UInt64(sector)), receivedByteCount: count)
  }

  @Test(arguments: Way.all)
  func allQueuesTogetherKeepToTheLimit(_ way: Way) throws {
    let disk = try disk(way, queues: 3, VolumeLimits(requestsPerSecond: 100, requestBurst: 10))
    let start = Clock.monotonic
    for client in disk.clients {
      for number in 0..<16 {
        if number % 4 == 3 {
          let bytes = Array(Self.image[number * 512..<number * 512 + 512])
          try client.add(BlockRequest(BlockRequestHeader(.write, sector: UInt64(number)), sent: bytes))
        } else {
          try client.add(read(number))
        }
      }
      client.flush()
    }
    for client in disk.clients {
      for _ in 0..<16 { _ = try client.complete().answer.checked() }
    }
    // 48 requests, 10 of them at once and the others 10 ms apart.
    #expect(Clock.monotonic - start >= 380_000_000)
    #expect(try disk.image.bytes(at: 0, count: Self.image.count) == Self.image)
  }

  @Test(arguments: Way.all)
  func bytesAreLimitedAndEveryAnswerIsRight(_ way: Way) throws {
    let disk = try disk(way, VolumeLimits(bytesPerSecond: 1 << 20, byteBurst: 64 << 10))
    let start = Clock.monotonic
    var wanted: [UInt64: Int] = [:]
    for number in 0..<12 { wanted[try disk.client.add(read(number * 64, 32 << 10))] = number * 32 << 10 }
    disk.client.flush()
    for _ in 0..<12 {
      let (token, answer) = try disk.client.complete()
      let offset = try #require(wanted[token])
      #expect(try answer.checked().data == Array(Self.image[offset..<offset + 32 << 10]))
    }
    // 384 KiB, 64 of them at once.
    #expect(Clock.monotonic - start >= 312_000_000)
  }

  @Test(arguments: Way.all)
  func flushesAndSerialNumbersDoNotWait(_ way: Way) throws {
    let disk = try disk(way, VolumeLimits(requestsPerSecond: 1, requestBurst: 1))
    for number in 0..<40 { try disk.client.add(read(number)) }
    try disk.client.add(BlockRequest(.discard, ranges: [BlockRange(sector: 2000, numSectors: 8)]))
    let flush = try disk.client.add(BlockRequest(BlockRequestHeader(.flush, sector: 0)))
    let serial = try disk.client.add(BlockRequest(BlockRequestHeader(.getID, sector: 0), receivedByteCount: 20))
    disk.client.flush()
    // The last read is due after 39 seconds.
    var seen: Set<UInt64> = []
    while !seen.isSuperset(of: [flush, serial]) { seen.insert(try disk.client.complete().token) }
    #expect(seen.count < 41)
  }

  @Test(arguments: Way.all)
  func aRingIsStoppedWhileItsRequestsAreHeldBack(_ way: Way) throws {
    // What is held back here would take 16 minutes.
    let disk = try disk(way, VolumeLimits(bytesPerSecond: 100, byteBurst: 100))
    let bytes = pattern(4096)
    for number in 0..<24 {
      try disk.client.add(BlockRequest(BlockRequestHeader(.write, sector: UInt64(number * 8)), sent: bytes))
    }
    // It does not wait, so the device has taken all of them when it is answered.
    let flush = try disk.client.submit(BlockRequest(BlockRequestHeader(.flush, sector: 0)))
    var before = 0
    while try disk.client.complete().token != flush { before += 1 }
    #expect(before < 24)
    try disk.driver.stop()
    for _ in before..<24 {
      let answer = try #require(try disk.client.completeWithoutWaiting(), "lost by a stop")
      _ = try answer.answer.checked()
    }
    for number in 0..<24 { #expect(try disk.image.bytes(at: number * 4096, count: 4096) == bytes) }
    let line = "the image '\(disk.image.path)' is not served for 9"
    #expect(!disk.backend.reports.all.contains { $0.hasPrefix(line) }, "a guest that leaves now is forgiven")
    // The debt keeps the ring from being served, and nobody from stopping it.
    try disk.driver.start()
    _ = try disk.client.submit(read(0))
    try eventually("a line in the log") { disk.backend.reports.all.contains { $0.hasPrefix(line) } }
    try disk.driver.stop()
    #expect(try disk.client.completeWithoutWaiting() == nil)
    try disk.driver.start()
    // The guest leaves without a word.
    disk.close()
  }

  /// Each reset has the device do what it holds back; the next run of the ring waits as long as that would have.
  @Test(arguments: Way.all)
  func aGuestThatResetsItsDeviceAgainAndAgainGetsNoMore(_ way: Way) throws {
    let disk = try disk(way, queues: 2, VolumeLimits(requestsPerSecond: 50, requestBurst: 5))
    let start = Clock.monotonic
    let atOnce = 16
    for _ in 0..<20 {
      for queue in disk.driver.queues {
        let client = BlockClient(queue)
        for number in 0..<atOnce { try client.add(read(number)) }
        client.flush()
      }
      usleep(5000)
      try disk.driver.reset()
      try disk.driver.start()
    }
    // Counted before the clock is read.
    let done = disk.device.operationReadings.reduce(0) { $0 + Int($1.count) }
    let passed = Double(Clock.monotonic - start) / 1e9
    // The burst, what the rate gives, and what both queues may do ahead of their time.
    #expect(Double(done) <= 5 + 50 * passed + Double(2 * atOnce))
    #expect(done > 0)
    // It ends: every queue is served again, and a kick is heard again.
    for queue in disk.driver.queues + disk.driver.queues {
      let client = BlockClient(queue)
      #expect(try client.perform(read(7)).data == Array(Self.image[7 * 512..<8 * 512]))
      try client.flushCache()
    }
  }

  /// More than the device keeps in flight: the thread must neither sleep nor forget the control thread.
  @Test(arguments: [Way.ringBuffered, .threadsDirect, .memory])
  func aRingThatIsLongerThanTheLineIsServedAndStopped(_ way: Way) throws {
    let disk = try disk(way, queueSize: 2048, VolumeLimits(requestsPerSecond: 4000, requestBurst: 1))
    let start = Clock.monotonic
    for _ in 0..<1200 { try disk.client.add(read(7), indirect: true) }
    disk.client.flush()
    for _ in 0..<1200 { #expect(try disk.client.complete().answer.status == 0) }
    #expect(Clock.monotonic - start >= 299_000_000)
    for _ in 0..<1200 { try disk.client.add(read(9), indirect: true) }
    disk.client.flush()
    try disk.driver.stop()
    try disk.driver.start()
    for _ in 0..<1200 {
      #expect(try disk.client.complete().answer.checked().data == Array(Self.image[9 * 512..<10 * 512]))
    }
  }
}
