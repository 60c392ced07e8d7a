// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What was measured, and what is said about it: medians over the rounds with the least and the most.

internal import Histogram
internal import Linux

/// A median and what lies around it.
struct Spread {
  let median: Double
  let least: Double
  let most: Double

  /// Nil for no values at all.
  init?(_ values: [Double]) {
    let sorted = values.sorted()
    guard let first = sorted.first, let last = sorted.last else { return nil }
    let middle = sorted.count / 2
    median = sorted.count % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2
    least = first
    most = last
  }
}

/// One work on one backend in one mode.
struct Outcome {
  let backend: String
  let isOurs: Bool
  /// One per round.
  var samples: [Sample] = []
  var systemCalls: SystemCallCount?
  /// For the work about memory: bytes per known inode, one per round.
  var inodeBytes: [Double] = []
  /// Set when the work could not be done on this backend.
  var failure: String?

  var perSecond: Spread? { Spread(samples.map { $0.perSecond }) }
  /// Of the backend, per operation.
  var processorMicroseconds: Spread? {
    Spread(samples.map { $0.processorMicroseconds }.filter { $0 > 0 })
  }
  var memory: Spread? { Spread(inodeBytes) }

  /// All rounds' latencies together.
  var latencies: Histogram<UInt64>? {
    guard var all = samples.first?.latencies else { return nil }
    for sample in samples.dropFirst() { all.add(sample.latencies) }
    return all
  }

  /// How many times better this is than another backend, round by round: more operations, or less memory.
  func ratio(to other: Outcome) -> Spread? {
    guard failure == nil, other.failure == nil else { return nil }
    if !inodeBytes.isEmpty {
      return Spread(zip(inodeBytes, other.inodeBytes).map { $0 > 0 ? $1 / $0 : 0 })
    }
    return Spread(zip(samples, other.samples).map { $1.perSecond > 0 ? $0.perSecond / $1.perSecond : 0 })
  }
}

/// One work in one mode: a group of rows.
struct Comparison {
  let mode: String
  let work: Work
  var outcomes: [Outcome]

  var ours: Outcome? { outcomes.first { $0.isOurs } }
}

/// The whole run.
struct Report {
  /// What ran where, name and value.
  var facts: [(name: String, value: String)] = []
  var comparisons: [Comparison] = []

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

  private static func trimmed(_ text: String) -> String {
    String(text.drop(while: \.isWhitespace).reversed().drop(while: \.isWhitespace).reversed())
  }
}
