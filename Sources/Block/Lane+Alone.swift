// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A request that comes alone is done by the lane's own thread with one plain call: while it waits for the disk there,
// it keeps nobody waiting. That spares a helper's two wake-ups where io_uring is forbidden, and elsewhere handing over,
// looking and being told.

internal import BlockProtocol
internal import Linux
internal import Virtio
internal import Wire

/// Whether requests come one by one, learned from what waits in the ring when one was done.
struct Loneliness {
  /// Requests to leave to the ring or to helpers before the next try, and how many the next time.
  private var restsLeft = 0
  private var restCount = 0

  private static let leastRests = 16
  private static let mostRests = 1024

  /// Asked once for each request that nothing else speaks against.
  mutating func expectsNoOther() -> Bool {
    if restsLeft == 0 { return true }
    restsLeft -= 1
    return false
  }

  /// - Parameter hadCompany: others came while the thread was away. Two requests in turn would look alone each time,
  ///   and have half of their rate: so they go the other way for a while, longer each time this happens in a row.
  mutating func learn(hadCompany: Bool) {
    guard hadCompany else {
      restCount = 0
      return
    }
    restCount = min(max(restCount * 2, Loneliness.leastRests), Loneliness.mostRests)
    restsLeft = restCount
  }
}

extension LaneCore {
  /// The time of a larger one is the disk's and the copy's, and a wake-up is nothing beside it.
  private static let mostAloneByteCount = 64 << 10

  /// Whether the transfer in `spare` has the lane to itself. A write that may have to wait for others at the gate is
  /// a helper's in any case.
  @inline(__always)
  mutating func isAlone(_ work: Work, _ queue: inout Virtqueue) -> Bool {
    // What is cached io_uring does as it takes it.
    inFlight == 0 && (image.isDirect || !hasRing) && work.byteCount <= LaneCore.mostAloneByteCount
      && !(work.isWrite && volume.gate != nil) && !queue.seesWork() && loneliness.expectsNoOther()
  }

  mutating func transferAlone(_ work: Work, _ queue: inout Virtqueue) {
    // Answers that are there do not wait for the disk.
    queue.flush()
    transferAtOnce(work, &queue)
    // The driver does not know of the answer yet: what is there came while this thread was away.
    loneliness.learn(hadCompany: queue.seesWork())
  }
}
