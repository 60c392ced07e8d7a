// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Rings as a broken or hostile driver writes them. Nothing here keeps the books of DriverQueue: after using it, only
// `reset` makes the queue usable again.

public import VirtioProtocol
internal import Wire

extension DriverQueue {
  /// Writes any descriptor of the table.
  public func poke(_ descriptor: SplitDescriptor, at place: UInt16) {
    store(descriptor, at: place)
  }

  /// Writes any head into the available ring and publishes it, whether or not there is such a chain.
  public func pokeAvailable(_ head: UInt16) {
    makeAvailable(head)
    pokeAvailableIndex(addedIndex)
  }

  /// Writes the available index itself.
  public func pokeAvailableIndex(_ value: UInt16) {
    addedIndex = value
    publishedIndex = value
    available.segment.storeReleasing(value, at: SplitRingLayout.availIndexOffset)
  }

  /// Writes the used index, which only the device may write.
  public func pokeUsedIndex(_ value: UInt16) {
    used.segment.storeReleasing(value, at: SplitRingLayout.usedIndexOffset)
  }

  /// Catches up with the device's used index without looking at what was used.
  public func forgetUsed() {
    takenIndex = deviceUsedIndex
  }

  /// The device's used index as it stands in the ring.
  public var deviceUsedIndex: UInt16 {
    used.segment.loadAcquiring(at: SplitRingLayout.usedIndexOffset)
  }

  /// The used element in a slot of the ring, whoever wrote it.
  public func usedElement(at slot: Int) -> UsedElement {
    used.segment.load(at: SplitRingLayout.usedRingOffset + 8 * (slot & (size - 1))) ?? UsedElement()
  }

  /// Makes a chain of the given descriptors, from entry `start` of the table on, linked as their flags and `next`
  /// fields say, and publishes its head.
  public func pokeChain(_ chain: [SplitDescriptor], from start: UInt16 = 0) {
    for (offset, descriptor) in chain.enumerated() {
      store(descriptor, at: UInt16((Int(start) + offset) & (size - 1)))
    }
    pokeAvailable(start)
  }
}
