// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What SIGUSR1 writes to the log: who is connected, how much went through the rings, and how long each kind of
// operation took. The device counts; this file only makes text of a snapshot.

internal import Linux
public import VhostUser

/// A snapshot of one kind of operation ("LOOKUP", "READ").
public struct OperationReading: Sendable, Equatable {
  public var name: String
  public var count: UInt64
  /// How many of them were answered with an error.
  public var errors: UInt64
  public var totalNanoseconds: UInt64
  public var longestNanoseconds: UInt64

  public init(
    name: String, count: UInt64, errors: UInt64 = 0, totalNanoseconds: UInt64 = 0, longestNanoseconds: UInt64 = 0
  ) {
    self.name = name
    self.count = count
    self.errors = errors
    self.totalNanoseconds = totalNanoseconds
    self.longestNanoseconds = longestNanoseconds
  }
}

/// The report of one service.
public struct CounterReport: Sendable {
  public let name: String
  public let statistics: EndpointStatistics
  public let operations: [OperationReading]

  public init(name: String, statistics: EndpointStatistics, operations: [OperationReading]) {
    self.name = name
    self.statistics = statistics
    self.operations = operations
  }

  /// One line for the rings, then one for each operation that happened, the most expensive (or frequent) first.
  public var lines: [String] {
    let rings = statistics
    var lines = [
      "\(name): sessions \(rings.sessions), messages \(rings.messages) (refused \(rings.refusedMessages)), "
        + "requests \(rings.chains), kicks \(rings.kicks), calls \(rings.calls), faults \(rings.faults)"
    ]
    let order: (OperationReading, OperationReading) -> Bool = {
      ($0.totalNanoseconds, $0.count) > ($1.totalNanoseconds, $1.count)
    }
    for operation in operations.filter({ $0.count > 0 }).sorted(by: order) {
      var line = "\(name): \(operation.name) \(operation.count), errors \(operation.errors)"
      // Not every device takes the time.
      if operation.totalNanoseconds > 0 {
        line +=
          ", mean \(CounterReport.microseconds(operation.totalNanoseconds / operation.count)) us, "
          + "longest \(CounterReport.microseconds(operation.longestNanoseconds)) us"
      }
      lines.append(line)
    }
    return lines
  }

  /// Nanoseconds as microseconds with one decimal.
  static func microseconds(_ nanoseconds: UInt64) -> String {
    "\(nanoseconds / 1000).\(nanoseconds % 1000 / 100)"
  }
}
