// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the volume's limits hold back. A transfer that may not begin yet has a slot like one in flight and stands in a
// line; the lane sleeps no longer than until the first of it is due. Flushes and questions for the serial number never
// stand there. The limiter has the tokens of what stands in the line already, so nobody overtakes it by coming through
// another queue. What stands there when its ring stops is begun before it is due; then all queues of the volume leave
// their rings alone until it would have been.

internal import BlockProtocol
internal import IOUring
internal import Linux
internal import Virtio
internal import Wire

extension LaneCore {
  /// The longest that a lane whose slots are all taken waits before the control thread is listened to.
  private static let roomNanoseconds: Int64 = 10_000_000
  /// A volume that stands still for so long looks broken, and a person should read why it is not.
  private static let reportedDebtNanoseconds: Int64 = 2_000_000_000

  /// Asks the limits about the request in `spare`; true if it has to wait, and then it stands in the line.
  /// - Parameter byteCount: what it moves; 0 for one that moves no data, which may pass those that do.
  @inline(never)
  mutating func holdsBack(_ work: Work, byteCount: Int, by limiter: VolumeLimiter) -> Bool {
    let now = Clock.monotonic
    let delay = limiter.admit(byteCount: byteCount, atNanoseconds: now)
    guard delay > 0 || (held.count > 0 && byteCount > 0) else { return false }
    let index = putInFlight(work)
    slots[index].dueAt = now + delay
    held.append(index)
    return true
  }

  /// How long it takes until something in the line is due; the line is not empty.
  var heldNanoseconds: Int64 {
    guard let index = held.next else { return 0 }
    return max(slots[index].dueAt - Clock.monotonic, 0)
  }

  /// The longest that the lane may sleep, whoever does it; nil is as long as nothing happens.
  var longestSleepNanoseconds: Int64? {
    // Decided when the ring was looked at last: who waits for the end of a debt has asked for no kick.
    guard isPaying, let limiter else { return held.count > 0 ? heldNanoseconds : nil }
    let debt = limiter.debt(atNanoseconds: Clock.monotonic)
    return held.count > 0 ? min(debt, heldNanoseconds) : debt
  }

  /// Finds out whether the volume pays for what was begun too early.
  mutating func lookAtDebt() -> Bool {
    guard let limiter else { return false }
    let debt = limiter.debt(atNanoseconds: Clock.monotonic)
    // Not when it is made: a guest that leaves then is forgiven.
    if !isPaying, debt >= LaneCore.reportedDebtNanoseconds { volume.reportDebt(debt) }
    isPaying = debt > 0
    return isPaying
  }

  /// Begins what is due by now; returns how many requests that were.
  mutating func beginDue(_ queue: inout Virtqueue) -> Int {
    let now = Clock.monotonic
    var count = 0
    while let index = held.next, slots[index].dueAt <= now {
      _ = held.takeFirst()
      count += 1
      begin(index, &queue)
    }
    return count
  }

  /// Begins everything: the ring is about to stop, and whoever stops it waits. Until the last of it would have been due
  /// nothing more is taken, or a guest that resets its device again and again would get a queue full each time.
  mutating func beginHeld(_ queue: inout Virtqueue) {
    while let index = held.takeFirst() {
      limiter?.owe(untilNanoseconds: slots[index].dueAt)
      begin(index, &queue)
    }
    isPaying = false
  }

  private mutating func begin(_ index: Int, _ queue: inout Virtqueue) {
    let work = slots[index].work
    if work.type.carriesRanges { return beginRanges(index, &queue) }
    if isDoneAtOnce(isWrite: work.isWrite) {
      let error = doPlainly(work, slots[index].list)
      turnedAt = statistics.time
      if let error { fail(index, error, &queue) } else { finish(index, .ok, &queue) }
    } else if hasRing {
      beginTransfer(index, &queue)
    } else {
      beginHelper(index)
    }
  }

  /// No slot is free, and the limits hold some requests back. Waits a little for one of them, or for an answer. The
  /// ring has chains that were not taken, so the thread cannot sleep for a kick: it comes again at once.
  /// - Returns: 1 at least, as for something done.
  mutating func waitForRoom(_ queue: inout Virtqueue) -> Int {
    queue.flush()
    let nanoseconds = min(heldNanoseconds, LaneCore.roomNanoseconds)
    if hasRing {
      ring?.submitAndWait(nanoseconds: nanoseconds)
      if ring?.unsubmitted == 0 { arena.reset() }
    } else if !mailbox.hasLetters {
      _ = Poll.wait(mailbox.event.file, nil, timeoutNanoseconds: nanoseconds)
    }
    let count = reap(&queue) + beginDue(&queue)
    // If the ring is empty now, the thread sleeps next.
    queue.flush()
    return max(count, 1)
  }
}
