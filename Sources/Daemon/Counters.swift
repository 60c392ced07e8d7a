// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What SIGUSR1 writes to the log and the control socket answers: how much went through the rings, and how long each
// kind of operation took. The device counts; this file only makes text and JSON of a snapshot.

internal import Linux
internal import Reporting
public import VhostUser
public import Virtio

/// A snapshot of one kind of operation ("LOOKUP", "READ") on one queue.
public struct OperationReading: Sendable, Equatable {
  public var name: String
  public var queue: Int
  public var count: UInt64
  /// How many of them were answered with an error.
  public var errors: UInt64
  /// How long they took; nil if nobody looked at the clock.
  public var latency: LatencySnapshot?

  public init(name: String, queue: Int = 0, count: UInt64, errors: UInt64 = 0, latency: LatencySnapshot? = nil) {
    self.name = name
    self.queue = queue
    self.count = count
    self.errors = errors
    self.latency = latency
  }
}

/// Something that the device counts beside operations.
public struct AmountReading: Sendable, Equatable {
  /// Words with underlines between them, as in JSON.
  public var name: String
  public var count: UInt64

  public init(name: String, count: UInt64) {
    self.name = name
    self.count = count
  }
}

/// The report of one service.
public struct CounterReport: Sendable {
  public let name: String
  public let statistics: EndpointStatistics
  /// One per kind of operation and queue.
  public let operations: [OperationReading]
  public let amounts: [AmountReading]

  public init(
    name: String, statistics: EndpointStatistics, operations: [OperationReading], amounts: [AmountReading] = []
  ) {
    self.name = name
    self.statistics = statistics
    self.amounts = amounts
    self.operations = operations.filter { $0.count > 0 }
  }

  /// What all queues did together: one per kind of operation, the most expensive (or frequent) first.
  var merged: [OperationReading] {
    var result: [OperationReading] = []
    for operation in operations {
      guard let index = result.firstIndex(where: { $0.name == operation.name }) else {
        result.append(operation)
        continue
      }
      result[index].count += operation.count
      result[index].errors += operation.errors
      if let latency = operation.latency {
        var sum = result[index].latency ?? LatencySnapshot()
        sum.add(latency)
        result[index].latency = sum
      }
    }
    return result.sorted {
      ($0.latency?.totalNanoseconds ?? 0, $0.count) > ($1.latency?.totalNanoseconds ?? 0, $1.count)
    }
  }

  // MARK: For people

  /// What went through the rings.
  var rings: String {
    let rings = statistics
    return
      "sessions \(rings.sessions), messages \(rings.messages) (refused \(rings.refusedMessages)), "
      + "requests \(rings.chains), kicks \(rings.kicks), calls \(rings.calls), faults \(rings.faults)"
      + amounts.map { ", \(CounterReport.words($0.name)) \($0.count)" }.joined()
  }

  private static func words(_ name: String) -> String { String(name.map { $0 == "_" ? " " : $0 }) }

  /// One line for the rings, then one for each operation that happened.
  public var lines: [String] {
    ["\(name): \(rings)"]
      + merged.map { operation in
        let line = "\(name): \(operation.name) \(operation.count), errors \(operation.errors)"
        guard let latency = operation.latency else { return line }
        return line + ", "
          + zip(["mean", "p50", "p99", "longest"], [0, 1, 2, 4].map { CounterReport.times(latency)[$0] })
          .map { "\($0) \(CounterReport.microseconds($1)) us" }.joined(separator: ", ")
      }
  }

  /// A table of all operations that happened.
  var latencyText: String {
    let merged = merged
    if merged.isEmpty { return "no operation yet\n" }
    var table = TextTable(
      header: ["operation", "count", "errors", "mean us", "p50 us", "p99 us", "p99.9 us", "longest us"])
    for operation in merged {
      let times =
        operation.latency.map { CounterReport.times($0).map { CounterReport.microseconds($0) } }
        ?? Array(repeating: "-", count: 5)
      table.add([operation.name, "\(operation.count)", "\(operation.errors)"] + times)
    }
    return table.text
  }

  /// Mean, p50, p99, p99.9, longest.
  private static func times(_ latency: LatencySnapshot) -> [UInt64] {
    [
      latency.meanNanoseconds, latency.nanoseconds(percentile: 50), latency.nanoseconds(percentile: 99),
      latency.nanoseconds(percentile: 99.9), latency.longestNanoseconds,
    ]
  }

  /// Nanoseconds as microseconds with one decimal.
  static func microseconds(_ nanoseconds: UInt64) -> String {
    "\(nanoseconds / 1000).\(nanoseconds % 1000 / 100)"
  }

  // MARK: For programs

  var nameMember: JSON.Member { JSON.Member(name: "name", value: .string(name)) }

  /// The rings, then the operations.
  var counterMembers: [JSON.Member] {
    let rings = statistics
    let numbers: KeyValuePairs = [
      "sessions": rings.sessions, "messages": rings.messages, "refused_messages": rings.refusedMessages,
      "requests": rings.chains, "kicks": rings.kicks, "calls": rings.calls, "faults": rings.faults,
    ]
    return numbers.map { JSON.Member(name: $0.key, value: .count(UInt64($0.value))) }
      + amounts.map { JSON.Member(name: $0.name, value: .count($0.count)) } + [
        JSON.Member(name: "operations", value: .array(merged.map { .object(CounterReport.members(of: $0)) }))
      ]
  }

  /// The operations with their times, all queues together and each for itself.
  var latencyMember: JSON.Member {
    let rows = merged.map { operation in
      let queues = operations.filter { $0.name == operation.name }.map { one in
        JSON.object(
          [JSON.Member(name: "queue", value: .number(Int64(one.queue)))]
            + CounterReport.members(of: one).dropFirst() + [CounterReport.latencyMember(one.latency)])
      }
      return JSON.object(
        CounterReport.members(of: operation)
          + [CounterReport.latencyMember(operation.latency), JSON.Member(name: "queues", value: .array(queues))])
    }
    return JSON.Member(name: "operations", value: .array(rows))
  }

  private static func members(of operation: OperationReading) -> [JSON.Member] {
    [
      JSON.Member(name: "name", value: .string(operation.name)),
      JSON.Member(name: "count", value: .count(operation.count)),
      JSON.Member(name: "errors", value: .count(operation.errors)),
    ]
  }

  /// Null where nobody looked at the clock.
  private static func latencyMember(_ latency: LatencySnapshot?) -> JSON.Member {
    guard let latency else { return JSON.Member(name: "latency_ns", value: .null) }
    let members = zip(["mean", "p50", "p99", "p99.9", "longest"], times(latency)).map {
      JSON.Member(name: $0, value: .count($1))
    }
    return JSON.Member(name: "latency_ns", value: .object(members))
  }
}
