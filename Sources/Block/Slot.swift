// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import BlockProtocol
internal import Virtio
internal import Wire

/// What is to be done for a request, copied out of the guest's memory and checked; nothing of it is read again.
struct Work {
  /// What the request's completion is the completion of.
  enum Step: UInt8 {
    /// Straight between the image and the guest's memory.
    case transfer
    /// Through bounce memory, a piece at a time.
    case bounce
    case flush
    /// A helper does all of it.
    case helper
  }

  var type: BlockRequestType
  /// In bytes from the start of the image.
  var offset: Int64 = 0
  var byteCount = 0
  /// Bytes that were transferred.
  var done = 0
  var step = Step.transfer
  /// The piece of bounce memory that it has, or -1.
  var bounce = -1
  /// The copy of its ranges that it has, or -1.
  var rangeList = -1
  /// Some of it was written and is not safe before a flush.
  var isVolatile = false
  /// Known to the write gate.
  var isGated = false

  var isWrite: Bool { type == .write }

  /// Where the data begins in the chain's half: a written request has its header in front.
  @inline(__always)
  var start: Int { type == .read ? 0 : BlockRequestHeader.byteCount }

  /// What is left of it.
  @inline(__always)
  var rest: (offset: Int64, byteCount: Int) { (offset + Int64(done), byteCount - done) }
}

/// A request in flight.
struct Slot: ~Copyable {
  var chain = Chain(capacity: 8)
  var work = Work(type: .flush)
  /// When the lane's thread turned to it (LaneStatistics).
  var begunAt = LaneStatistics.noTime
  /// When the volume's limits let it begin; of one that they hold back.
  var dueAt: Int64 = 0

  /// The half of the chain that carries the data.
  @inline(__always)
  var list: Segments { work.type == .read ? chain.writable : chain.readable }
}

/// Numbers of free things, last in, first out: what was used last is still in the processor's cache.
struct FreeList: ~Copyable {
  private var numbers: Table<UInt16>
  private(set) var count: Int

  init(count: Int) {
    numbers = Table(count: max(count, 1)) { UInt16($0) }
    self.count = count
  }

  @inline(__always)
  mutating func take() -> Int? {
    if count == 0 { return nil }
    count &-= 1
    return Int(numbers[count])
  }

  @inline(__always)
  mutating func give(_ number: Int) {
    numbers[count] = UInt16(truncatingIfNeeded: number)
    count &+= 1
  }
}

/// Slots whose requests wait for something (memory, their time), first in, first out. Holds as many as there are slots.
struct WaitingLine: ~Copyable {
  private var numbers: Table<UInt16>
  private var first = 0
  private(set) var count = 0

  init(capacity: Int) {
    numbers = Table(count: max(capacity, 1)) { _ in 0 }
  }

  mutating func append(_ number: Int) {
    numbers[(first + count) % numbers.count] = UInt16(truncatingIfNeeded: number)
    count += 1
  }

  /// The one that has waited longest.
  var next: Int? { count == 0 ? nil : Int(numbers[first]) }

  mutating func takeFirst() -> Int? {
    if count == 0 { return nil }
    let number = numbers[first]
    first = (first + 1) % numbers.count
    count -= 1
    return Int(number)
  }
}
