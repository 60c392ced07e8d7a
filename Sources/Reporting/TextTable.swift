// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// Rows of words in aligned columns, for people: the first columns to the left, numbers to the right.
public struct TextTable: Sendable {
  private var rows: [[String]]
  private let leftAligned: Int

  /// - Parameter leftAligned: how many columns hold words.
  public init(header: [String], leftAligned: Int = 1) {
    rows = [header]
    self.leftAligned = leftAligned
  }

  /// As many words as the header has.
  public mutating func add(_ row: [String]) {
    precondition(row.count == rows[0].count, "a row has a word for each column")
    rows.append(row)
  }

  /// One line per row, each with its line break.
  public var text: String {
    let widths = rows[0].indices.map { column in rows.map { $0[column].count }.max() ?? 0 }
    return rows.map { row in
      let line = row.indices.map { padded(row[$0], to: widths[$0], right: $0 >= leftAligned) }.joined(separator: "  ")
      return line.reversed().drop { $0 == " " }.reversed() + "\n"
    }.joined()
  }

  private func padded(_ word: String, to width: Int, right: Bool) -> String {
    let space = String(repeating: " ", count: width - word.count)
    return right ? space + word : word + space
  }
}
