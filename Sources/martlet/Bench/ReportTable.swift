// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A report as tables, one per mode: for a terminal, or as Markdown.

internal import Histogram

/// How a table is written.
enum TableStyle {
  case text
  case markdown
}

extension Report {
  private static let header = [
    "work", "backend", "op/s", "least", "most", "ratio", "spread", "goal", "CPU us/op", "CPU ratio", "calls/op",
    "p50 us", "p99 us",
    "p99.9 us",
  ]
  /// Columns that hold words.
  private static let leftAligned = 2

  func tables(_ style: TableStyle) -> String {
    var modes: [String] = []
    for comparison in comparisons where !modes.contains(comparison.mode) { modes.append(comparison.mode) }
    return modes.map { mode in
      let rows = comparisons.filter { $0.mode == mode }.flatMap { Report.rows(of: $0) }
      let title = style == .text ? "mode \(mode)\n" : "### Mode `\(mode)`\n\n"
      return title + Report.render(rows, style) + failures(in: mode)
    }.joined(separator: "\n")
  }

  /// What could not be measured, and why.
  private func failures(in mode: String) -> String {
    comparisons.filter { $0.mode == mode }.flatMap { comparison in
      comparison.outcomes.compactMap { $0.failure }.map { "\n\(comparison.work.name): \($0)\n" }
    }.joined()
  }

  /// What the columns mean, for a reader who was not there.
  static let legend = """
    ratio: operations per second of ours over this backend's, median of the rounds (with the least and the most round);
    CPU: of the backend's whole process tree, and what part of this backend's ours needs; calls: system calls, counted \
    by strace in a pass of its own.
    "memory" counts bytes of anonymous memory per inode that the guest knows (RssAnon growth), ratio: theirs over ours.
    """

  private static func rows(of comparison: Comparison) -> [[String]] {
    comparison.outcomes.enumerated().map { index, outcome in
      var row = [index == 0 ? comparison.work.name : "", outcome.backend]
      if let memory = outcome.memory {
        row += [Format.number(memory.median) + " B/inode", Format.number(memory.least), Format.number(memory.most)]
      } else {
        row += outcome.failure == nil ? spread(outcome.perSecond) : ["failed", "", ""]
      }
      row += ratio(outcome, comparison)
      row.append(outcome.processorMicroseconds.map { Format.number($0.median) } ?? "")
      row.append(processorRatio(outcome, comparison))
      row.append(outcome.systemCalls.map { Format.number($0.perOperation) } ?? "")
      let latencies = outcome.latencies
      row += [50, 99, 99.9].map { percentile in
        latencies.map { Format.microseconds($0.valueAtPercentile(percentile)) } ?? ""
      }
      return row
    }
  }

  private static func spread(_ spread: Spread?) -> [String] {
    guard let spread else { return ["-", "", ""] }
    return [Format.number(spread.median), Format.number(spread.least), Format.number(spread.most)]
  }

  /// Against ours, in the rows of the others.
  private static func ratio(_ outcome: Outcome, _ comparison: Comparison) -> [String] {
    guard !outcome.isOurs, let ours = comparison.ours, let ratio = ours.ratio(to: outcome) else { return ["", "", ""] }
    let isHost = outcome.backend == HostLoop.name
    let goal = isHost ? HostLoop.target : comparison.work.target(in: comparison.mode)
    return [
      Format.fixed(ratio.median, 2), "\(Format.fixed(ratio.least, 2))-\(Format.fixed(ratio.most, 2))",
      goal.map { "\(Format.fixed($0, 1)) \(ratio.median >= $0 ? "met" : "MISSED")" } ?? "",
    ]
  }

  private static func processorRatio(_ outcome: Outcome, _ comparison: Comparison) -> String {
    guard !outcome.isOurs, let ours = comparison.ours?.processorMicroseconds,
      let theirs = outcome.processorMicroseconds, theirs.median > 0
    else { return "" }
    return Format.fixed(ours.median / theirs.median, 2)
  }

  private static func render(_ rows: [[String]], _ style: TableStyle) -> String {
    switch style {
    case .markdown:
      let rule = header.indices.map { $0 < leftAligned ? "---" : "---:" }
      return ([header, rule] + rows).map { "| " + $0.joined(separator: " | ") + " |\n" }.joined()
    case .text:
      let widths = header.indices.map { column in ([header] + rows).map { $0[column].count }.max() ?? 0 }
      return ([header] + rows).map { row in
        row.indices.map { Format.padded(row[$0], to: widths[$0], right: $0 >= leftAligned) }
          .joined(separator: "  ") + "\n"
      }.joined()
    }
  }
}
