// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A report as a picture. On the left, how many times faster than each rival, one bar per work and mode with the spread
// of the rounds; on the right, latency curves of chosen works, percentiles against time.

internal import Histogram

extension Report {
  /// What the bars are about: ours against one other backend.
  private struct Bar {
    let label: String
    let mode: Int
    let ratio: Spread
    let goal: Double?
  }

  private enum Layout {
    static let labelWidth = 210.0
    static let barsWidth = 460.0
    static let rowHeight = 15.0
    static let groupGap = 7.0
    static let top = 92.0
    static let gap = 96.0
    static let curveWidth = 400.0
    static let curveHeight = 190.0
    static let curveGap = 72.0
    static let margin = 24.0
  }

  private static let modeColours = ["#1f5fa8", "#e08a1e", "#5b9a57", "#8a5bb0"]
  private static let backendColours = ["#1f5fa8", "#c23b3b", "#5b9a57", "#8a5bb0", "#777777"]

  /// An SVG document; nil if there is nothing to compare.
  func plot() -> String? {
    let modes = comparisons.reduce(into: [String]()) { if !$0.contains($1.mode) { $0.append($1.mode) } }
    guard let rival = comparisons.lazy.flatMap({ $0.outcomes }).first(where: { !$0.isOurs })?.backend else {
      return nil
    }
    let groups = bars(against: rival, modes: modes)
    let rows = groups.reduce(0) { $0 + $1.count }
    let barsHeight = Double(rows) * Layout.rowHeight + Double(groups.count) * Layout.groupGap
    let curves = curveChoices()
    let curvesHeight = Double(curves.count) * (Layout.curveHeight + Layout.curveGap)
    let width = Layout.margin * 2 + Layout.labelWidth + Layout.barsWidth + Layout.gap + Layout.curveWidth
    let height = Layout.top + max(barsHeight, curvesHeight) + 60
    var svg = SVG(width: width, height: height)
    let ours = comparisons.lazy.compactMap { $0.ours?.backend }.first ?? "ours"
    svg.text(Layout.margin, 30, "\(ours) against \(rival)", size: 19, isBold: true)
    svg.text(
      Layout.margin, 50, facts.map { "\($0.name) \($0.value)" }.joined(separator: "; "), size: 11, colour: "#555555")
    drawBars(&svg, groups, modes, ours: ours, rival: rival, height: barsHeight)
    let left = Layout.margin + Layout.labelWidth + Layout.barsWidth + Layout.gap
    for (index, comparison) in curves.enumerated() {
      let top = Layout.top + Double(index) * (Layout.curveHeight + Layout.curveGap)
      drawCurves(&svg, comparison, left: left, top: top)
    }
    return svg.document
  }

  /// One group per work, with one bar per mode.
  private func bars(against rival: String, modes: [String]) -> [[Bar]] {
    var order: [String] = []
    for comparison in comparisons where !order.contains(comparison.work.name) { order.append(comparison.work.name) }
    return order.compactMap { name in
      let group = comparisons.filter { $0.work.name == name }.compactMap { comparison -> Bar? in
        guard let other = comparison.outcomes.first(where: { $0.backend == rival }),
          let ratio = comparison.ours?.ratio(to: other), let mode = modes.firstIndex(of: comparison.mode)
        else { return nil }
        return Bar(label: name, mode: mode, ratio: ratio, goal: comparison.work.target(in: comparison.mode))
      }
      return group.isEmpty ? nil : group
    }
  }

  private func drawBars(
    _ svg: inout SVG, _ groups: [[Bar]], _ modes: [String], ours: String, rival: String, height: Double
  ) {
    let left = Layout.margin + Layout.labelWidth
    let most = groups.joined().map { max($0.ratio.median, $0.goal ?? 0) }.max() ?? 1
    let scale = Axis(upTo: max(most * 1.15, 1.5))
    let place = { (value: Double) in left + min(value / scale.end, 1) * Layout.barsWidth }
    var x = left
    for (index, mode) in modes.enumerated() {
      svg.rectangle(x, Layout.top - 30, 10, 10, Report.modeColours[index % Report.modeColours.count])
      svg.text(x + 14, Layout.top - 21, mode, size: 11)
      x += 34 + Double(mode.count) * 7
    }
    svg.line(x + 4, Layout.top - 32, x + 4, Layout.top - 18, "#111111", 2)
    svg.text(x + 10, Layout.top - 21, "goal", size: 11)
    for tick in scale.ticks {
      svg.line(place(tick), Layout.top - 6, place(tick), Layout.top + height, tick == 1 ? "#444444" : "#dddddd", 1)
      svg.text(place(tick), Layout.top + height + 15, Format.tick(tick), size: 11, anchor: "middle")
    }
    svg.text(
      left + Layout.barsWidth / 2, Layout.top + height + 33,
      "operations per second, \(ours) over \(rival) (memory: the other way round)", size: 12, anchor: "middle")
    var y = Layout.top
    for group in groups {
      let middle = y + Double(group.count) * Layout.rowHeight / 2 + 4
      svg.text(left - 8, middle, group[0].label, size: 12, anchor: "end")
      for bar in group {
        let colour = Report.modeColours[bar.mode % Report.modeColours.count]
        svg.rectangle(left, y + 2, place(bar.ratio.median) - left, Layout.rowHeight - 4, colour)
        svg.whisker(place(bar.ratio.least), place(bar.ratio.most), y + Layout.rowHeight / 2)
        let end = max(place(bar.ratio.most), place(bar.ratio.median), bar.goal.map(place) ?? 0)
        svg.text(end + 5, y + Layout.rowHeight / 2 + 4, Format.fixed(bar.ratio.median, 2), size: 10)
        if let goal = bar.goal { svg.line(place(goal), y, place(goal), y + Layout.rowHeight, "#111111", 2) }
        y += Layout.rowHeight
      }
      y += Layout.groupGap
    }
  }

  // MARK: Latency

  /// Works whose curves say most, as far as they were measured, in the first mode.
  private func curveChoices() -> [Comparison] {
    let names = ["randread 4k d1", "randread 4k d32", "randread 4k direct d32", "lookup known", "create-unlink"]
    let first = comparisons.first?.mode
    return names.compactMap { name in comparisons.first { $0.work.name == name && $0.mode == first } }
  }

  /// Percentiles by their distance from 100, halving: each step is half as many operations.
  private static let steps: [(percentile: Double, label: String)] = [
    (0, "0"), (50, "50"), (75, ""), (90, "90"), (95, ""), (99, "99"), (99.5, ""), (99.9, "99.9"), (99.95, ""),
    (99.99, "99.99"),
  ]

  private func drawCurves(_ svg: inout SVG, _ comparison: Comparison, left: Double, top: Double) {
    let curves = comparison.outcomes.compactMap { outcome in
      outcome.latencies.map { histogram in
        (name: outcome.backend, values: Report.steps.map { Double(histogram.valueAtPercentile($0.percentile)) / 1000 })
      }
    }
    let values = curves.flatMap { $0.values }.filter { $0 > 0 }
    guard let least = values.min(), let most = values.max() else { return }
    let scale = LogAxis(from: least, to: most)
    let bottom = top + Layout.curveHeight
    svg.text(
      left, top - 10, "latency in us of \(comparison.work.name), mode \(comparison.mode)", size: 13, isBold: true)
    for tick in scale.ticks {
      let y = bottom - scale.part(tick) * Layout.curveHeight
      svg.line(left, y, left + Layout.curveWidth, y, "#dddddd", 1)
      svg.text(left - 6, y + 4, Format.tick(tick), size: 10, anchor: "end")
    }
    let across = { (index: Int) in left + Double(index) / Double(Report.steps.count - 1) * Layout.curveWidth }
    for (index, step) in Report.steps.enumerated() where !step.label.isEmpty {
      svg.text(across(index), bottom + 15, step.label, size: 10, anchor: "middle")
    }
    svg.text(left + Layout.curveWidth / 2, bottom + 31, "percentile of operations", size: 11, anchor: "middle")
    // Behind the legend no line of the grid.
    let longest = curves.map { $0.name.count }.max() ?? 0
    svg.rectangle(left + 6, top + 3, 40 + Double(longest) * 7, Double(curves.count) * 16 + 4, "#ffffff")
    for (number, curve) in curves.enumerated() {
      let colour = Report.backendColours[number % Report.backendColours.count]
      let points = curve.values.enumerated().map { index, value in
        (across(index), bottom - scale.part(max(value, least)) * Layout.curveHeight)
      }
      svg.path(points, colour)
      svg.line(left + 12, top + 14 + Double(number) * 16, left + 32, top + 14 + Double(number) * 16, colour, 2)
      svg.text(left + 38, top + 18 + Double(number) * 16, curve.name, size: 11)
    }
  }
}
