// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What outlives a backend, as replays need it: a dirty log and the marks of a backend that died at work.

import Frontend
import Linux
import Testing
import VhostUserProtocol
import VirtioProtocol
import Wire

/// A dirty log in shared memory, one bit per 4096 bytes of guest memory.
struct DirtyLogFile {
  let description: LogDescription
  private let descriptor: SharedDescriptor
  private let mapping: Mapping

  init(covering ram: GuestRAM) throws {
    let end = ram.regions.map { $0.layout.guestAddress + UInt64($0.layout.byteCount) }.max() ?? 0
    let byteCount = (Int(end / VhostUserLimits.logPageSize) / 8 + 4096) & ~4095
    let file = try MemoryFile.create("dirty-log", byteCount: byteCount)
    mapping = try Mapping(file.file, byteCount: byteCount)
    descriptor = SharedDescriptor(file)
    description = LogDescription(size: UInt64(byteCount))
  }

  var file: File { descriptor.file }

  func isDirty(_ guestAddress: UInt64) -> Bool {
    let page = guestAddress / VhostUserLimits.logPageSize
    let byte: UInt8 = mapping.segment.load(at: Int(page / 8)) ?? 0
    return byte & (1 << (page % 8)) != 0
  }

  func clear() {
    mapping.segment.zero()
  }
}

/// Makes it look as if a backend had died with chains in hand. Of four chains it had taken three, answered the second
/// and not yet the first and the third; the fourth it never saw.
struct CrashedBackend {
  private let queue: DriverQueue
  private let buffers: [GuestBuffer]
  private let tokens: Set<UInt64> = [100, 102, 103]

  /// - Parameter queue: has no chain outstanding, and a backend that is gone.
  init(queue: DriverQueue, inflight: InflightMemory) throws {
    self.queue = queue
    let description = inflight.description
    let mapping = try Mapping(inflight.descriptor.file, byteCount: Int(description.mmapSize))
    let region = mapping.segment.dropFirst(
      Int(description.mmapOffset) + queue.index * InflightLayout.splitQueueSize(Int(description.queueSize)))
    var buffers: [GuestBuffer] = []
    var heads: [UInt16] = []
    for number in 0..<4 {
      let question = try queue.ram.allocate(16)
      question.segment.store(UInt64(number) &+ 0xabcd)
      let answer = try queue.ram.allocate(16)
      heads.append(try queue.add(readable: [question], writable: [answer], token: UInt64(100 + number)))
      buffers.append(answer)
    }
    queue.publish()
    self.buffers = buffers
    // What the dead backend did: the used element and index for the second chain, its notes about the others.
    let used = queue.deviceUsedIndex
    let slot = SplitRingLayout.usedRingOffset + 8 * (Int(used) & (queue.size - 1))
    queue.used.segment.store(UsedElement(id: UInt32(heads[1]), length: 0), at: slot)
    queue.pokeUsedIndex(used &+ 1)
    var header = InflightQueueSplit(descNum: description.queueSize)
    header.usedIdx = used &+ 1
    header.lastBatchHead = heads[1]
    region.store(header)
    for (counter, head) in [(5, heads[2]), (4, heads[0])] {
      var entry = InflightDescriptorSplit()
      entry.inflight = 1
      entry.counter = UInt64(counter)
      region.store(entry, at: InflightLayout.splitDescriptorOffset(Int(head)))
    }
    #expect(try queue.takeUsed()?.token == 101)
  }

  /// The successor answers the two in flight, in their order, and the one that was never taken, each once.
  func expectAllAnswered() throws {
    var order: [UInt64] = []
    for _ in 0..<3 { order.append(try queue.takeNext().token) }
    #expect(Set(order) == tokens)
    #expect(order.filter { $0 != 103 } == [100, 102], "resubmitted in the order in which they were taken")
    for number in [0, 2, 3] {
      #expect(buffers[number].segment.load(UInt64.self) == UInt64(number) &+ 0xabcd)
    }
    #expect(try queue.takeUsed() == nil, "nothing is answered twice")
    #expect(queue.outstandingCount == 0)
  }
}
