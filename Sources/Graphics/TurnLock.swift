// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The device's lock. A mutex goes to whoever asks first, which is nearly always the thread that has just let go of it:
// a queue full of transfers would keep the cursor's queue and the displays out for as long as it lasts.

internal import Linux
internal import Synchronization

/// A mutex whose holder can let others have a turn.
struct TurnLock: ~Copyable, Sendable {
  private let mutex = Mutex<Void>(())
  /// How many have found it taken and wait.
  private let waiting = Atomic<Int>(0)
  /// A thread that was woken is there within a few of them.
  private static let mostTurns = 200

  @inline(__always)
  borrowing func withLock<Result: Sendable>(_ body: () -> Result) -> Result {
    if let result = mutex.withLockIfAvailable({ _ in body() }) { return result }
    waiting.add(1, ordering: .relaxed)
    return mutex.withLock { _ in
      waiting.subtract(1, ordering: .relaxed)
      return body()
    }
  }

  /// After work that took long, without the lock: lets those have it who wait.
  borrowing func giveWay() {
    var turns = 0
    while turns < TurnLock.mostTurns, waiting.load(ordering: .relaxed) > 0 {
      Processors.yield()
      turns += 1
    }
  }
}
