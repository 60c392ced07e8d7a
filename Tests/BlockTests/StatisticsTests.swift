// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Block
import BlockProtocol
import Frontend
import Linux
import Testing
import Virtio
import VirtioProtocol

/// What a volume tells of itself. Invariants:
/// - every answered request is counted on its queue, with its time if times are taken;
/// - a time covers the request from the moment its queue turned to it until it was answered.
@Suite(.timeLimit(.minutes(30)))
struct StatisticsTests {
  @Test(arguments: Way.all)
  func requestsAreCountedAndTimedOnTheirQueue(_ way: Way) throws {
    let disk = try Disk(way, contents: pattern(1 << 20), queues: 2) { $0.measuresLatency = true }
    for number in 0..<20 { _ = try disk.clients[0].read(sector: UInt64(number), byteCount: 4096) }
    for number in 0..<7 { try disk.clients[1].write(sector: UInt64(number), pattern(512)) }
    try disk.clients[1].writeZeroes(BlockRange(sector: 100, numSectors: 8))
    try disk.clients[1].flushCache()
    let beyond = BlockRequest(BlockRequestHeader(.read, sector: 1 << 40), receivedByteCount: 512)
    #expect(try disk.clients[1].answer(to: beyond).status == BlockStatus.ioError.rawValue)
    let readings = disk.device.operationReadings
    let told = readings.map { "\($0.queue) \($0.operation) \($0.count) \($0.failures)" }
    #expect(told.sorted() == ["0 read 20 0", "1 flush 1 0", "1 read 1 1", "1 write 7 0", "1 writeZeroes 1 0"])
    for reading in readings {
      let latency = try #require(reading.latency)
      #expect(latency.count == reading.count, "\(reading.operation)")
      #expect(latency.longestNanoseconds <= 600_000_000_000 && latency.totalNanoseconds > 0, "\(reading.operation)")
    }
  }

  @Test func timesIncludeWhatALimitHoldsBack() throws {
    let disk = try Disk(contents: [1]) {
      $0.measuresLatency = true
      $0.limits = VolumeLimits(requestsPerSecond: 4, requestBurst: 1)
    }
    let start = Clock.monotonic
    // All at once: one that came late, because this thread was kept waiting, would wait less for its turn.
    for _ in 0..<3 {
      try disk.client.add(BlockRequest(BlockRequestHeader(.read, sector: 0), receivedByteCount: 512))
    }
    disk.client.flush()
    for _ in 0..<3 { _ = try disk.client.complete().answer.checked() }
    let passed = Clock.monotonic - start
    let latency = try #require(disk.device.operationReadings.first?.latency)
    // The first went at once, and each of the others 250 ms after the one before it: 750 ms of waiting, of which as
    // much may be missing as the queue's thread itself was kept from looking.
    #expect(latency.totalNanoseconds >= 250_000_000 && latency.totalNanoseconds <= UInt64(3 * passed))
  }

  @Test func withoutTheClockThereAreCountsAlone() throws {
    let disk = try Disk()
    _ = try disk.client.read(sector: 0, byteCount: 512)
    #expect(disk.device.operationReadings.map { $0.count } == [1])
    #expect(disk.device.operationReadings.allSatisfy { $0.latency == nil })
  }
}
