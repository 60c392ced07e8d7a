// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What both kinds of ring need to turn a descriptor into segments of a chain.

internal import VirtioProtocol
internal import Wire

extension RegionTable {
  /// Appends one buffer to a chain that has `count` segments; empty buffers leave no trace.
  /// - Returns: the number of segments afterwards.
  @inline(__always)
  func append(
    _ address: UInt64, _ length: UInt32, flags: UInt16, to chain: inout Chain, at count: Int
  ) throws(GuestFault) -> Int {
    if length == 0 { return count }
    var count = count
    let isReadable = flags & DescriptorFlags.write == 0
    if isReadable, chain.readableCount != count { throw .readableAfterWritable }
    if let base = unsafe host(address, UInt64(length)) {
      unsafe chain.set(count, to: Segment(base: base, count: Int(length)))
      count &+= 1
    } else {
      count = try appendPieces(address, length, to: &chain, at: count)
    }
    if isReadable { chain.readableCount = count }
    return count
  }

  /// A buffer that does not lie in one region: as many segments as the regions that it crosses without a gap.
  @inline(never)
  func appendPieces(
    _ address: UInt64, _ length: UInt32, to chain: inout Chain, at start: Int
  ) throws(GuestFault) -> Int {
    var address = address
    var left = UInt64(length)
    var count = start
    while left > 0 {
      guard let piece = piece(address, atMost: left) else { throw .addressOutsideMemory }
      chain.set(count, to: piece)
      count += 1
      left -= UInt64(piece.count)
      address &+= UInt64(piece.count)
    }
    return count
  }

  /// Where an indirect table lies: it must be whole in one region, because it is read like the ring's own.
  @inline(__always)
  func indirectTable(_ address: UInt64, _ length: UInt32) throws(GuestFault) -> UnsafeMutableRawPointer {
    guard length % 16 == 0, length > 0, length / 16 <= UInt32(SplitRingLayout.maximumQueueSize) else {
      throw .badIndirectTable
    }
    guard let base = unsafe host(address, UInt64(length)) else { throw .addressOutsideMemory }
    guard UInt(bitPattern: base) % 8 == 0 else { throw .badIndirectTable }
    return unsafe base
  }
}
