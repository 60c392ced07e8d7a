// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import Virtio
import VirtioProtocol
import Wire

/// Who wakes whom (VIRTIO 1.3 sections 2.7.7 and 2.7.10). Invariants:
/// - completions are shown in groups, one store of the used index for each, and interrupt in batches of several groups;
/// - the first batch of a queue always interrupts: what the driver asked for before is not known;
/// - with EVENT_IDX the flags mean nothing, without it the event indices mean nothing.
@Suite struct NotificationTests {
  private let base = TestRing.base

  /// A ring whose `count` chains were taken.
  private func taken(
    _ count: Int, _ features: VirtioFeatures, batchLimit: UInt16 = 64, startingAt index: UInt16 = 0
  ) throws -> (ring: TestRing, queue: TestQueue, requests: [Request]) {
    let ring = TestRing(size: 64, features: features, startingAt: index)
    let queue = try ring.queue(batchLimit: batchLimit)
    for head in 0..<count {
      ring.link([.writable(base, 1)], from: head)
      ring.offer(head)
    }
    return (ring, queue, try queue.popAll())
  }

  @Test(arguments: [1, 2, 4, 16])
  func `a full group is shown and a full batch interrupts at once, the rest by flush`(limit: Int) throws {
    let (ring, queue, requests) = try taken(2 * limit + 1, [], batchLimit: UInt16(limit))
    let group = min(limit, 4)
    for (index, request) in requests.enumerated() {
      queue.complete(request)
      #expect(Int(ring.usedIndex) == (index + 1) / group * group)
      #expect(ring.notifier.calls == (index + 1) / limit)
    }
    queue.flush()
    #expect(Int(ring.usedIndex) == requests.count)
    #expect(ring.notifier.calls == 3)
  }

  @Test(arguments: [[], .eventIndex] as [VirtioFeatures])
  func `what was shown before is interrupted for by flush`(features: VirtioFeatures) throws {
    let (ring, queue, requests) = try taken(5, features)
    queue.complete(requests[0])
    queue.flush()
    #expect(ring.notifier.calls == 1)
    ring.usedEvent = 2
    requests.dropFirst().forEach { queue.complete($0) }
    #expect(ring.usedIndex == 5)
    #expect(ring.notifier.calls == 1)
    queue.flush()
    #expect(ring.notifier.calls == 2)
  }

  @Test func `a flush with nothing to show does not interrupt`() throws {
    let (ring, queue, requests) = try taken(1, [])
    queue.flush()
    #expect(ring.notifier.calls == 0)
    queue.complete(requests[0])
    queue.flush()
    queue.flush()
    #expect(ring.notifier.calls == 1)
  }

  @Test func `the flag NO_INTERRUPT keeps the interrupt back`() throws {
    let (ring, queue, requests) = try taken(3, [])
    // Means nothing here, and would ask for an interrupt.
    ring.usedEvent = 1
    for (request, (flags, calls)) in zip(requests, [(1, 0), (0, 1), (1, 1)] as [(UInt16, Int)]) {
      ring.availableFlags = flags
      queue.complete(request)
      queue.flush()
      #expect(ring.notifier.calls == calls)
    }
    #expect(ring.usedIndex == 3)
  }

  @Test(arguments: [0, 65535, 65534, 40000] as [UInt16])
  func `with EVENT_IDX the first batch interrupts whatever the driver asked for`(start: UInt16) throws {
    let (ring, queue, requests) = try taken(2, .eventIndex, startingAt: start)
    ring.usedEvent = start &+ 1000
    ring.availableFlags = 1
    queue.complete(requests[0])
    queue.flush()
    #expect(ring.notifier.calls == 1)
    queue.complete(requests[1])
    queue.flush()
    #expect(ring.notifier.calls == 1)
  }

  @Test(arguments: [0, 65535, 65530, 32767] as [UInt16])
  func `with EVENT_IDX the interrupt comes with the element asked for`(start: UInt16) throws {
    let (ring, queue, requests) = try taken(12, .eventIndex, startingAt: start)
    queue.complete(requests[0])
    queue.flush()
    #expect(ring.notifier.calls == 1)
    // The fifth element: batches of two, so that it lies inside one.
    ring.usedEvent = start &+ 4
    var calls: [Int] = []
    for pair in stride(from: 1, to: 11, by: 2) {
      queue.complete(requests[pair])
      queue.complete(requests[pair + 1])
      queue.flush()
      calls.append(ring.notifier.calls)
    }
    #expect(calls == [1, 2, 2, 2, 2])
    // Asked for again, with the very next one.
    ring.usedEvent = start &+ 11
    queue.complete(requests[11])
    queue.flush()
    #expect(ring.notifier.calls == 3)
  }

  @Test func `with EVENT_IDX a batch interrupts once, however many elements were asked for`() throws {
    let (ring, queue, requests) = try taken(10, .eventIndex)
    queue.complete(requests[0])
    queue.flush()
    ring.usedEvent = 3
    requests.dropFirst().forEach { queue.complete($0) }
    queue.flush()
    #expect(ring.notifier.calls == 2)
    #expect(ring.usedIndex == 10)
  }

  @Test func `without EVENT_IDX kicks are turned off and on by the flag`() throws {
    let ring = TestRing(features: [])
    let queue = try ring.queue()
    queue.suppressKicks()
    #expect(ring.usedFlags == 1)
    #expect(!queue.armKicks())
    #expect(ring.usedFlags == 0)
    #expect(ring.availableEvent == 0)
  }

  @Test func `with EVENT_IDX kicks are asked for by the index after the last chain taken`() throws {
    let ring = TestRing(features: .eventIndex, startingAt: 65535)
    ring.link([.writable(base, 1)])
    let queue = try ring.queue()
    #expect(!queue.armKicks())
    #expect(ring.availableEvent == 65535)
    ring.offer(0)
    queue.suppressKicks()
    _ = try queue.pop()
    #expect(ring.usedFlags == 0)
    #expect(ring.availableEvent == 65535)
    #expect(!queue.armKicks())
    #expect(ring.availableEvent == 0)
  }

  @Test(arguments: [[], .eventIndex] as [VirtioFeatures])
  func `arming tells of a chain that came meanwhile`(features: VirtioFeatures) throws {
    let ring = TestRing(features: features)
    ring.link([.writable(base, 1)])
    let queue = try ring.queue()
    #expect(!queue.armKicks())
    ring.offer(0)
    #expect(queue.armKicks())
    #expect(queue.hasWork)
    _ = try queue.pop()
    #expect(!queue.armKicks())
    #expect(!queue.hasWork)
  }
}
