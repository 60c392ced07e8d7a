// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Where this room's lines go. Room Daemon hands in what writes them; nothing here knows a logging library.

internal import Linux
internal import Synchronization

/// How much a line matters, least first.
public enum LogLevel: Int, Comparable, Sendable, CaseIterable {
  case trace
  case debug
  case info
  case warning
  case error

  public static func < (left: LogLevel, right: LogLevel) -> Bool { left.rawValue < right.rawValue }
}

/// Takes the lines of an endpoint; called from every thread of it. `message` is made only if the line is wanted.
public protocol SessionLog: Sendable {
  func log(_ level: LogLevel, _ message: @autoclosure () -> String)
}

/// Drops every line.
public struct SilentLog: SessionLog {
  public init() {}
  public func log(_ level: LogLevel, _ message: @autoclosure () -> String) {}
}

/// Lets one line through per interval and counts the rest: for lines that a guest could cause without end.
public final class RateLimit: Sendable {
  private let intervalNanoseconds: Int64
  private let last: Atomic<Int64>
  private let dropped = Atomic<Int>(0)

  public init(intervalMilliseconds: Int64 = 5000) {
    intervalNanoseconds = intervalMilliseconds * 1_000_000
    last = Atomic(Int64.min / 2)
  }

  /// Nil if the line must not be written; otherwise how many were held back since the last one that was.
  public func admit() -> Int? {
    let now = Clock.monotonic
    let previous = last.load(ordering: .relaxed)
    guard now - previous >= intervalNanoseconds,
      last.compareExchange(expected: previous, desired: now, ordering: .relaxed).exchanged
    else {
      dropped.add(1, ordering: .relaxed)
      return nil
    }
    return dropped.exchange(0, ordering: .relaxed)
  }
}

extension SessionLog {
  /// Writes a line if `limit` admits it, with the number of those held back.
  func log(_ level: LogLevel, limit: RateLimit, _ message: () -> String) {
    guard let held = limit.admit() else { return }
    log(level, held == 0 ? message() : "\(message()) (and \(held) more like it)")
  }
}
