// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads and writes that bypass the page cache and therefore wait for the disk, done by io_uring: many at once on one
// queue's thread, where a call each would make every request wait for the one before it. Opened before seccomp is
// loaded, used by the queue's thread only; without io_uring the plain calls do the work.

internal import IOUring
internal import Linux
internal import Virtio
internal import Wire

/// What has to be remembered of a transfer until it is done.
struct Transfer {
  let unique: UInt64
  let handle: PinnedHandle
  let offset: Int64
  let byteCount: Int
  let isWrite: Bool
  /// When its thread turned to it.
  let begunAt: Int64
}

/// Sendable for the reason that its worker is: one thread at a time.
final class Transfers: @unchecked Sendable {
  /// A guest's request of 1 MiB in pages and a few pieces more. What has more pieces goes by plain calls.
  private static let mostSegments = 320
  private static let depth = 64

  /// One request in flight: its chain, and the segments that the kernel is shown.
  private final class Slot {
    var chain = Chain()
    let window = SegmentWindow(capacity: mostSegments)
    var transfer: Transfer?
  }

  private let ring: Ring
  private var slots: [Slot] = []
  private var free: [Int] = []
  private(set) var inFlight = 0
  /// How many requests a write finds beside it. Disks finish many at once, and then the first of the next are alone for
  /// a moment; so this follows upwards at once and halves with each that is really alone.
  private(set) var usualOthers = 0

  /// Nil where io_uring is missing or forbidden.
  init?() {
    guard let ring = try? Ring(capacity: Transfers.depth) else { return nil }
    self.ring = ring
  }

  /// Readable when a transfer is done.
  var file: File { ring.file }

  func learn(others: Int) {
    usualOthers = others == 0 ? usualOthers / 2 : max(usualOthers, others)
  }

  /// True if another transfer can be begun.
  var hasRoom: Bool { inFlight < Transfers.depth }

  /// Begins a transfer between the file and the part of the chain from `dataOffset` on. Takes the chain and leaves an
  /// unused one in its place; false if it cannot be done this way, and then nothing has changed.
  func begin(_ transfer: Transfer, _ chain: inout Chain, dataOffset: Int) -> Bool {
    guard hasRoom else { return false }
    let index = takeSlot()
    let slot = slots[index]
    let list = transfer.isWrite ? chain.readable : chain.writable
    let (segments, byteCount) = slot.window.window(of: list, from: dataOffset, byteCount: transfer.byteCount)
    guard byteCount == transfer.byteCount, prepare(transfer, segments, token: UInt64(index)) else {
      free.append(index)
      return false
    }
    slot.transfer = transfer
    swap(&slot.chain, &chain)
    inFlight += 1
    return true
  }

  private func prepare(_ transfer: Transfer, _ segments: Segments, token: UInt64) -> Bool {
    let file = transfer.handle.file
    return transfer.isWrite
      ? ring.prepareWrite(file, segments, at: transfer.offset, flags: 0, token: token)
      : ring.prepareRead(file, segments, at: transfer.offset, flags: 0, token: token)
  }

  private func takeSlot() -> Int {
    if let index = free.popLast() { return index }
    slots.append(Slot())
    return slots.count - 1
  }

  /// Hands what was begun to the kernel.
  func submit() {
    if ring.unsubmitted > 0 { ring.submit() }
  }

  /// The kernel was short of something (EAGAIN) when it was given what was begun, and has taken nothing else: the ring
  /// will not tell of anything.
  private var isStuck: Bool { ring.unsubmitted > 0 && ring.unsubmitted == inFlight }

  /// Whether `reap` shall be called, and not the ring's news be waited for: they may never come.
  var wantsAttention: Bool {
    submit()
    if isStuck { Transfers.pause() }
    return isStuck
  }

  /// While the kernel finds what it was short of.
  private static func pause() {
    _ = Poll.wait(nil, nil, timeoutNanoseconds: 1_000_000)
  }

  /// Takes what is done and calls `body` with each transfer, its chain and its result (bytes, or a negative errno).
  /// - Parameter wait: waits for at least one if none is done.
  /// - Returns: how many were done.
  func reap(wait: Bool, _ body: (Transfer, borrowing Chain, Int32) -> Void) -> Int {
    var count = 0
    while inFlight > 0 {
      var completion = ring.takeCompletion()
      while completion == nil, wait, count == 0 {
        submit()
        if isStuck { Transfers.pause() } else { completion = try? ring.waitForCompletion() }
      }
      guard let completion else { break }
      let slot = slots[Int(completion.token)]
      guard let transfer = slot.transfer else { preconditionFailure("a completion of nothing") }
      slot.transfer = nil
      body(transfer, slot.chain, completion.result)
      free.append(Int(completion.token))
      inFlight -= 1
      count += 1
    }
    return count
  }
}
