// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// Numbers for people.
enum Format {
  /// Three digits that count, thousands with separators: 1.53, 48.2, 12,345.
  static func number(_ value: Double) -> String {
    if value.isNaN || value.isInfinite { return "-" }
    let magnitude = abs(value)
    let decimals = magnitude >= 100 ? 0 : magnitude >= 10 ? 1 : 2
    return fixed(value, decimals)
  }

  static func fixed(_ value: Double, _ decimals: Int) -> String {
    var scale = 1.0
    for _ in 0..<decimals { scale *= 10 }
    let scaled = (abs(value) * scale).rounded()
    guard scaled < 9e15 else { return "-" }
    let whole = Int(scaled)
    let unit = Int(scale)
    var digits = String(whole / unit)
    var grouped = ""
    while digits.count > 3 {
      grouped = "," + digits.suffix(3) + grouped
      digits.removeLast(3)
    }
    grouped = digits + grouped
    if decimals > 0 {
      let rest = String(whole % unit)
      grouped += "." + String(repeating: "0", count: decimals - rest.count) + rest
    }
    return (value < 0 && whole > 0 ? "-" : "") + grouped
  }

  /// The number without the zeroes at its end, for axes.
  static func tick(_ value: Double) -> String {
    var text = number(value)
    guard text.contains(".") else { return text }
    while text.hasSuffix("0") { text.removeLast() }
    if text.hasSuffix(".") { text.removeLast() }
    return text
  }

  /// A median with the middle half around it: "2.61 (1.50-3.48)".
  static func spread(_ spread: Spread) -> String {
    "\(number(spread.median)) (\(number(spread.low))-\(number(spread.high)))"
  }

  /// "1,234-1,456".
  static func range(_ spread: Spread) -> String { "\(number(spread.low))-\(number(spread.high))" }

  /// Nanoseconds as microseconds.
  static func microseconds(_ nanoseconds: UInt64) -> String { number(Double(nanoseconds) / 1000) }

  static func padded(_ text: String, to width: Int, right: Bool) -> String {
    let space = String(repeating: " ", count: max(width - text.count, 0))
    return right ? space + text : text + space
  }
}
