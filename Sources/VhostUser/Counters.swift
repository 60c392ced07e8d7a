// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What an endpoint counts. Each queue's thread counts for itself, so that queues do not fight for a cache line.

internal import Synchronization

/// A snapshot of an endpoint's counters.
public struct EndpointStatistics: Sendable, Equatable {
  /// Frontends that sent at least one valid message.
  public var sessions = 0
  /// Messages from frontends.
  public var messages = 0
  /// Messages that were refused, unknown or malformed.
  public var refusedMessages = 0
  /// Chains taken from rings.
  public var chains = 0
  /// Wake-ups by a kick.
  public var kicks = 0
  /// Calls to the driver.
  public var calls = 0
  /// Queues that a driver's mistake stopped.
  public var faults = 0

  public init() {}
}

/// Counters of one queue, written by its owner thread.
final class QueueCounters: Sendable {
  let chains = Atomic<Int>(0)
  let kicks = Atomic<Int>(0)
  let calls = Atomic<Int>(0)
  let faults = Atomic<Int>(0)
}

/// Counters of one endpoint.
final class Counters: Sendable {
  let sessions = Atomic<Int>(0)
  let messages = Atomic<Int>(0)
  let refusedMessages = Atomic<Int>(0)
  let queues: [QueueCounters]

  init(queueCount: Int) {
    queues = (0..<queueCount).map { _ in QueueCounters() }
  }

  var snapshot: EndpointStatistics {
    var sum = EndpointStatistics()
    sum.sessions = sessions.load(ordering: .relaxed)
    sum.messages = messages.load(ordering: .relaxed)
    sum.refusedMessages = refusedMessages.load(ordering: .relaxed)
    for queue in queues {
      sum.chains += queue.chains.load(ordering: .relaxed)
      sum.kicks += queue.kicks.load(ordering: .relaxed)
      sum.calls += queue.calls.load(ordering: .relaxed)
      sum.faults += queue.faults.load(ordering: .relaxed)
    }
    return sum
  }
}
