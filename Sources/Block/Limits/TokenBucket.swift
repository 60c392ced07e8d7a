// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A token bucket without a timer and without a lock: the only state is the moment up to which everything is spent
// (the generic cell rate algorithm). It fills exactly as time passes, so there is no refill to wait for.

internal import Synchronization

struct TokenBucket: ~Copyable, Sendable {
  /// When the bucket was or will be empty, in nanoseconds since `epoch`: the future means debt.
  private let emptyAt = Atomic<Int64>(0)
  /// Units per second.
  private let rate: Int64
  /// How long a bucket fills from empty to full, in nanoseconds.
  private let fillNanoseconds: Int64
  private let epoch: Int64

  private static let second: Int64 = 1_000_000_000
  /// Seventy years. Nothing is waited for longer, and no sum of two such times overflows.
  private static let farFuture = Int64.max / 4

  /// A full bucket.
  /// - Parameters:
  ///   - rate: units per second, 1 at least.
  ///   - burst: units that a full bucket has, 1 at least.
  init(rate: Int64, burst: Int64, atNanoseconds now: Int64) {
    precondition(rate > 0 && burst > 0, "a bucket that never has anything")
    self.rate = rate
    fillNanoseconds = TokenBucket.cost(burst, rate)
    epoch = now &- fillNanoseconds
  }

  /// The time in which so many units flow in, rounded up: the limit is never exceeded.
  private static func cost(_ units: Int64, _ rate: Int64) -> Int64 {
    let (high, low) = UInt64(units).multipliedFullWidth(by: UInt64(second))
    guard high < UInt64(rate) else { return farFuture }
    let (quotient, remainder) = UInt64(rate).dividingFullWidth((high, low))
    return Int64(min(quotient, UInt64(farFuture) - 1)) + (remainder > 0 ? 1 : 0)
  }

  /// Takes so many units, and answers how long the caller has to wait until they are its own. They are spoken for at
  /// once: whoever takes later waits no shorter. More than a bucket holds is taken out of a full one, and what is
  /// missing is a debt that later takers wait for.
  func take(_ units: Int64, atNanoseconds now: Int64) -> Int64 {
    if units <= 0 { return 0 }
    let cost = TokenBucket.cost(units, rate)
    let now = min(max(now &- epoch, 0), TokenBucket.farFuture)
    var seen = emptyAt.load(ordering: .relaxed)
    while true {
      // A bucket that has been left alone is full and not fuller.
      let empty = max(seen, now - fillNanoseconds)
      let ready = empty + min(cost, fillNanoseconds)
      let result = emptyAt.weakCompareExchange(
        expected: seen, desired: min(empty + cost, TokenBucket.farFuture), ordering: .relaxed)
      if result.exchanged { return max(ready - now, 0) }
      seen = result.original
    }
  }

  /// What was taken is used only at `time`, because something else is waited for: what flowed in meanwhile beyond a
  /// full bucket is lost, as if it had been taken then.
  func settle(_ units: Int64, atNanoseconds time: Int64) {
    let least = min(time &- epoch, TokenBucket.farFuture) - fillNanoseconds + TokenBucket.cost(units, rate)
    _ = emptyAt.max(least, ordering: .relaxed)
  }
}
