// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// zlib, for pictures that leave the process: whole buffers at a time, on control paths.

internal import CZlib

public enum Deflate {
  /// `bytes` as a zlib stream (RFC 1950); nil if there is not enough memory.
  /// - Parameter level: 1 is fast, 9 is small.
  public static func compress(_ bytes: [UInt8], level: Int32 = 6) -> [UInt8]? {
    var count = compressBound(UInt(bytes.count))
    var result = [UInt8](repeating: 0, count: Int(count))
    // Both counts are those of the arrays, which live for the call.
    let code = unsafe compress2(&result, &count, bytes, UInt(bytes.count), level)
    guard code == Z_OK else { return nil }
    result.removeSubrange(Int(count)...)
    return result
  }

  /// CRC-32 as PNG wants it.
  public static func checksum(_ bytes: [UInt8]) -> UInt32 {
    // uInt is 32 bits wide; chunks of a picture are far shorter.
    UInt32(truncatingIfNeeded: unsafe crc32(0, bytes, UInt32(bytes.count)))
  }
}
