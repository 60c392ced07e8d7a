// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The four words of a split ring that both sides touch while the other runs: the two indices and the two flags or
// event fields. Everything else in a ring is handed over by them, so plain loads and stores do for the rest.

internal import Synchronization
internal import Wire

extension Segment {
  /// An aligned 16-bit word of shared memory as an atomic.
  @inline(__always)
  private func word(at offset: Int) -> UnsafeMutablePointer<Atomic<UInt16>> {
    precondition(offset >= 0 && offset + 2 <= count, "shared word outside of its run")
    // Atomic<UInt16> has the layout of UInt16; rings are aligned to at least 2 bytes, and so are the words in them.
    return unsafe (base + offset).assumingMemoryBound(to: Atomic<UInt16>.self)
  }

  /// Reads a word that the device wrote: what it published before is visible afterwards.
  @inline(__always)
  func loadAcquiring(at offset: Int) -> UInt16 {
    unsafe word(at: offset).pointee.load(ordering: .acquiring)
  }

  /// Writes a word that the device reads: what was written before is visible with it.
  @inline(__always)
  func storeReleasing(_ value: UInt16, at offset: Int) {
    unsafe word(at: offset).pointee.store(value, ordering: .releasing)
  }
}

/// Orders a store before a load of another word (virtio_mb of Linux): publish an index, then look whether the other
/// side wants to be told; ask to be told, then look whether there is something already.
@inline(__always)
func fullFence() {
  atomicMemoryFence(ordering: .sequentiallyConsistent)
}
