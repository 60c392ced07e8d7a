// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// How helpers tell a lane what became of its requests: a list of slots that any thread adds to and the lane's thread
// takes as a whole, without a lock. A lock would be held while its holder wakes the lane, on the processor that the
// next helper needs.

internal import Linux
internal import Synchronization

/// Results for one lane, and the event that says that there are some.
final class Mailbox: Sendable {
  private struct Cell: ~Copyable, Sendable {
    /// The slot that was added before this one.
    let next = Atomic<Int32>(Mailbox.none)
    /// An errno, or 0.
    let result = Atomic<Int32>(0)
  }

  private static let none: Int32 = -1

  /// Becomes readable when something comes to an empty box.
  let event: Event
  /// The lane is about to stop: what would still take long is not begun any more.
  let isClosing = Atomic<Bool>(false)
  /// By slot.
  private let cells: InlineArray<1024, Cell>
  /// The slot that was added last.
  private let newest = Atomic<Int32>(Mailbox.none)
  /// Signals that were noted and not taken back yet: given, or about to be.
  private let signals = Atomic<Int>(0)

  init() throws(Errno) {
    precondition(LaneCore.mostInFlight <= 1024, "a cell for each slot")
    event = try Event()
    cells = InlineArray { _ in Cell() }
  }

  /// True if there are results. Costs a load.
  var hasLetters: Bool { newest.load(ordering: .acquiring) != Mailbox.none }

  /// From any thread: a slot's request is done. One signal serves all that come before the lane looks.
  func post(_ slot: Int, _ error: Errno?) {
    cells[slot].result.store(error?.rawValue ?? 0, ordering: .relaxed)
    var last = newest.load(ordering: .relaxed)
    while true {
      cells[slot].next.store(last, ordering: .relaxed)
      let (done, found) = newest.compareExchange(
        expected: last, desired: Int32(truncatingIfNeeded: slot), ordering: .sequentiallyConsistent)
      if done { break }
      last = found
    }
    if last != Mailbox.none { return }
    // Noted first: the signal may have the lane's thread take this one's processor.
    signals.add(1, ordering: .sequentiallyConsistent)
    event.signal()
  }

  /// Takes back the signals, for a lane that polls the event itself; before `takeAll`, which then finds what they were
  /// for. One that is noted and still to come wakes the lane once more, and is taken back then.
  func takeBackSignals() {
    if signals.load(ordering: .acquiring) == 0 { return }
    signals.subtract(Int(event.drain()), ordering: .relaxed)
  }

  /// Empties the box; `letter` gives one after the other of what was in it.
  func takeAll() -> Int32 { newest.exchange(Mailbox.none, ordering: .sequentiallyConsistent) }

  /// The letter at `place`, which moves on to the one behind it; nil if there is none. Its slot may be used again at
  /// once.
  func letter(_ place: inout Int32) -> (slot: Int, error: Errno?)? {
    if place == Mailbox.none { return nil }
    let slot = Int(place)
    let result = cells[slot].result.load(ordering: .relaxed)
    place = cells[slot].next.load(ordering: .relaxed)
    return (slot, result == 0 ? nil : Errno(result))
  }
}
