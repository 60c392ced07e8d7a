// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Writing a part of a block means reading the block, changing the part and writing all of it. Whatever else writes to
// that block meanwhile would be undone. So on an image whose blocks are larger than the guest's, every write is known
// here: whole blocks by any number at once, parts of blocks by one at a time and without any other in the same blocks.
// Reads are not: what a guest reads while it writes there is its own affair.

internal import Linux

final class WriteGate: Sendable {
  private struct State {
    /// Whole-block writes in flight, in bytes.
    var whole: [Range<Int64>] = []
    /// Writers of parts, working or waiting, in the order of their coming.
    var partial: [(number: UInt64, range: Range<Int64>)] = []
    var lastNumber: UInt64 = 0
  }

  private let state = Monitor(State())

  /// A write of whole blocks begins; false if a writer of parts is at work there or waits for its turn, and then it has
  /// to come as one of those.
  func beginWhole(_ range: Range<Int64>) -> Bool {
    state.withLock { state in
      if state.partial.contains(where: { $0.range.overlaps(range) }) { return false }
      state.whole.append(range)
      return true
    }
  }

  func endWhole(_ range: Range<Int64>) {
    state.withLock(waking: .all) { state in
      guard let index = state.whole.firstIndex(of: range) else { preconditionFailure("a write ended twice") }
      state.whole.swapAt(index, state.whole.count - 1)
      state.whole.removeLast()
    }
  }

  /// Does `body` while nobody else writes to the blocks of `range`. Waits for those that came before.
  func alone<Result>(in range: Range<Int64>, _ body: () -> Result) -> Result {
    let number = state.withLock { state in
      state.lastNumber += 1
      state.partial.append((state.lastNumber, range))
      return state.lastNumber
    }
    state.wait { state in
      let isFree =
        !state.whole.contains { $0.overlaps(range) }
        && !state.partial.contains { $0.number < number && $0.range.overlaps(range) }
      return isFree ? () : nil
    }
    defer { state.withLock(waking: .all) { $0.partial.removeAll { $0.number == number } } }
    return body()
  }
}
