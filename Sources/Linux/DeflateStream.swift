// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A zlib stream that goes on from message to message, as remote displays want it: what was sent before is the
// dictionary of what follows.

internal import CZlib
public import Wire

/// Compresses piece by piece. Has one owner.
@safe
public final class DeflateStream {
  /// zlib keeps pointers into itself: it must not move.
  private let state: UnsafeMutablePointer<z_stream>

  /// Nil if there is not enough memory (about 256 KiB).
  /// - Parameter level: 1 is fast, 9 is small.
  public init?(level: Int32) {
    unsafe state = .allocate(capacity: 1)
    unsafe state.initialize(to: z_stream())
    // deflateInit is a macro that adds these two.
    let size = Int32(unsafe MemoryLayout<z_stream>.size)
    guard unsafe deflateInit_(state, level, ZLIB_VERSION, size) == Z_OK else { return nil }
  }

  deinit {
    // A stream that was never set up has no state, which deflateEnd notices.
    _ = unsafe deflateEnd(state)
    unsafe state.deallocate()
  }

  /// Bytes that always hold what `count` bytes become.
  public static func bound(_ count: Int) -> Int { count + count / 1000 + 64 }

  /// Appends `input` to the stream, so that a reader can make out all of it (Z_SYNC_FLUSH).
  /// - Returns: bytes written to `output`; nil if they did not fit, and then the stream is of no use any more.
  public func append(_ input: Segment, into output: Segment) -> Int? {
    guard let inputCount = UInt32(exactly: input.count), let outputCount = UInt32(exactly: output.count) else {
      return nil
    }
    // Both segments outlive the call, and zlib keeps neither.
    unsafe state.pointee.next_in = input.base.assumingMemoryBound(to: UInt8.self)
    unsafe state.pointee.avail_in = inputCount
    unsafe state.pointee.next_out = output.base.assumingMemoryBound(to: UInt8.self)
    unsafe state.pointee.avail_out = outputCount
    guard unsafe deflate(state, Z_SYNC_FLUSH) == Z_OK, unsafe state.pointee.avail_in == 0,
      unsafe state.pointee.avail_out > 0
    else { return nil }
    return output.count - Int(unsafe state.pointee.avail_out)
  }
}
