// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Block
import Dispatch
import Synchronization
import Testing

/// Limits of a volume, with a clock of the test's own. Invariants: never more than the burst plus what the rate allows
/// in any stretch of time; never less while requests wait; nobody overtakes; no pause that the rate does not explain.
@Suite struct LimitsTests {
  private static let second: Int64 = 1_000_000_000
  private static let millisecond: Int64 = 1_000_000

  private func limiter(_ limits: VolumeLimits, at now: Int64 = 0) throws -> VolumeLimiter {
    try limits.check()
    return try #require(VolumeLimiter(limits, atNanoseconds: now))
  }

  /// When each of `count` requests is done if `depth` of them are always under way and take no time themselves.
  private func run(
    _ limiter: VolumeLimiter, count: Int, depth: Int, byteCount: Int, from start: Int64 = 0
  ) -> [Int64] {
    var due: [Int64] = []
    for index in 0..<count {
      let now = index < depth ? start : max(start, due[index - depth])
      due.append(now + limiter.admit(byteCount: byteCount, atNanoseconds: now))
    }
    return due
  }

  @Test func nothingLimitedIsNoLimiter() {
    #expect(VolumeLimiter(VolumeLimits(), atNanoseconds: 0) == nil)
  }

  @Test func aBurstGoesAtOnceAndTheNextRequestWaitsExactlyItsTime() throws {
    let limiter = try limiter(VolumeLimits(requestsPerSecond: 1000, requestBurst: 5), at: 77)
    for _ in 0..<5 { #expect(limiter.admit(byteCount: 4096, atNanoseconds: 77) == 0) }
    for turn in 1...10 {
      #expect(limiter.admit(byteCount: 4096, atNanoseconds: 77) == Int64(turn) * LimitsTests.millisecond)
    }
  }

  @Test func aQuietTimeFillsTheBucketAndNoMore() throws {
    let limiter = try limiter(VolumeLimits(requestsPerSecond: 1000, requestBurst: 5))
    for _ in 0..<5 { _ = limiter.admit(byteCount: 0, atNanoseconds: 0) }
    // Two tokens after 2 ms; five after a day.
    #expect(limiter.admit(byteCount: 0, atNanoseconds: 2 * LimitsTests.millisecond) == 0)
    #expect(limiter.admit(byteCount: 0, atNanoseconds: 2 * LimitsTests.millisecond) == 0)
    #expect(limiter.admit(byteCount: 0, atNanoseconds: 2 * LimitsTests.millisecond) == LimitsTests.millisecond)
    let later = 86_400 * LimitsTests.second
    for _ in 0..<5 { #expect(limiter.admit(byteCount: 0, atNanoseconds: later) == 0) }
    #expect(limiter.admit(byteCount: 0, atNanoseconds: later) == LimitsTests.millisecond)
  }

  @Test func requestsFlowEvenlyWithoutPauses() throws {
    let limiter = try limiter(VolumeLimits(requestsPerSecond: 10_000, requestBurst: 1))
    let due = run(limiter, count: 20_000, depth: 32, byteCount: 4096)
    // Two seconds of work; between any two neighbours exactly the rate's distance: no refill tick shows.
    #expect(due.last == 1_999_900_000)
    #expect(zip(due, due.dropFirst()).allSatisfy { $1 - $0 == 100_000 })
  }

  @Test func bytesAreCountedWhateverTheirPortions() throws {
    for portion in [512, 4096, 131_072, 1 << 20] {
      let limiter = try limiter(VolumeLimits(bytesPerSecond: 100 << 20, byteBurst: 1 << 20))
      let count = (200 << 20) / portion
      let due = run(limiter, count: count, depth: 8, byteCount: portion)
      let end = try #require(due.last)
      // 200 MiB less the burst at 100 MiB/s; rounding up costs at most a nanosecond a request.
      let wanted = 199 * LimitsTests.second / 100
      #expect(end >= wanted && end <= wanted + Int64(count), "portions of \(portion)")
    }
  }

  @Test func aRequestLargerThanTheBucketGoesAndTheOthersPayForIt() throws {
    let limiter = try limiter(VolumeLimits(bytesPerSecond: 1 << 20, byteBurst: 64 << 10))
    #expect(limiter.admit(byteCount: 1 << 20, atNanoseconds: 0) == 0)
    // The debt is 1 MiB less 64 KiB; 512 bytes more take as long as they take.
    let delay = limiter.admit(byteCount: 512, atNanoseconds: 0)
    let wanted = LimitsTests.second * ((1 << 20) - (64 << 10) + 512) / (1 << 20)
    #expect(abs(delay - wanted) <= 2)
  }

  @Test func theStricterOfTwoLimitsHolds() throws {
    let limits = VolumeLimits(requestsPerSecond: 1000, requestBurst: 1, bytesPerSecond: 1_000_000, byteBurst: 1000)
    let small = run(try limiter(limits), count: 1001, depth: 4, byteCount: 100)
    #expect(small.last == LimitsTests.second)
    let large = run(try limiter(limits), count: 101, depth: 4, byteCount: 10_000)
    #expect(large.last == LimitsTests.second)
  }

  @Test func requestsWithoutDataCostNoBandwidth() throws {
    let limiter = try limiter(VolumeLimits(bytesPerSecond: 1000, byteBurst: 1000))
    for _ in 0..<1000 { #expect(limiter.admit(byteCount: 0, atNanoseconds: 0) == 0) }
    #expect(limiter.admit(byteCount: 1000, atNanoseconds: 0) == 0)
  }

  @Test(arguments: [1, 2, 3, 4] as [UInt64])
  func randomWorkNeverExceedsItsLimitsAndNobodyOvertakes(seed: UInt64) throws {
    var state = seed &* 0x9e37_79b9_7f4a_7c15
    func roll(_ bound: Int) -> Int {
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return Int(state >> 33) % bound
    }
    let limits = VolumeLimits(requestsPerSecond: 5000, requestBurst: 50, bytesPerSecond: 50_000_000, byteBurst: 300_000)
    let limiter = try limiter(limits)
    var now: Int64 = 0
    var done: [(due: Int64, bytes: Int)] = []
    for _ in 0..<5000 {
      now += Int64(roll(400_000))
      let bytes = 1 + (roll(20) == 0 ? roll(250_000) : roll(8192))
      done.append((now + limiter.admit(byteCount: bytes, atNanoseconds: now), bytes))
    }
    #expect(zip(done, done.dropFirst()).allSatisfy { $0.due <= $1.due })
    // Every stretch of time from one request to a later one.
    for start in stride(from: 0, to: done.count, by: 97) {
      var bytes = 0
      for end in start..<done.count {
        bytes += done[end].bytes
        let time = Double(done[end].due - done[start].due) / 1e9
        #expect(Double(end - start + 1) <= 50 + 5000 * time + 1e-3)
        #expect(Double(bytes) <= 300_000 + 50_000_000 * time + 1)
      }
    }
  }

  /// Queues on their own threads take from one bucket: together they get the limit, not each.
  @Test func queuesShareTheLimitOfTheirVolume() throws {
    let limiter = try limiter(VolumeLimits(requestsPerSecond: 1_000_000, requestBurst: 1))
    let perQueue = 20_000
    let latest = Mutex<Int64>(0)
    DispatchQueue.concurrentPerform(iterations: 4) { _ in
      var last: Int64 = 0
      for _ in 0..<perQueue { last = limiter.admit(byteCount: 512, atNanoseconds: 0) }
      latest.withLock { $0 = max($0, last) }
    }
    #expect(latest.withLock { $0 } == Int64(4 * perQueue - 1) * 1000)
  }

  @Test func hostileSizesDoNotOverflow() throws {
    let limiter = try limiter(VolumeLimits(bytesPerSecond: 1))
    for _ in 0..<100 { #expect(limiter.admit(byteCount: .max, atNanoseconds: 1 << 60) >= 0) }
    let wide = try #require(
      VolumeLimiter(
        VolumeLimits(requestsPerSecond: .max, requestBurst: .max, bytesPerSecond: .max, byteBurst: .max),
        atNanoseconds: 1 << 60))
    for _ in 0..<100 { #expect(wide.admit(byteCount: 4096, atNanoseconds: 1 << 60) == 0) }
  }

  @Test(arguments: [
    (VolumeLimits(requestsPerSecond: 0), "--iops cannot be 0; give a positive number"),
    (VolumeLimits(bytesPerSecond: -1), "--bandwidth cannot be -1; give a positive number"),
    (VolumeLimits(requestBurst: 5), "--iops-burst means nothing without --iops"),
    (VolumeLimits(byteBurst: 5), "--bandwidth-burst means nothing without --bandwidth"),
  ])
  func senselessLimitsAreRefused(_ limits: VolumeLimits, _ sentence: String) {
    #expect(throws: ImageError.usage(sentence)) { try limits.check() }
  }
}
