// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Reads and writes by io_uring: those that bypass the page cache and wait for the disk, many at once on one queue's
// thread, where a call each would make every request wait for the one before it; and cached reads that come together,
// which one system call serves (contrib/decisions/0023). The ring is made before seccomp is loaded and used by the
// queue's thread only; without io_uring the plain calls do the work.

internal import IOUring
internal import Linux
internal import Virtio
internal import Wire

/// What has to be remembered of a transfer until it is done.
struct Transfer {
  let unique: UInt64
  let held: HeldHandle
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

  /// One request in flight.
  private struct Slot: ~Copyable {
    var chain = Chain(capacity: 8)
    var transfer: Transfer?
  }

  private struct Room: ~Copyable {
    var slots = Table<Slot>(count: depth) { _ in Slot() }
    /// Numbers of the slots that are free, in the first places.
    var free = Table<UInt8>(count: depth) { UInt8($0) }
    /// The segments of what was prepared; the kernel reads them when it is handed over.
    var arena = SegmentArena(capacity: 4 * mostSegments)

    mutating func put(_ transfer: Transfer, _ chain: inout Chain, at index: Int) {
      slots[index].transfer = transfer
      swap(&slots[index].chain, &chain)
    }

    /// Empties a slot; its chain is `body`'s before that.
    mutating func take(_ index: Int, _ body: (Transfer, borrowing Chain) -> Void) {
      guard let transfer = slots[index].transfer else { preconditionFailure("a completion of nothing") }
      slots[index].transfer = nil
      body(transfer, slots[index].chain)
    }
  }

  private let ring: Ring
  /// Made with the first transfer: an idle share's queue does without.
  private var room: Room?
  private(set) var inFlight = 0
  /// Cached reads that were prepared and not handed over, and their bytes.
  private(set) var gathered = 0
  private(set) var gatheredByteCount = 0
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

  /// True if something was begun and not handed over.
  var hasPrepared: Bool { ring.unsubmitted > 0 }

  /// Begins a transfer between the file and the part of the chain from `dataOffset` on. Takes the chain and leaves an
  /// unused one in its place; false if it cannot be done this way, and then nothing has changed.
  func begin(_ transfer: Transfer, _ chain: inout Chain, dataOffset: Int, isCached: Bool = false) -> Bool {
    guard hasRoom else { return false }
    if room == nil { room = Room() }
    let list = transfer.isWrite ? chain.readable : chain.writable
    guard let (segments, byteCount) = window(of: list, from: dataOffset, byteCount: transfer.byteCount),
      byteCount == transfer.byteCount, let index = room?.free[Transfers.depth - 1 - inFlight],
      prepare(transfer, segments, token: UInt64(index))
    else { return false }
    room?.put(transfer, &chain, at: Int(index))
    inFlight += 1
    if isCached {
      gathered += 1
      gatheredByteCount += byteCount
    }
    return true
  }

  /// The part of a list that is to be transferred; nil while the kernel does not take what was prepared before.
  private func window(of list: Segments, from offset: Int, byteCount: Int) -> (segments: Segments, byteCount: Int)? {
    if let space = room?.arena.space, space < min(list.count, Transfers.mostSegments) {
      submit()
      if hasPrepared { return nil }
    }
    return room?.arena.window(of: list, from: offset, byteCount: byteCount, most: Transfers.mostSegments)
  }

  private func prepare(_ transfer: Transfer, _ segments: Segments, token: UInt64) -> Bool {
    let file = transfer.held.handle.file
    return transfer.isWrite
      ? ring.prepareWrite(file, segments, at: transfer.offset, flags: 0, token: token)
      : ring.prepareRead(file, segments, at: transfer.offset, flags: 0, token: token)
  }

  /// Hands what was begun to the kernel. What it cannot take now stays prepared until the next time.
  func submit() {
    gathered = 0
    gatheredByteCount = 0
    if hasPrepared { ring.submit() }
    if !hasPrepared { room?.arena.reset() }
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
      let index = Int(completion.token)
      room?.take(index) { transfer, chain in body(transfer, chain, completion.result) }
      inFlight -= 1
      room?.free[Transfers.depth - 1 - inFlight] = UInt8(index)
      count += 1
    }
    return count
  }
}
