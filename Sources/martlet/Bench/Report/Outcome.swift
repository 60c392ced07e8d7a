// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What was measured, small enough to be kept in a file and read again: numbers per round, percentiles over all rounds.

internal import Histogram
internal import Linux

/// A median and what lies around it: the middle half of the values.
struct Spread {
  let median: Double
  let low: Double
  let high: Double

  /// Nil for no values at all.
  init?(_ values: [Double]) {
    let sorted = values.filter { $0.isFinite }.sorted()
    guard !sorted.isEmpty else { return nil }
    median = Spread.quantile(sorted, 0.5)
    low = Spread.quantile(sorted, 0.25)
    high = Spread.quantile(sorted, 0.75)
  }

  /// Between two values: in proportion.
  private static func quantile(_ sorted: [Double], _ part: Double) -> Double {
    let place = part * Double(sorted.count - 1)
    let below = Int(place)
    let above = min(below + 1, sorted.count - 1)
    return sorted[below] + (sorted[above] - sorted[below]) * (place - Double(below))
  }
}

/// One turn.
struct Round {
  let operations: Int
  let nanoseconds: Int64
  let processorNanoseconds: Int64
  var inodeBytes: Double?
  var shownFrames: Int?
  var copiedBytes: Int64?

  var perSecond: Double { nanoseconds > 0 ? Double(operations) * 1e9 / Double(nanoseconds) : 0 }
  var processorMicroseconds: Double {
    operations > 0 ? Double(processorNanoseconds) / 1000 / Double(operations) : 0
  }
}

/// One work on one contestant in one mode.
struct Outcome {
  let name: String
  let role: Role
  var rounds: [Round] = []
  /// Of whole operations in nanoseconds, at `percentiles`; empty where an operation is not one request.
  var latencies: [UInt64] = []
  var systemCalls: SystemCallCount?
  /// Anonymous memory of the backend after the work.
  var residentBytes: Int64?
  /// Set when the work could not be done.
  var failure: String?

  static let percentiles: [Double] = [0, 25, 50, 75, 90, 95, 99, 99.5, 99.9, 99.95, 99.99]
  /// Their names, in files.
  static let percentileNames = percentiles.map { "p" + ($0 == $0.rounded() ? "\(Int($0))" : "\($0)") }

  var perSecond: Spread? { Spread(rounds.map { $0.perSecond }) }
  /// Of the backend, per operation.
  var processorMicroseconds: Spread? { Spread(rounds.map { $0.processorMicroseconds }.filter { $0 > 0 }) }
  var inodeBytes: Spread? { Spread(rounds.compactMap { $0.inodeBytes }) }
  /// Frames that arrived at a display, per second.
  var shownPerSecond: Spread? {
    Spread(rounds.compactMap { round in round.shownFrames.map { Double($0) * 1e9 / Double(round.nanoseconds) } })
  }
  /// Bytes that the backend copied, per operation.
  var copiedBytes: Spread? {
    Spread(rounds.compactMap { round in round.copiedBytes.map { Double($0) / Double(max(round.operations, 1)) } })
  }

  func latency(_ percentile: Double) -> UInt64? {
    guard latencies.count == Outcome.percentiles.count else { return nil }
    return Outcome.percentiles.firstIndex(of: percentile).map { latencies[$0] }
  }

  mutating func set(latenciesOf all: Histogram<UInt64>) {
    guard all.totalCount > 0 else { return }
    latencies = Outcome.percentiles.map { all.valueAtPercentile($0) }
  }

  /// How many times better this is than another, round by round: more operations, or less memory.
  func ratio(to other: Outcome) -> Spread? {
    guard failure == nil, other.failure == nil else { return nil }
    return Spread(
      zip(rounds, other.rounds).compactMap { own, their in
        if let bytes = own.inodeBytes, let others = their.inodeBytes { return bytes > 0 ? others / bytes : nil }
        return their.perSecond > 0 ? own.perSecond / their.perSecond : nil
      })
  }
}

/// One work in one mode: a group of rows.
struct Comparison {
  let mode: String
  let work: String
  let depth: Int
  let jobs: Int
  let goals: Goals
  var outcomes: [Outcome]

  var ours: Outcome? { outcomes.first { $0.role == .ours } }
}

/// The whole run.
struct Report {
  /// What ran where, name and value.
  var facts: [(name: String, value: String)] = []
  var comparisons: [Comparison] = []

  /// A work in which somebody failed is not measured: a run that goes on tries it again.
  func has(_ work: Work, in mode: BenchMode) -> Bool {
    comparisons.contains { comparison in
      comparison.work == work.name && comparison.mode == mode.name
        && comparison.outcomes.allSatisfy { $0.failure == nil }
    }
  }

  /// Adds what was measured, in place of an earlier try.
  mutating func add(_ comparison: Comparison) {
    comparisons.removeAll { $0.work == comparison.work && $0.mode == comparison.mode }
    comparisons.append(comparison)
  }

  static func machine() -> [(name: String, value: String)] {
    let kernel = (try? Path("/proc/sys/kernel/osrelease").contents()) ?? "unknown"
    let processors = (try? Path("/proc/cpuinfo").contents()) ?? ""
    let model =
      processors.split(separator: "\n").first { $0.hasPrefix("model name") }
      .flatMap { $0.split(separator: ":").last }.map { trimmed(String($0)) } ?? "unknown"
    let load = (try? Path("/proc/loadavg").contents()) ?? ""
    return [
      ("processor", "\(model), \(Processors.usableCount) usable"), ("kernel", trimmed(kernel)),
      ("load at the start", load.split(separator: " ").prefix(3).joined(separator: " ")),
    ]
  }

  static func trimmed(_ text: String) -> String {
    String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
  }
}
