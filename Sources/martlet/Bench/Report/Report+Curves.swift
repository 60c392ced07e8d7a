// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Latency curves: percentiles against time, on a scale where each step to the right is rarer.

extension Report {
  /// Works whose curves say most, in the first mode that has them.
  func curveChoices(atMost count: Int) -> [Comparison] {
    let names = [
      "lookup known", "create-unlink", "getattr", "randread 4k d1", "randread 4k d16", "randread 4k d32",
      "randwrite 4k d1", "randread 4k direct d32", "randread 4k direct d1", "randread 4k direct d128", "empty d1",
      "empty d32", "seen 1080p", "flip 1080p", "flip 2160p",
    ]
    let found = names.compactMap { name in
      comparisons.first { comparison in
        comparison.work == name && comparison.outcomes.contains { !$0.latencies.isEmpty }
      }
    }
    return Array(found.prefix(count))
  }
}

/// One diagram.
enum Curve {
  static let width = 430.0
  static let height = 258.0
  private static let labelWidth = 58.0
  private static let innerHeight = 160.0

  /// Percentiles, and which of them are named.
  private static let steps: [(percentile: Double, label: String)] = [
    (25, "25"), (50, "50"), (75, "75"), (90, "90"), (95, ""), (99, "99"), (99.5, ""), (99.9, "99.9"), (99.95, ""),
    (99.99, "99.99"),
  ]

  static func draw(_ svg: inout SVG, _ comparison: Comparison, left start: Double, top: Double) {
    let curves = comparison.outcomes.compactMap { outcome -> (name: String, values: [Double])? in
      let values = steps.compactMap { outcome.latency($0.percentile).map { max(Double($0), 1) / 1000 } }
      return values.count == steps.count ? (outcome.name, values) : nil
    }
    let values = curves.flatMap { $0.values }
    guard let least = values.min(), let most = values.max() else { return }
    let scale = LogAxis(from: least, to: most)
    let left = start + labelWidth
    let across = width - labelWidth
    let plain = top + 44
    let bottom = plain + innerHeight
    svg.text(start, top + 12, "latency of \(comparison.work), mode \(comparison.mode)", size: 13, isBold: true)
    legend(&svg, curves.map { $0.name }, left: left, y: top + 32)
    for tick in scale.ticks {
      let y = bottom - scale.part(tick) * innerHeight
      svg.line(left, y, left + across, y, "#dddddd", 1)
      svg.text(left - 6, y + 4, Format.tick(tick) + " us", size: 10, anchor: "end")
    }
    let place = { (index: Int) in left + Double(index) / Double(steps.count - 1) * across }
    for (index, step) in steps.enumerated() where !step.label.isEmpty {
      svg.line(place(index), bottom, place(index), bottom + 4, "#888888", 1)
      svg.text(
        place(index), bottom + 16, step.label + "%", size: 10, anchor: index == steps.count - 1 ? "end" : "middle")
    }
    svg.text(left + across / 2, bottom + 32, "so many operations took less", size: 11, anchor: "middle")
    for (number, curve) in curves.enumerated() {
      svg.path(
        curve.values.enumerated().map { (place($0), bottom - scale.part($1) * innerHeight) },
        Report.curveColours[number % Report.curveColours.count])
    }
  }

  private static func legend(_ svg: inout SVG, _ names: [String], left: Double, y: Double) {
    var x = left
    for (number, name) in names.enumerated() {
      svg.line(x, y - 4, x + 20, y - 4, Report.curveColours[number % Report.curveColours.count], 2.5)
      svg.text(x + 26, y, name, size: 11)
      x += 44 + SVG.width(of: name, size: 11)
    }
  }
}

extension Report {
  /// Ours first, then the rivals, then the references.
  static let curveColours = ["#1f5fa8", "#c23b3b", "#5b9a57", "#8a5bb0", "#777777"]
}
