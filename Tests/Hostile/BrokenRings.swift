// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Rings that break one rule each, and what a device has to make of them.

import Frontend
import Testing
import VhostUserProtocol
import VirtioProtocol
import Wire

/// What became of a ring.
enum RingOutcome: Equatable {
  /// The device gave the queue up and said so by the err eventfd.
  case fault
  /// A chain was used.
  case served
  /// Nothing, for a while.
  case silence
}

/// One broken rule. The cases say what the driver wrote.
enum BrokenRing: String, CaseIterable, Codable, Sendable {
  case headOutOfRange, headAllOnes, nextOutOfRange, loopOfOne, loopOfTwo, chainOfWholeTable
  case availableOneTooFar, availableHalfway, availableBackwards
  case addressBelowMemory, addressAboveMemory, addressAcrossEnd, addressWrapsAround, lengthAllOnes
  case emptyBuffers, emptyBufferNowhere, readableAfterWritable
  case indirectNested, indirectWithNext, indirectEmpty, indirectOddSize, indirectOutsideMemory, indirectHuge
  case indirectNextOutOfRange, indirectLoop, indirectNotNegotiated, indirectOfOne, indirectMarkedWritable
  case indirectAfterPlain
  case unknownFlags, sameHeadTwice, usedRingScribbled, buffersAreTheRing, eventWordsScribbled, nothingToWriteTo

  /// What must happen; nil if the specification leaves it open (but never a crash).
  var expected: RingOutcome? {
    switch self {
    case .chainOfWholeTable, .emptyBuffers, .indirectOfOne, .indirectMarkedWritable, .indirectAfterPlain,
      .eventWordsScribbled, .nothingToWriteTo:
      return .served
    case .emptyBufferNowhere, .unknownFlags, .sameHeadTwice, .usedRingScribbled, .buffersAreTheRing, .indirectHuge:
      return nil
    default:
      return .fault
    }
  }

  /// Writes it into an idle queue and kicks.
  func write(into queue: DriverQueue) throws {
    let size = UInt16(queue.size)
    let read = try queue.ram.allocate(64)
    let write = try queue.ram.allocate(64)
    let input = SplitDescriptor(address: read.guestAddress, length: 64)
    let output = SplitDescriptor(address: write.guestAddress, length: 64, flags: DescriptorFlags.write)
    let end = queue.ram.regions.map { $0.layout.guestAddress + UInt64($0.layout.byteCount) }.max() ?? 0
    switch self {
    case .headOutOfRange: queue.pokeAvailable(size)
    case .headAllOnes: queue.pokeAvailable(.max)
    case .nextOutOfRange: queue.pokeChain([linked(input, size)])
    case .loopOfOne: queue.pokeChain([linked(input, 0)])
    case .loopOfTwo: queue.pokeChain([linked(input, 1), linked(input, 0)])
    case .chainOfWholeTable:
      queue.pokeChain((0..<size).map { $0 + 1 < size ? linked(input, $0 + 1) : input })
    case .availableOneTooFar: queue.pokeAvailableIndex(queue.publishedIndex &+ size &+ 1)
    case .availableHalfway: queue.pokeAvailableIndex(queue.publishedIndex &+ 0x8000)
    case .availableBackwards: queue.pokeAvailableIndex(queue.publishedIndex &- 1)
    case .addressBelowMemory: queue.pokeChain([SplitDescriptor(address: 0x100, length: 16)])
    case .addressAboveMemory: queue.pokeChain([SplitDescriptor(address: end, length: 1)])
    case .addressAcrossEnd: queue.pokeChain([SplitDescriptor(address: end - 8, length: 9)])
    case .addressWrapsAround: queue.pokeChain([SplitDescriptor(address: .max - 7, length: 64)])
    case .lengthAllOnes: queue.pokeChain([SplitDescriptor(address: read.guestAddress, length: .max)])
    case .emptyBuffers:
      var empty = input
      empty.length = 0
      queue.pokeChain([
        linked(empty, 1), linked(input, 2), linked(output, 3),
        SplitDescriptor(
          address: write.guestAddress, length: 0, flags: DescriptorFlags.write),
      ])
    case .emptyBufferNowhere:
      queue.pokeChain([linked(SplitDescriptor(address: 0, length: 0), 1), output])
    case .readableAfterWritable: queue.pokeChain([linked(output, 1), input])
    case .unknownFlags:
      var odd = input
      odd.flags = 0xfff0
      queue.pokeChain([odd])
    case .sameHeadTwice:
      queue.pokeChain([linked(input, 1), output])
      queue.pokeAvailable(0)
    case .usedRingScribbled:
      queue.used.segment.copy([UInt8](repeating: 0xee, count: queue.used.count))
      queue.pokeChain([linked(input, 1), output])
    case .buffersAreTheRing:
      let ring = SplitDescriptor(
        address: queue.descriptors.guestAddress, length: UInt32(queue.descriptors.count))
      let used = SplitDescriptor(
        address: queue.used.guestAddress, length: UInt32(queue.used.count), flags: DescriptorFlags.write)
      queue.pokeChain([linked(ring, 1), used])
    case .eventWordsScribbled:
      queue.used.segment.store(UInt16(0x1234), at: SplitRingLayout.availEventOffset(queue.size))
      queue.available.segment.store(UInt16(0x4321), at: SplitRingLayout.usedEventOffset(queue.size))
      queue.available.segment.store(UInt16(0xffff), at: SplitRingLayout.availFlagsOffset)
      queue.pokeChain([linked(input, 1), output])
    case .nothingToWriteTo: queue.pokeChain([input])
    default: try writeIndirect(into: queue, input, output, end)
    }
    queue.kick()
  }

  private func writeIndirect(
    into queue: DriverQueue, _ input: SplitDescriptor, _ output: SplitDescriptor, _ end: UInt64
  ) throws {
    let size = 16
    let table = try queue.ram.allocate(16 * size)
    var entries = [linked(input, 1), output]
    var head = SplitDescriptor(address: table.guestAddress, length: 32, flags: DescriptorFlags.indirect)
    switch self {
    case .indirectNested:
      entries[0] = SplitDescriptor(address: table.guestAddress, length: 32, flags: DescriptorFlags.indirect)
    case .indirectWithNext: head.flags |= DescriptorFlags.next
    case .indirectEmpty: head.length = 0
    case .indirectOddSize: head.length = 31
    case .indirectOutsideMemory: head.address = end - 16
    case .indirectHuge: head.length = 0xffff_fff0
    case .indirectNextOutOfRange: entries[0].next = 2
    case .indirectLoop: entries[0].next = 0
    case .indirectOfOne:
      entries = [input]
      head.length = 16
    case .indirectMarkedWritable: head.flags |= DescriptorFlags.write
    default: break
    }
    for (place, entry) in entries.enumerated() { table.segment.store(entry, at: 16 * place) }
    if self == .indirectAfterPlain {
      // A chain may end with an indirect table (VIRTIO 1.3 section 2.7.5.3.1 forbids only NEXT in the same descriptor).
      queue.pokeChain([linked(input, 1), head])
    } else {
      queue.pokeChain([head, input])
    }
  }

  private func linked(_ descriptor: SplitDescriptor, _ next: UInt16) -> SplitDescriptor {
    var descriptor = descriptor
    descriptor.flags |= DescriptorFlags.next
    descriptor.next = next
    return descriptor
  }
}

extension DriverQueue {
  /// What the device does next.
  func outcome(timeoutNanoseconds: Int64) -> RingOutcome {
    do throws(FrontendError) {
      let before = takenIndex
      try wait(timeoutNanoseconds: timeoutNanoseconds)
      return deviceUsedIndex == before ? .silence : .served
    } catch .deviceFault {
      return .fault
    } catch {
      return takeError() ? .fault : .silence
    }
  }
}
