// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// Sizes as people type them.
public enum ByteSize {
  private static let shifts: [Character: Int64] = ["B": 0, "K": 10, "M": 20, "G": 30, "T": 40]

  /// "512M", "10GiB", "4096B" in bytes; a unit is 1024 of the one before it. A number without a unit is refused: some
  /// programs mean bytes by it and others mebibytes, and an image is made only once.
  /// - Parameter option: what the text was given for, in the sentence that refuses it.
  public static func parse(_ text: String, for option: String) throws(ImageError) -> Int64 {
    let digits = text.prefix { "0123456789".contains($0) }
    let unit = text.dropFirst(digits.count)
    guard let number = Int64(digits), number > 0 else {
      throw .usage("\(option) cannot be '\(text)'; give a number and a unit, such as 512M or 10G")
    }
    guard let letter = unit.first else {
      throw .usage("\(option) \(text) has no unit; say \(text)M, \(text)G or, for bytes, \(text)B")
    }
    let upper = Character(letter.uppercased())
    guard let shift = shifts[upper], unit.count == 1 || (unit.dropFirst() == "iB" && shift > 0) else {
      throw .usage("\(option) \(text) has an unknown unit '\(unit)'; give B, K, M, G or T")
    }
    let (bytes, overflow) = number.multipliedReportingOverflow(by: 1 << shift)
    guard !overflow else { throw .usage("\(option) \(text) is more than any file can have; give a smaller one") }
    return bytes
  }

  /// In the largest unit that says it exactly.
  static func describe(_ byteCount: Int64) -> String {
    for (letter, shift) in shifts.sorted(by: { $0.value > $1.value }) where byteCount % (1 << shift) == 0 {
      return "\(byteCount >> shift)\(letter)"
    }
    return "\(byteCount)B"
  }
}
