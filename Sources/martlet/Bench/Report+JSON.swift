// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A report for programs. Whole numbers only: times are nanoseconds, system calls are per thousand operations.

internal import Histogram

extension Report {
  var json: JSON {
    .object([
      "facts": .object(facts.map { JSON.Member(name: $0.name, value: .string($0.value)) }),
      "results": .array(comparisons.map { Report.json(of: $0) }),
    ])
  }

  private static func json(of comparison: Comparison) -> JSON {
    .object([
      "mode": .string(comparison.mode),
      "work": .string(comparison.work.name),
      "depth": .number(Int64(comparison.work.depth)),
      "queues": .number(Int64(comparison.work.queues)),
      "goal_percent": comparison.work.target(in: comparison.mode).map { .number(Int64(($0 * 100).rounded())) } ?? .null,
      "backends": .array(comparison.outcomes.map { json(of: $0, in: comparison) }),
    ])
  }

  private static func json(of outcome: Outcome, in comparison: Comparison) -> JSON {
    let ratio = outcome.isOurs ? nil : comparison.ours?.ratio(to: outcome)
    let latencies = outcome.latencies
    return .object([
      "name": .string(outcome.backend),
      "operations_per_second": .array(outcome.samples.map { whole($0.perSecond) }),
      "processor_ns_per_operation": .array(outcome.samples.map { whole($0.processorMicroseconds * 1000) }),
      "latency_ns": .object(
        [50, 90, 99, 99.9, 99.99].map { percentile in
          JSON.Member(
            name: "p\(percentile == percentile.rounded() ? "\(Int(percentile))" : "\(percentile)")",
            value: .count(latencies?.valueAtPercentile(percentile)))
        }),
      "system_calls_per_1000": outcome.systemCalls.map { calls in
        .object(
          calls.calls.map {
            JSON.Member(name: $0.name, value: whole(Double($0.count) * 1000 / Double(max(calls.operations, 1))))
          })
      } ?? .null,
      "bytes_per_inode": .array(outcome.inodeBytes.map { whole($0) }),
      "ours_over_this_percent": ratio.map { whole($0.median * 100) } ?? .null,
    ])
  }

  private static func whole(_ value: Double) -> JSON {
    value.isFinite && abs(value) < 9e15 ? .number(Int64(value.rounded())) : .null
  }
}
