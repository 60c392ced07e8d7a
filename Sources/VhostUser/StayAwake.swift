// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// How long a queue's thread keeps looking at its ring before it sleeps. A sleep costs the driver a kick (an exit of
// the guest) and the thread a wake-up; spinning costs a processor. So the window follows what would have paid, as the
// kernel's halt polling does (virt/kvm/kvm_main.c, grow_halt_poll_ns).

/// The spinning window of one queue; owned by its thread.
struct StayAwake {
  let maximumNanoseconds: Int64
  /// Current window; 0 sleeps at once.
  private(set) var windowNanoseconds: Int64 = 0

  /// When it was last offered, the driver took this thread's processor: offer it at once the next time.
  var sharesProcessor = false

  /// Pauses to go without spinning, and how many the next time.
  private var restsLeft = 0
  private var restCount = 0

  private static let leastRests = 16
  private static let mostRests = 1024
  private static let firstNanoseconds: Int64 = 8_000
  private static let leastNanoseconds: Int64 = 4_000

  init(maximumMicroseconds: Int) {
    maximumNanoseconds = Int64(max(maximumMicroseconds, 0)) * 1000
  }

  /// Others want the processor: no spinning for a number of pauses, twice as many each time this happens in a row.
  mutating func backOff() {
    windowNanoseconds = 0
    sharesProcessor = false
    restCount = min(max(restCount * 2, StayAwake.leastRests), StayAwake.mostRests)
    restsLeft = restCount
  }

  /// Learns from one pause: the time from an empty ring to the next work.
  mutating func learn(idleNanoseconds: Int64) {
    if restsLeft > 0 {
      restsLeft -= 1
      return
    }
    if windowNanoseconds > 0, idleNanoseconds <= windowNanoseconds { restCount = 0 }
    if idleNanoseconds <= maximumNanoseconds {
      // Spinning found the work, or would have with a longer window.
      windowNanoseconds = min(max(windowNanoseconds * 2, StayAwake.firstNanoseconds), maximumNanoseconds)
    } else {
      windowNanoseconds /= 2
      if windowNanoseconds < StayAwake.leastNanoseconds { windowNanoseconds = 0 }
    }
  }
}
