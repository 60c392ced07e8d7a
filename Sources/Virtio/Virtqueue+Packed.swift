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
    resubmit = left.entries.reversed()
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
    guard let entry = resubmit.popLast() else { return false }
    hasResubmits = !resubmit.isEmpty
    retakenCount &+= 1
    chain.inflightEntry = entry
    try packed.retake(packedInflight?.descriptors(of: entry) ?? [], into: &chain)
    return true
  }

  mutating func completePacked(_ chain: borrowing Chain, written: Int) {
    if isLogged {
      completeLogged(chain, written: written)
    } else {
      packed.put(chain.head, written: UInt32(clamping: written), taken: chain.ringEntries)
    }
    if packed.unpublished >= groupSize { packed.publish() }
    if packed.unflushed >= batchLimit { flushPacked() }
  }

  /// With an inflight area every chain is shown to the driver by itself, and only the interrupts come in batches: the
  /// later descriptors of a batch look used before its first one is, and a successor of a process that died in between
  /// would leave them in the driver's way.
  @inline(never)
  private mutating func completeLogged(_ chain: borrowing Chain, written: Int) {
    if let dirtyPages {
      // The frontend names the device's area as "used"; the descriptors that the device writes lie elsewhere.
      if loggedUsedAddress != nil, let address = packed.nextUsedGuestAddress {
        dirtyPages.mark(guestAddress: address, byteCount: 16)
      }
      markBuffers(of: chain, written: written, in: dirtyPages)
    }
    packed.put(chain.head, written: UInt32(clamping: written), taken: chain.ringEntries)
    if packedInflight == nil { return }
    packedInflight?.release(chain.inflightEntry, used: packed.nextUsed)
    packed.publish()
    packedInflight?.commit(chain.inflightEntry)
  }

  @inline(never)
  mutating func flushPacked() {
    if packed.unflushed == 0 { return }
    packed.publish()
    if packed.shouldSignal() { notifier.call() }
  }
}
