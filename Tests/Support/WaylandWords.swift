// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// How Wayland puts things on the wire ("Wire Format" of the protocol's book), for compositors of the tests' own.

/// Little-endian words, as the machines that the tests run on have them.
public enum WaylandWords {
  public static func bytes(_ words: [UInt32]) -> [UInt8] {
    words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> UInt32(8 * $0)) } }
  }

  /// An event of an object, or a request to one.
  public static func message(_ object: UInt32, _ opcode: UInt32, _ words: [UInt32]) -> [UInt32] {
    [object, opcode | UInt32(8 + 4 * words.count) << 16] + words
  }

  /// A string: its length with the NUL behind it, and its bytes up to the next word.
  public static func text(_ text: String) -> [UInt32] {
    var bytes = Array(text.utf8) + [0]
    let count = bytes.count
    while bytes.count % 4 != 0 { bytes.append(0) }
    return [UInt32(count)]
      + stride(from: 0, to: bytes.count, by: 4).map { start in
        (0..<4).reduce(0) { $0 | UInt32(bytes[start + $1]) << UInt32(8 * $1) }
      }
  }
}
