// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The same smallest device twice. The two `turn` functions are what is measured and what callgrind collects in; keep
// them free of anything that a device would not do.

import CRingLoop
import Virtio
import VirtioProtocol
import Wire

/// The header that each request starts with.
private struct Header: WireValue {
  var first: UInt64 = 0
  var second: UInt64 = 0
}

/// Counts the interrupts. Sendable although it changes: the bench has one thread.
private final class CountingNotifier: QueueNotifier, @unchecked Sendable {
  var calls = 0

  func call() {
    calls += 1
  }
}

/// Serves chains until the ring is empty.
@inline(never)
private func swiftDeviceTurn(_ queue: inout Virtqueue, _ chain: inout Chain) throws(GuestFault) -> UInt64 {
  var sum: UInt64 = 0
  while try queue.pop(into: &chain) {
    let first = chain.readable.count > 0 ? chain.readable[0] : chain.writable[0]
    if let header = first.load(Header.self) { sum &+= header.first ^ header.second }
    let answer = chain.writable[chain.writable.count &- 1]
    answer.store(UInt8(0), at: answer.count &- 1)
    queue.complete(chain, written: 1)
  }
  queue.flush()
  return sum
}

/// A device that does what a device may not: makes an object per chain. Shows that the script would notice.
@inline(never)
private func swiftDeviceTurnThatAllocates(
  _ queue: inout Virtqueue, _ chain: inout Chain, _ kept: inout CountingNotifier
) throws(GuestFault) -> UInt64 {
  while try queue.pop(into: &chain) {
    kept = CountingNotifier()
    queue.complete(chain, written: 1)
  }
  queue.flush()
  return 0
}

func runSwift(_ ring: GuestRing, batches: Int, as language: Language) -> Duration {
  guard let memory = ring.guestMemory() else { fatalError("the bench's own memory is no good") }
  let notifier = CountingNotifier()
  do throws(GuestFault) {
    var queue = try Virtqueue(
      VirtqueueConfiguration(
        size: UInt16(GuestRing.size), rings: ring.areas, memory: memory,
        features: [.eventIndex, .indirectDescriptors], base: 0, notifier: notifier,
        inflight: language == .logged ? ring.inflightRegion() : nil,
        dirtyLog: language == .logged ? ring.dirtyLog() : nil, loggedUsedAddress: GuestRing.usedAddress),
      batchLimit: UInt16(GuestRing.batch))
    var chain = Chain()
    var sum: UInt64 = 0
    var kept = notifier
    let clock = ContinuousClock()
    let start = clock.now
    for _ in 0..<batches {
      ring.offer()
      sum &+=
        language == .allocating
        ? try swiftDeviceTurnThatAllocates(&queue, &chain, &kept) : try swiftDeviceTurn(&queue, &chain)
    }
    let time = clock.now - start
    guard sum == 0, notifier.calls == batches else { fatalError("wrong answers") }
    return time
  } catch {
    fatalError("the bench's own driver broke the rules: \(error)")
  }
}

func runC(_ ring: GuestRing, batches: Int) -> Duration {
  let regions = UnsafeMutablePointer<ring_region>.allocate(capacity: 3)
  let segments = UnsafeMutablePointer<ring_segment>.allocate(capacity: 512)
  defer {
    unsafe regions.deallocate()
    unsafe segments.deallocate()
  }
  var loop = unsafe ring.loop(regions: regions)
  var chain = unsafe ring_chain()
  unsafe chain.segments = segments
  unsafe chain.capacity = 512
  let clock = ContinuousClock()
  let start = clock.now
  for _ in 0..<batches {
    ring.offer()
    guard unsafe ring_loop_turn(&loop, &chain) == GuestRing.batch else { fatalError("the C loop refused a chain") }
  }
  let time = clock.now - start
  guard unsafe loop.checksum == 0, unsafe loop.calls == UInt64(batches) else { fatalError("wrong answers") }
  return time
}
