// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// As much of SVG as a report's picture needs: text, lines, boxes, curves; and axes with round numbers.

struct SVG {
  private var body = ""
  private let width: Double
  private let height: Double

  init(width: Double, height: Double) {
    self.width = width
    self.height = height
    rectangle(0, 0, width, height, "#ffffff")
  }

  var document: String {
    let size = "width=\"\(n(width))\" height=\"\(n(height))\" viewBox=\"0 0 \(n(width)) \(n(height))\""
    return "<svg xmlns=\"http://www.w3.org/2000/svg\" \(size) font-family=\"DejaVu Sans, Arial, sans-serif\">\n"
      + body + "</svg>\n"
  }

  mutating func text(
    _ x: Double, _ y: Double, _ text: String, size: Double, anchor: String = "start", isBold: Bool = false,
    colour: String = "#111111"
  ) {
    let escaped = text.replacing("&", by: "&amp;").replacing("<", by: "&lt;").replacing(">", by: "&gt;")
    body +=
      "<text x=\"\(n(x))\" y=\"\(n(y))\" font-size=\"\(n(size))\" text-anchor=\"\(anchor)\" fill=\"\(colour)\""
      + (isBold ? " font-weight=\"bold\"" : "") + ">\(escaped)</text>\n"
  }

  mutating func rectangle(_ x: Double, _ y: Double, _ width: Double, _ height: Double, _ colour: String) {
    body +=
      "<rect x=\"\(n(x))\" y=\"\(n(y))\" width=\"\(n(max(width, 0)))\" height=\"\(n(height))\" fill=\"\(colour)\"/>\n"
  }

  mutating func line(_ x1: Double, _ y1: Double, _ x2: Double, _ y2: Double, _ colour: String, _ width: Double) {
    body +=
      "<line x1=\"\(n(x1))\" y1=\"\(n(y1))\" x2=\"\(n(x2))\" y2=\"\(n(y2))\""
      + " stroke=\"\(colour)\" stroke-width=\"\(n(width))\"/>\n"
  }

  /// The spread of a bar: a line with a stroke at each end.
  mutating func whisker(_ x1: Double, _ x2: Double, _ y: Double) {
    line(x1, y, x2, y, "#222222", 1)
    line(x1, y - 3, x1, y + 3, "#222222", 1)
    line(x2, y - 3, x2, y + 3, "#222222", 1)
  }

  mutating func path(_ points: [(Double, Double)], _ colour: String) {
    let steps = points.enumerated().map { "\($0 == 0 ? "M" : "L")\(n($1.0)) \(n($1.1))" }.joined(separator: " ")
    body += "<path d=\"\(steps)\" fill=\"none\" stroke=\"\(colour)\" stroke-width=\"2\"/>\n"
  }

  /// About how wide a text is: the fonts differ, but not by much.
  static func width(of text: String, size: Double) -> Double { Double(text.count) * size * 0.6 }

  /// As much of a text as fits.
  static func clipped(_ text: String, to width: Double, size: Double) -> String {
    let most = max(Int(width / (size * 0.6)), 1)
    return text.count <= most ? text : text.prefix(most - 3) + "..."
  }

  /// One decimal at most; the document must not depend on a locale.
  private func n(_ value: Double) -> String {
    let tenths = Int((value * 10).rounded())
    let sign = tenths < 0 ? "-" : ""
    return sign + "\(abs(tenths) / 10)" + (tenths % 10 == 0 ? "" : ".\(abs(tenths) % 10)")
  }
}

/// A logarithmic axis of ratios: doublings, with 1 in it. What lies beyond its ends is drawn at them.
struct RatioAxis {
  let ticks: [Double]

  init(from least: Double, to most: Double) {
    var low = 0.5
    while low > least, low > 1.0 / 8 { low /= 2 }
    var high = 2.0
    while high < most, high < 64 { high *= 2 }
    var marks: [Double] = []
    while low <= high {
      marks.append(low)
      low *= 2
    }
    ticks = marks
  }

  /// Where a value lies, from 0 to 1.
  func part(_ value: Double) -> Double {
    guard let first = ticks.first, let last = ticks.last else { return 0 }
    return LogAxis.logarithm(min(max(value, first), last) / first) / LogAxis.logarithm(last / first)
  }
}

/// A logarithmic axis between powers of ten or halves of them.
struct LogAxis {
  let ticks: [Double]

  init(from least: Double, to most: Double) {
    var low = 1e-3
    while low * 10 <= least { low *= 10 }
    var marks: [Double] = []
    while low < most * 100 {
      marks += [low, low * 2, low * 5]
      low *= 10
    }
    let inside = LogAxis.around(least, most, in: marks)
    // Over a wide range the powers of ten say enough.
    ticks = inside.count <= 7 ? inside : LogAxis.around(least, most, in: marks.filter { LogAxis.isPowerOfTen($0) })
  }

  /// The marks from the last one below to the first one above.
  private static func around(_ least: Double, _ most: Double, in marks: [Double]) -> [Double] {
    let first = (marks.lastIndex { $0 <= least }) ?? 0
    let last = max((marks.firstIndex { $0 >= most }) ?? marks.count - 1, min(first + 1, marks.count - 1))
    return Array(marks[first...last])
  }

  private static func isPowerOfTen(_ value: Double) -> Bool {
    var power = 1e-3
    while power < value * 0.99 { power *= 10 }
    return power < value * 1.01
  }

  /// Where a value lies, from 0 to 1.
  func part(_ value: Double) -> Double {
    guard let first = ticks.first, let last = ticks.last, last > first else { return 0 }
    return LogAxis.logarithm(value / first) / LogAxis.logarithm(last / first)
  }

  /// The natural logarithm, from its series: nothing of the C library is needed for a picture.
  static func logarithm(_ value: Double) -> Double {
    guard value > 0 else { return 0 }
    let exponent = Double(value.exponent)
    // ln(m) for m in [1, 2) by 2 * artanh((m - 1) / (m + 1)).
    let ratio = (value.significand - 1) / (value.significand + 1)
    var term = ratio
    var sum = 0.0
    for power in stride(from: 1.0, to: 25, by: 2) {
      sum += term / power
      term *= ratio * ratio
    }
    return exponent * 0.6931471805599453 + 2 * sum
  }
}
