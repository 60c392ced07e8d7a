// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// What all resources of one guest together may cost the host: pictures in bytes of whole pages, and what is kept about
/// each resource and each piece of its backing. Guest memory itself does not count.
struct MemoryBudget {
  let limit: Int
  private(set) var used = 0

  static let resourceByteCount = 512
  static let rangeByteCount = 64
  private static let page = 4096

  init(limit: Int) {
    self.limit = limit
  }

  /// Cost of a picture.
  static func pages(_ byteCount: Int) -> Int { (byteCount + page - 1) / page * page }

  /// False, and nothing taken, if there is not enough left.
  mutating func take(_ byteCount: Int) -> Bool {
    guard byteCount <= limit - used else { return false }
    used += byteCount
    return true
  }

  mutating func give(_ byteCount: Int) {
    used -= byteCount
  }
}
