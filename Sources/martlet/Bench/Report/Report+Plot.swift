// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A report as a picture. On the left, how many times faster ours is than each rival, one bar per work and series with
// the spread of the rounds; on the right, latency curves of chosen works (Report+Curves.swift).

extension Report {
  /// What bars of one colour are about.
  private struct Series: Equatable {
    let mode: String
    let rival: String
  }

  private struct Bar {
    let series: Int
    let ratio: Spread
    let goal: Double?
  }

  /// A work and its bars.
  private struct Group {
    let work: String
    let bars: [Bar]
    /// Heading above it, where another kind of work begins.
    let heading: String?

    var height: Double {
      max(Double(bars.count) * Layout.barHeight, Layout.labelHeight) + Layout.groupGap
        + (heading == nil ? 0 : Layout.headingHeight)
    }
  }

  private enum Layout {
    static let labelWidth = 190.0
    static let barsWidth = 430.0
    /// The ratios in figures, in a column of their own: nothing can be in their way.
    static let figureWidth = 96.0
    static let barHeight = 13.0
    static let labelHeight = 15.0
    static let groupGap = 6.0
    static let headingHeight = 26.0
    static let bottom = 62.0
    static let gap = 56.0
    static let margin = 24.0
    static let headHeight = 106.0
  }

  static let colours = ["#1f5fa8", "#e08a1e", "#5b9a57", "#8a5bb0", "#777777", "#c23b3b"]

  /// An SVG document; nil if there is nothing to compare.
  func plot() -> String? {
    let series = allSeries
    guard !series.isEmpty else { return nil }
    let groups = groups(series)
    let barsHeight = groups.reduce(0) { $0 + $1.height } + Layout.bottom
    // As many as stand beside the bars, but two in any case.
    let curves = curveChoices(atMost: max(Int(barsHeight / Curve.height), 2))
    let curvesHeight = Double(curves.count) * Curve.height
    let barsRight = Layout.margin + Layout.labelWidth + Layout.barsWidth + Layout.figureWidth
    let width = barsRight + (curves.isEmpty ? 0 : Layout.gap + Curve.width) + Layout.margin
    var svg = SVG(width: width, height: Layout.headHeight + max(barsHeight, curvesHeight))
    drawHead(&svg, series, width: width)
    drawBars(&svg, groups, top: Layout.headHeight)
    for (index, comparison) in curves.enumerated() {
      Curve.draw(
        &svg, comparison, left: barsRight + Layout.gap, top: Layout.headHeight + Double(index) * Curve.height)
    }
    return svg.document
  }

  private var allSeries: [Series] {
    var found: [Series] = []
    for comparison in comparisons {
      for outcome in comparison.outcomes where outcome.role == .rival {
        let series = Series(mode: comparison.mode, rival: outcome.name)
        if !found.contains(series) { found.append(series) }
      }
    }
    return found
  }

  private func groups(_ series: [Series]) -> [Group] {
    var order: [String] = []
    for comparison in comparisons where !order.contains(comparison.work) { order.append(comparison.work) }
    let kinds = order.map { Report.kind(of: $0) }.reduce(into: [String]()) { if !$0.contains($1) { $0.append($1) } }
    order = kinds.flatMap { kind in order.filter { Report.kind(of: $0) == kind } }
    var heading = ""
    return order.compactMap { work in
      let bars = series.enumerated().compactMap { index, series -> Bar? in
        guard let comparison = comparisons.first(where: { $0.work == work && $0.mode == series.mode }),
          let rival = comparison.outcomes.first(where: { $0.name == series.rival }),
          let ratio = comparison.ours?.ratio(to: rival), ratio.median > 0
        else { return nil }
        return Bar(series: index, ratio: ratio, goal: comparison.goals.speed)
      }
      if bars.isEmpty { return nil }
      let kind = Report.kind(of: work)
      defer { heading = kind }
      return Group(work: work, bars: bars, heading: kind == heading ? nil : kind)
    }
  }

  private static func kind(of work: String) -> String {
    for (word, kind) in [
      (" 4k", "4 KiB"), (" 128k", "128 KiB"), (" 1m", "1 MiB"), ("memory", "memory"), ("tree", "whole loads"),
      ("git", "whole loads"), ("compile", "whole loads"), ("empty", "requests without work"),
      ("getattr root", "requests with one system call"), ("1080p", "1920x1080"), ("2160p", "3840x2160"),
    ] where work.contains(word) {
      return kind
    }
    return "metadata"
  }

  private func drawHead(_ svg: inout SVG, _ series: [Series], width: Double) {
    let ours = comparisons.lazy.compactMap { $0.ours?.name }.first ?? "ours"
    let rivals = series.reduce(into: [String]()) { if !$0.contains($1.rival) { $0.append($1.rival) } }
    svg.text(Layout.margin, 32, "\(ours) against \(rivals.joined(separator: " and "))", size: 20, isBold: true)
    let facts = facts.map { "\($0.name): \($0.value)" }.joined(separator: "; ")
    svg.text(
      Layout.margin, 52, SVG.clipped(facts, to: width - 2 * Layout.margin, size: 11), size: 11, colour: "#555555")
    var x = Layout.margin
    for (index, entry) in series.enumerated() {
      let label = rivals.count > 1 ? "\(entry.mode), \(entry.rival)" : "mode \(entry.mode)"
      svg.rectangle(x, 68, 11, 11, Report.colours[index % Report.colours.count])
      svg.text(x + 16, 78, label, size: 12)
      x += 34 + SVG.width(of: label, size: 12)
    }
    svg.line(x + 4, 66, x + 4, 81, "#111111", 2)
    svg.text(x + 12, 78, "goal", size: 12)
    svg.whisker(x + 54, x + 78, 73)
    svg.text(x + 84, 78, "middle half of the rounds", size: 12)
  }

  private func drawBars(_ svg: inout SVG, _ groups: [Group], top: Double) {
    let left = Layout.margin + Layout.labelWidth
    let right = left + Layout.barsWidth
    let bars = groups.flatMap { $0.bars }
    let scale = RatioAxis(
      from: bars.map { min($0.ratio.low, 1) }.min() ?? 1, to: bars.map { max($0.ratio.high, $0.goal ?? 1) }.max() ?? 2)
    let place = { (value: Double) in left + scale.part(value) * Layout.barsWidth }
    let height = groups.reduce(0) { $0 + $1.height }
    // What belongs together lies on one ground, under everything else.
    var y = top
    for (index, group) in groups.enumerated() {
      if group.heading != nil { y += Layout.headingHeight }
      let inner = group.height - (group.heading == nil ? 0 : Layout.headingHeight)
      if index % 2 == 0 {
        svg.rectangle(Layout.margin, y, right + Layout.figureWidth - Layout.margin, inner, "#f4f5f7")
      }
      y += inner
    }
    for tick in scale.ticks {
      svg.line(place(tick), top, place(tick), top + height, tick == 1 ? "#333333" : "#d5d8dc", tick == 1 ? 1.5 : 1)
      svg.text(
        place(tick), top + height + 16, tick < 1 ? "1/\(Format.tick(1 / tick))" : Format.tick(tick), size: 11,
        anchor: "middle")
    }
    svg.text(
      left + Layout.barsWidth / 2, top + height + 36, "times as fast (memory: times as small); logarithmic", size: 12,
      anchor: "middle", colour: "#333333")
    y = top
    for group in groups {
      draw(&svg, group, at: y, place: place)
      y += group.height
    }
  }

  private func draw(_ svg: inout SVG, _ group: Group, at start: Double, place: (Double) -> Double) {
    let left = Layout.margin + Layout.labelWidth
    let right = left + Layout.barsWidth
    var top = start
    if let heading = group.heading {
      svg.text(Layout.margin, top + 18, heading, size: 13, isBold: true)
      top += Layout.headingHeight
    }
    let inner = start + group.height - top
    svg.text(left - 10, top + inner / 2 + 4, group.work, size: 12, anchor: "end")
    var y = top + (inner - Double(group.bars.count) * Layout.barHeight) / 2
    for bar in group.bars {
      let (one, median) = (place(1), place(bar.ratio.median))
      svg.rectangle(
        min(one, median), y + 1.5, max(abs(median - one), 1), Layout.barHeight - 3,
        Report.colours[bar.series % Report.colours.count])
      svg.whisker(place(bar.ratio.low), place(bar.ratio.high), y + Layout.barHeight / 2)
      if let goal = bar.goal { svg.line(place(goal), y, place(goal), y + Layout.barHeight, "#111111", 2) }
      let isMissed = bar.goal.map { bar.ratio.median < $0 } ?? false
      svg.text(
        right + 12, y + Layout.barHeight / 2 + 4, Format.spread(bar.ratio), size: 10,
        colour: isMissed ? "#c23b3b" : "#333333")
      y += Layout.barHeight
    }
  }
}
