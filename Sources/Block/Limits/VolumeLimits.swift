// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization

/// How much of a volume its guests may use: nil is no limit.
public struct VolumeLimits: Equatable, Sendable {
  /// `--iops`, `--iops-burst`: requests a second, and how many may come at once after a quiet time.
  public var requestsPerSecond: Int64?
  public var requestBurst: Int64?
  /// `--bandwidth`, `--bandwidth-burst`: bytes read and written a second, and how many may come at once.
  public var bytesPerSecond: Int64?
  public var byteBurst: Int64?

  public init(
    requestsPerSecond: Int64? = nil, requestBurst: Int64? = nil, bytesPerSecond: Int64? = nil, byteBurst: Int64? = nil
  ) {
    self.requestsPerSecond = requestsPerSecond
    self.requestBurst = requestBurst
    self.bytesPerSecond = bytesPerSecond
    self.byteBurst = byteBurst
  }

  public func check() throws(ImageError) {
    for (name, value) in [
      ("iops", requestsPerSecond), ("iops-burst", requestBurst), ("bandwidth", bytesPerSecond),
      ("bandwidth-burst", byteBurst),
    ] {
      if let value, value < 1 { throw .usage("--\(name) cannot be \(value); give a positive number") }
    }
    if requestBurst != nil, requestsPerSecond == nil { throw .usage("--iops-burst means nothing without --iops") }
    if byteBurst != nil, bytesPerSecond == nil { throw .usage("--bandwidth-burst means nothing without --bandwidth") }
  }
}

/// The limits of one volume at work, shared by all of its queues (or by several volumes). Nothing is allocated, locked
/// or counted in a call.
public final class VolumeLimiter: Sendable {
  private let requests: TokenBucket?
  private let bytes: TokenBucket?
  /// When everything is due that was begun too early; a time that has passed: nothing is owed.
  private let paidAt = Atomic<Int64>(.min)

  /// Without a burst a bucket holds what flows in during a tenth of a second: short enough to keep to the limit in
  /// every graph, long enough that a request need not be timed to the microsecond.
  private static let defaultBurst: Int64 = 10

  /// Nil if nothing is limited, so that an unlimited volume does not ask.
  /// - Parameter now: any clock that does not go back; the same one for every `admit`.
  public init?(_ limits: VolumeLimits, atNanoseconds now: Int64) {
    if limits.requestsPerSecond == nil, limits.bytesPerSecond == nil { return nil }
    requests = limits.requestsPerSecond.map {
      TokenBucket(rate: $0, burst: limits.requestBurst ?? max($0 / VolumeLimiter.defaultBurst, 1), atNanoseconds: now)
    }
    bytes = limits.bytesPerSecond.map {
      TokenBucket(rate: $0, burst: limits.byteBurst ?? max($0 / VolumeLimiter.defaultBurst, 1), atNanoseconds: now)
    }
  }

  /// Counts one request and answers how many nanoseconds it has to wait; asked once for each request. Of one queue's
  /// requests that move data none is due before one that was admitted earlier: the queue looks only at its oldest.
  /// - Parameter byteCount: what it reads or writes; 0 for a request that moves no data.
  public func admit(byteCount: Int, atNanoseconds now: Int64) -> Int64 {
    let first = requests?.take(1, atNanoseconds: now) ?? 0
    let second = bytes?.take(Int64(byteCount), atNanoseconds: now + first) ?? 0
    if second > 0 { requests?.settle(1, atNanoseconds: now + first + second) }
    return first + second
  }

  /// Something was begun before it was due, because its queue was stopped.
  /// - Parameter due: when it would have been.
  public func owe(untilNanoseconds due: Int64) {
    _ = paidAt.max(due, ordering: .relaxed)
  }

  /// The guest that owed is gone; another one pays for nothing of it but what the buckets lack.
  public func forgive() {
    paidAt.store(.min, ordering: .relaxed)
  }

  /// How long nothing may be taken from any queue, because what was begun too early is not paid for yet.
  public func debt(atNanoseconds now: Int64) -> Int64 {
    let due = paidAt.load(ordering: .relaxed)
    return due > now ? due - now : 0
  }
}
