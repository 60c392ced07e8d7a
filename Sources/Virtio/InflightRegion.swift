// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Notes in shared memory which chains are being worked on, so that the next backend process can take them up again
// (vhost-user "Inflight I/O tracking", split ring). The order of the stores is the specification's: a crash between
// any two of them can be told apart afterwards.

internal import Synchronization
internal import VirtioProtocol
public import Wire

/// One queue's part of the inflight area.
@safe
public struct InflightRegion: ~Copyable {
  private let base: UnsafeMutableRawPointer
  private let size: UInt16
  private let owner: AnyObject
  private var counter: UInt64 = 0

  /// Nil if `memory` is too small for a ring of `size` descriptors.
  public init?(memory: Segment, size: UInt16, owner: AnyObject) {
    guard memory.count >= InflightLayout.splitQueueSize(Int(size)), size > 0,
      unsafe UInt(bitPattern: memory.base) % 16 == 0
    else { return nil }
    unsafe base = memory.base
    self.size = size
    self.owner = owner
    let header = memory.load(InflightQueueSplit.self) ?? InflightQueueSplit()
    if header.version != InflightLayout.version || header.descNum != size {
      memory.prefix(InflightLayout.splitQueueSize(Int(size))).zero()
      memory.store(InflightQueueSplit(descNum: size, version: InflightLayout.version))
    }
  }

  private func entry(_ head: UInt16) -> UnsafeMutableRawPointer {
    precondition(head < size, "descriptor outside the ring")
    return unsafe base + InflightLayout.splitDescriptorOffset(Int(head))
  }

  /// Notes a chain that was taken.
  mutating func begin(_ head: UInt16) {
    let entry = unsafe entry(head)
    unsafe entry.storeBytes(of: counter, toByteOffset: InflightLayout.counterOffset, as: UInt64.self)
    counter &+= 1
    atomicMemoryFence(ordering: .releasing)
    unsafe entry.storeBytes(of: 1, toByteOffset: InflightLayout.inflightOffset, as: UInt8.self)
  }

  /// Links a completed chain into the batch that is about to be published.
  func link(_ head: UInt16) {
    let previous = unsafe base.load(fromByteOffset: InflightLayout.lastBatchHeadOffset, as: UInt16.self)
    unsafe entry(head).storeBytes(of: previous, toByteOffset: InflightLayout.nextOffset, as: UInt16.self)
    atomicMemoryFence(ordering: .releasing)
    unsafe base.storeBytes(of: head, toByteOffset: InflightLayout.lastBatchHeadOffset, as: UInt16.self)
  }

  /// After the used index was published: clears the marks of the last `count` linked chains.
  func finish(count: UInt16, usedIndex: UInt16) {
    clear(count: count)
    atomicMemoryFence(ordering: .releasing)
    unsafe base.storeBytes(of: usedIndex, toByteOffset: InflightLayout.usedIdxOffset, as: UInt16.self)
  }

  private func clear(count: UInt16) {
    var head = unsafe base.load(fromByteOffset: InflightLayout.lastBatchHeadOffset, as: UInt16.self)
    var left = count
    while left > 0, head < size {
      let entry = unsafe entry(head)
      unsafe entry.storeBytes(of: 0, toByteOffset: InflightLayout.inflightOffset, as: UInt8.self)
      head = unsafe entry.load(fromByteOffset: InflightLayout.nextOffset, as: UInt16.self)
      left -= 1
    }
  }

  /// What a predecessor left: repairs a batch that was published but not cleared, then lists the heads still in
  /// flight, oldest first.
  /// - Parameter usedIndex: the used index as it is in the ring.
  mutating func recover(usedIndex: UInt16) -> [UInt16] {
    let noted = unsafe base.load(fromByteOffset: InflightLayout.usedIdxOffset, as: UInt16.self)
    let lost = usedIndex &- noted
    if lost != 0, lost <= size { clear(count: lost) }
    unsafe base.storeBytes(of: usedIndex, toByteOffset: InflightLayout.usedIdxOffset, as: UInt16.self)
    var found: [(counter: UInt64, head: UInt16)] = []
    for head in 0..<size {
      let entry = unsafe entry(head)
      guard unsafe entry.load(fromByteOffset: InflightLayout.inflightOffset, as: UInt8.self) == 1 else { continue }
      let counter = unsafe entry.load(fromByteOffset: InflightLayout.counterOffset, as: UInt64.self)
      found.append((counter, head))
    }
    found.sort { $0.counter < $1.counter }
    counter = (found.last?.counter ?? 0) &+ 1
    return found.map { $0.head }
  }
}
