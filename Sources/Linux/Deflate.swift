// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// zlib, for pictures that leave the process: whole buffers at a time, on control paths.

internal import CZlib
public import Wire

public enum Deflate {
  /// A piece of a zlib stream (RFC 1950) that needs nothing of the pieces before it: several threads make one each.
  public struct Piece: Sendable {
    /// Whole blocks (RFC 1951), up to the end of a byte.
    fileprivate let blocks: [UInt8]
    /// Adler-32 of what they stand for, and how much that is.
    fileprivate let checksum: UInt
    fileprivate let inputCount: Int
  }

  /// - Parameters:
  ///   - isLast: the stream ends with it.
  ///   - level: 1 is fast, 9 is small.
  /// - Returns: nil if there is not enough memory.
  public static func piece(of input: Segment, isLast: Bool, level: Int32) -> Piece? {
    guard let inputCount = UInt32(exactly: input.count) else { return nil }
    var state = unsafe z_stream()
    let size = Int32(unsafe MemoryLayout<z_stream>.size)
    // deflateInit2 is a macro that adds the last two; a negative window leaves out head and checksum (zlib.h).
    guard unsafe deflateInit2_(&state, level, Z_DEFLATED, -15, 8, Z_DEFAULT_STRATEGY, ZLIB_VERSION, size) == Z_OK
    else { return nil }
    defer { _ = unsafe deflateEnd(&state) }
    // What a flush adds is not in the bound.
    var blocks = [UInt8](repeating: 0, count: Int(unsafe deflateBound(&state, UInt(input.count))) + 16)
    let isWhole = unsafe blocks.withUnsafeMutableBufferPointer { output in
      unsafe state.next_in = input.base.assumingMemoryBound(to: UInt8.self)
      unsafe state.avail_in = inputCount
      unsafe state.next_out = output.baseAddress
      unsafe state.avail_out = UInt32(output.count)
      let code = unsafe deflate(&state, isLast ? Z_FINISH : Z_FULL_FLUSH)
      return unsafe code == (isLast ? Z_STREAM_END : Z_OK) && state.avail_in == 0 && state.avail_out > 0
    }
    guard isWhole else { return nil }
    blocks.removeSubrange(Int(unsafe state.total_out)...)
    let checksum = unsafe adler32(1, input.base.assumingMemoryBound(to: UInt8.self), inputCount)
    return Piece(blocks: blocks, checksum: checksum, inputCount: input.count)
  }

  /// The stream of all pieces, the last of which is a last one.
  public static func join(_ pieces: [Piece]) -> [UInt8] {
    // A window of 32 KiB, no dictionary, "fastest"; the two bytes are a multiple of 31 (RFC 1950 section 2.2).
    var stream: [UInt8] = [0x78, 0x01]
    stream.reserveCapacity(pieces.reduce(6) { $0 + $1.blocks.count })
    // 1 is what no bytes have.
    var checksum: UInt = 1
    for piece in pieces {
      stream += piece.blocks
      checksum = adler32_combine(checksum, piece.checksum, piece.inputCount)
    }
    return stream + (0..<4).map { UInt8(truncatingIfNeeded: checksum >> UInt(24 - 8 * $0)) }
  }

  /// CRC-32 as PNG wants it.
  public static func checksum(_ bytes: [UInt8]) -> UInt32 {
    // uInt is 32 bits wide; chunks of a picture are far shorter.
    UInt32(truncatingIfNeeded: unsafe crc32(0, bytes, UInt32(bytes.count)))
  }
}
