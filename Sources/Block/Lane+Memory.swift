// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Guest memory that is registered with the lane's ring (--pin-memory): the kernel then looks up no page for a request.
// It has to be the memory that the queue runs on: whoever changes the memory starts the queue again.

internal import IOUring
internal import Linux
internal import Virtio
internal import Wire

extension LaneCore {
  /// Registers what is new in `memory` and lets go what is no more in it; nothing is in flight. What cannot be
  /// registered is used all the same, as it would be without the option.
  mutating func register(_ memory: GuestMemory) {
    guard hasRing else { return }
    do throws(Errno) {
      try ring?.register(memory.runs(onlyHuge: volume.options.pinnedMemory == .huge))
    } catch {
      volume.reportUnpinned(error)
    }
    // The old memory stays mapped until here: its addresses cannot be another mapping's before they are let go.
    registered = memory
  }

  /// The frontend has left, or has taken memory away; the queue does not run, and nothing is in flight.
  mutating func forgetMemory() {
    if registered == nil { return }
    try? ring?.register([])
    registered = nil
  }
}
