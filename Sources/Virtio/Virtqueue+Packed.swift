// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The queue's calls where the ring is packed, out of line so that they cost a split ring nothing.

internal import VirtioProtocol
internal import Wire

extension Virtqueue {
  /// Takes over what a predecessor left in the inflight area, which knows better than any frontend where to go on:
  /// nothing in a packed ring itself says how far the device has come.
  mutating func recoverPacked() {
    guard let left = packedInflight?.recover(packed) else { return }
    packed.move(to: left.base)
    // Reversed, so that taking the next one is popLast.
    resubmit = left.chains.reversed()
    hasResubmits = !resubmit.isEmpty
  }

  @inline(never)
  mutating func popPacked(into chain: inout Chain) throws(GuestFault) -> Bool {
    if hasResubmits { return try retakePacked(into: &chain) }
    if !(try packed.take(into: &chain)) { return false }
    if packedInflight != nil { chain.inflightEntry = packedInflight?.begin(packed, taken: chain.ringEntries) ?? 0 }
    return true
  }

  /// Only in the first moments after a predecessor has crashed.
  @inline(never)
  private mutating func retakePacked(into chain: inout Chain) throws(GuestFault) -> Bool {
    guard let left = resubmit.popLast() else { return false }
    hasResubmits = !resubmit.isEmpty
    retakenCount &+= 1
    chain.inflightEntry = left.entry
    guard let noted = packedInflight?.descriptors(of: left) else { throw .descriptorOutOfRange }
    try packed.retake(noted, into: &chain)
    return true
  }

  mutating func completePacked(_ chain: borrowing Chain, written: Int) {
    if isLogged {
      completeLogged(chain, written: written)
    } else {
      packed.put(chain.head, written: UInt32(clamping: written), taken: chain.ringEntries)
    }
    if packed.unpublished >= groupSize { publishPacked() }
    if packed.unflushed >= batchLimit { flushPacked() }
  }

  /// With an inflight area every chain is shown to the driver by itself, and only the interrupts come in batches: the
  /// later descriptors of a batch look used before its first one is, and a successor of a process that died in between
  /// would leave them in the driver's way.
  @inline(never)
  private mutating func completeLogged(_ chain: borrowing Chain, written: Int) {
    let place = loggedUsedAddress == nil ? nil : packed.nextUsedGuestAddress
    packed.put(chain.head, written: UInt32(clamping: written), taken: chain.ringEntries)
    if let dirtyPages {
      // The frontend names the device's area as "used"; the descriptors that the device writes lie elsewhere.
      if let place { dirtyPages.mark(guestAddress: place, byteCount: 16) }
      markBuffers(of: chain, written: written, in: dirtyPages)
    }
    if packedInflight == nil { return }
    packedInflight?.release(chain.inflightEntry, used: packed.nextUsed)
    publishPacked()
    packedInflight?.commit(chain.inflightEntry)
  }

  /// Shows the batch to the driver. Its first descriptor is written once more, and marked after that.
  private mutating func publishPacked() {
    guard let dirtyPages, loggedUsedAddress != nil else { return packed.publish() }
    let place = packed.batchGuestAddress
    packed.publish()
    if let place { dirtyPages.mark(guestAddress: place, byteCount: 16) }
  }

  @inline(never)
  mutating func flushPacked() {
    if packed.unflushed == 0 { return }
    publishPacked()
    if packed.shouldSignal() { notifier.call() }
  }
}
