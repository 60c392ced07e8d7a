// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A report as tables, one per mode: for a terminal, or as Markdown.

/// How a table is written.
enum TableStyle {
  case text
  case markdown
}

extension Report {
  private static let header = [
    "work", "who", "op/s", "middle half", "ratio", "goal", "CPU us/op", "CPU ratio", "calls/op", "calls ratio",
    "p50 us", "p99 us", "p99.9 us", "shown/s", "copied MB/op", "MiB",
  ]
  /// Columns that hold words.
  private static let leftAligned = 2

  /// In the order in which they were measured.
  var modes: [String] {
    comparisons.reduce(into: [String]()) { if !$0.contains($1.mode) { $0.append($1.mode) } }
  }

  func tables(_ style: TableStyle) -> String {
    modes.map { mode in
      let rows = comparisons.filter { $0.mode == mode }.flatMap { Report.rows(of: $0) }
      let title = style == .text ? "mode \(mode)\n" : "### Mode `\(mode)`\n\n"
      return title + Report.render(rows, style) + failures(in: mode)
    }.joined(separator: "\n")
  }

  /// What could not be measured, and why.
  private func failures(in mode: String) -> String {
    comparisons.filter { $0.mode == mode }.flatMap { comparison in
      comparison.outcomes.compactMap { $0.failure }.map { "\n\(comparison.work): \($0)\n" }
    }.joined()
  }

  /// What the columns mean, for a reader who was not there.
  static let legend = """
    op/s: median of the rounds, and between what values the middle half of them lies; ratio: ours over this one's, \
    round by round, likewise. d: requests in flight, j: jobs. An operation of readdirplus is an entry, of a tree, git \
    or compile a file.
    CPU: of the backend's whole process tree, and what part of this one's ours needs. calls: system calls, counted by \
    strace in a pass of its own. shown: frames that arrived where they are looked at; a flip that another one overtook \
    is none. copied: bytes that the backend says it copied, from guest memory to its own picture and from either to \
    displays; what the kernel copies into sockets comes on top. MiB: the backend's anonymous memory after the work.
    memory: bytes of anonymous memory per inode that the guest knows; ratio: theirs over ours.
    """

  private static func rows(of comparison: Comparison) -> [[String]] {
    comparison.outcomes.enumerated().map { index, outcome in
      let rival = outcome.role == .ours ? nil : comparison.ours
      let goals = comparison.goals
      var row = [index == 0 ? comparison.work : "", outcome.name]
      row += speed(outcome)
      let ratio = rival?.ratio(to: outcome)
      row.append(ratio.map { Format.spread($0) } ?? "")
      row.append(verdict(ratio?.median, atLeast: outcome.role == .reference ? goals.reference : goals.speed))
      row.append(outcome.processorMicroseconds.map { Format.number($0.median) } ?? "")
      row.append(
        part(
          rival?.processorMicroseconds?.median, of: outcome.processorMicroseconds?.median,
          goal: outcome.role == .rival ? goals.processor : nil))
      row.append(calls(outcome, goals))
      row.append(
        part(
          rival?.systemCalls?.perOperation, of: outcome.systemCalls?.perOperation,
          goal: outcome.role == .rival ? goals.calls : nil))
      row.append(median(outcome, goals))
      row += [99, 99.9].map { outcome.latency($0).map { Format.microseconds($0) } ?? "" }
      row.append(outcome.shownPerSecond.map { Format.number($0.median) } ?? "")
      row.append(outcome.copiedBytes.map { Format.number($0.median / 1e6) } ?? "")
      row.append(outcome.residentBytes.map { Format.fixed(Double($0) / 1_048_576, 1) } ?? "")
      return row
    }
  }

  private static func median(_ outcome: Outcome, _ goals: Goals) -> String {
    guard let nanoseconds = outcome.latency(50) else { return "" }
    let most = outcome.role == .ours ? goals.latency : nil
    return Format.microseconds(nanoseconds)
      + (most.map { " (\(Format.number($0)) \(Double(nanoseconds) <= $0 * 1000 ? "met" : "MISSED"))" } ?? "")
  }

  private static func speed(_ outcome: Outcome) -> [String] {
    if outcome.failure != nil { return ["failed", ""] }
    if let memory = outcome.inodeBytes {
      return [Format.number(memory.median) + " B/inode", Format.range(memory)]
    }
    guard let spread = outcome.perSecond else { return ["-", ""] }
    return [Format.number(spread.median), Format.range(spread)]
  }

  private static func verdict(_ value: Double?, atLeast goal: Double?) -> String {
    guard let value, let goal else { return "" }
    return "\(Format.tick(goal)) \(value >= goal ? "met" : "MISSED")"
  }

  private static func part(_ value: Double?, of other: Double?, goal: Double?) -> String {
    guard let value, let other, other > 0 else { return "" }
    let part = value / other
    return Format.fixed(part, 2) + (goal.map { " (\(Format.fixed($0, 2)) \(part <= $0 ? "met" : "MISSED"))" } ?? "")
  }

  private static func calls(_ outcome: Outcome, _ goals: Goals) -> String {
    guard let counted = outcome.systemCalls else { return "" }
    let most = outcome.role == .ours ? goals.absoluteCalls : nil
    return Format.number(counted.perOperation)
      + (most.map { " (\(Format.fixed($0, 1)) \(counted.perOperation <= $0 ? "met" : "MISSED"))" } ?? "")
  }

  private static func render(_ rows: [[String]], _ style: TableStyle) -> String {
    // A column that says nothing is left out.
    let used = header.indices.filter { column in rows.contains { !$0[column].isEmpty } }
    let table = ([header] + rows).map { row in used.map { row[$0] } }
    switch style {
    case .markdown:
      let rule = used.map { $0 < leftAligned ? "---" : "---:" }
      return ([table[0], rule] + table.dropFirst()).map { "| " + $0.joined(separator: " | ") + " |\n" }.joined()
    case .text:
      let widths = used.indices.map { column in table.map { $0[column].count }.max() ?? 0 }
      return table.map { row in
        row.indices.map { Format.padded(row[$0], to: widths[$0], right: used[$0] >= leftAligned) }
          .joined(separator: "  ") + "\n"
      }.joined()
    }
  }
}
