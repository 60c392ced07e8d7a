// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
/// Takes big-endian numbers off a run of bytes; nil when it ends.
public struct RFBReader {
  private var rest: ArraySlice<UInt8>

  public init(_ bytes: ArraySlice<UInt8>) {
    rest = bytes
  }

  public mutating func u8() -> UInt8? { rest.popFirst() }

  public mutating func u16() -> UInt16? {
    guard let number = number(2) else { return nil }
    return UInt16(truncatingIfNeeded: number)
  }

  public mutating func u32() -> UInt32? { number(4) }

  public mutating func skip(_ count: Int) { rest = rest.dropFirst(count) }

  private mutating func number(_ count: Int) -> UInt32? {
    guard rest.count >= count else { return nil }
    let value = rest.prefix(count).reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    rest = rest.dropFirst(count)
    return value
  }
}

/// Writes big-endian numbers down.
public struct RFBWriter {
  public private(set) var bytes: [UInt8] = []

  public init() {}

  public mutating func u8(_ value: UInt8) { bytes.append(value) }

  public mutating func u16(_ value: UInt16) {
    bytes.append(UInt8(value >> 8))
    bytes.append(UInt8(truncatingIfNeeded: value))
  }

  public mutating func u32(_ value: UInt32) {
    u16(UInt16(value >> 16))
    u16(UInt16(truncatingIfNeeded: value))
  }

  public mutating func s32(_ value: Int32) { u32(UInt32(bitPattern: value)) }

  public mutating func zeroes(_ count: Int) {
    for _ in 0..<count { bytes.append(0) }
  }

  /// A length and so many bytes.
  public mutating func text(_ text: String) {
    u32(UInt32(text.utf8.count))
    bytes += text.utf8
  }
}
