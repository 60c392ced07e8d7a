// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import Linux
internal import Wire

/// A piece of the image and the whole blocks in which it lies, as far as one piece of bounce memory reaches.
struct Part {
  let blockOffset: Int64
  let blockByteCount: Int
  /// Bytes of the first block before the piece.
  let skip: Int
  /// Bytes of the piece.
  let byteCount: Int

  /// - Parameters:
  ///   - block: a power of two.
  ///   - limit: size of the bounce memory, a multiple of the block.
  init(_ offset: Int64, _ byteCount: Int, _ block: Int, limit: Int = PlainTransfer.bounceByteCount) {
    skip = Int(offset) & (block - 1)
    blockOffset = offset - Int64(skip)
    self.byteCount = min(byteCount, limit - skip)
    blockByteCount = (skip + self.byteCount + block - 1) & ~(block - 1)
  }

  /// All blocks that a piece touches.
  static func blocks(_ offset: Int64, _ byteCount: Int, _ block: Int) -> Range<Int64> {
    let mask = Int64(block - 1)
    return offset & ~mask..<(offset + Int64(byteCount) + mask) & ~mask
  }
}

extension Segments {
  /// Whether direct I/O takes the list as it is.
  @inline(__always)
  func areAligned(_ alignment: DirectAlignment) -> Bool {
    var index = 0
    while index < count {
      if !self[index].isAligned(address: alignment.memory, count: alignment.offset) { return false }
      index &+= 1
    }
    return true
  }
}
