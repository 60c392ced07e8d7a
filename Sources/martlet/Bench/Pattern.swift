// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Where reads and writes go, the same for every way to do them: FUSE requests, files of a mount, block requests.

/// Reads or writes of one size.
struct DataPattern {
  let writes: Bool
  let isRandom: Bool
  let byteCount: Int
  /// O_DIRECT.
  let isDirect: Bool
  /// Buffers that do not begin where O_DIRECT wants them to; block requests only.
  var isUnaligned = false

  /// "randread 4k direct", without depth and jobs.
  var name: String {
    (isRandom ? "rand" : "seq") + (writes ? "write " : "read ") + DataPattern.name(byteCount: byteCount)
      + (isDirect ? " direct" : "") + (isUnaligned ? " unaligned" : "")
  }

  static func name(byteCount: Int) -> String {
    byteCount >= 1 << 20 ? "\(byteCount >> 20)m" : "\(byteCount >> 10)k"
  }
}

/// Numbers without a pattern, the same in every run (SplitMix64).
struct Dice {
  private var state: UInt64

  init(_ seed: UInt64) {
    state = seed
  }

  mutating func below(_ limit: UInt64) -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    value ^= value >> 31
    return value.multipliedFullWidth(by: limit).high
  }
}

/// The offsets that one job visits.
struct BlockSequence {
  private let isRandom: Bool
  private let blockByteCount: UInt64
  private let blockCount: UInt64
  private var dice: Dice
  private var next: UInt64

  static let mostJobs = 4

  /// - Parameter job: jobs begin at different places and throw different dice.
  init(_ pattern: DataPattern, fileByteCount: Int, job: Int = 0) {
    isRandom = pattern.isRandom
    blockByteCount = UInt64(pattern.byteCount)
    blockCount = UInt64(max(fileByteCount / pattern.byteCount, 1))
    dice = Dice(42 + UInt64(job))
    next = blockCount * UInt64(job) / UInt64(BlockSequence.mostJobs)
  }

  mutating func nextOffset() -> UInt64 {
    if isRandom { return dice.below(blockCount) &* blockByteCount }
    defer { next = next &+ 1 >= blockCount ? 0 : next &+ 1 }
    return next &* blockByteCount
  }
}
