// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// FUSE requests at full speed: a fixed number of slots on one queue, each with its memory and its indirect table. A
// request costs a few stores; the table is written again only when the shape of the request changes. `FuseClient` says
// what requests mean, this says how to have many of them in flight; both may use one queue, one at a time.

public import FuseProtocol
internal import Linux
internal import VirtioProtocol
public import Wire

/// The sizes of a request's parts, without the two headers.
public struct FuseShape: Equatable, Sendable {
  public var argumentByteCount: Int
  /// Data behind the arguments (WRITE), in pages.
  public var sentByteCount: Int
  public var replyByteCount: Int
  /// Data in the answer (READ, READDIRPLUS), in pages.
  public var receivedByteCount: Int
  /// False for FORGET and its like.
  public var isAnswered: Bool

  public init(
    argumentByteCount: Int = 0, sentByteCount: Int = 0, replyByteCount: Int = 0, receivedByteCount: Int = 0,
    isAnswered: Bool = true
  ) {
    self.argumentByteCount = argumentByteCount
    self.sentByteCount = sentByteCount
    self.replyByteCount = replyByteCount
    self.receivedByteCount = receivedByteCount
    self.isAnswered = isAnswered
  }
}

/// Slots on one queue. Has one owner.
public final class FuseLane {
  public let queue: DriverQueue
  public let slotCount: Int

  private struct Slot {
    let head: UInt16
    let table: GuestBuffer
    /// Request header and arguments, then answer header and struct.
    let control: GuestBuffer
    let data: GuestBuffer
    var shape: FuseShape?
  }

  private var slots: [Slot] = []
  private var nextUnique: UInt64 = 2
  /// Requests in the device's hands.
  public private(set) var inFlightCount = 0

  private static let pageByteCount = 4096
  private static let controlByteCount = 4096
  private static let answerOffset = 2048

  /// - Parameter dataByteCounts: one slot each, with so much memory for data.
  public init(_ queue: DriverQueue, dataByteCounts: [Int]) throws(FrontendError) {
    precondition(queue.usesIndirect, "a lane needs indirect descriptors")
    self.queue = queue
    slotCount = dataByteCounts.count
    for (index, dataByteCount) in dataByteCounts.enumerated() {
      let pages = (dataByteCount + Self.pageByteCount - 1) / Self.pageByteCount
      slots.append(
        Slot(
          head: try queue.reserve(token: UInt64(index)),
          table: try queue.ram.allocate(16 * (pages + 4), alignment: 16),
          control: try queue.ram.allocate(Self.controlByteCount, alignment: UInt64(Self.pageByteCount)),
          // Not cleared: memory that no request uses is never touched.
          data: try queue.ram.allocate(
            max(dataByteCount, 8), alignment: UInt64(Self.pageByteCount), clearing: false)))
    }
  }

  /// Where a slot's arguments go, behind the request's header.
  public func arguments(of slot: Int) -> Segment {
    slots[slot].control.segment.prefix(Self.answerOffset).dropFirst(FuseInHeader.byteCount)
  }

  /// The data of a slot, sent or received.
  public func data(of slot: Int) -> Segment { slots[slot].data.segment }

  /// The header of the answer that came.
  public func answer(of slot: Int) -> FuseOutHeader {
    slots[slot].control.segment.load(at: Self.answerOffset) ?? FuseOutHeader()
  }

  /// The struct of the answer that came, behind its header.
  public func reply(of slot: Int) -> Segment {
    slots[slot].control.segment.dropFirst(Self.answerOffset + FuseOutHeader.byteCount)
  }

  /// Offers the request whose arguments and data are in the slot; the device sees it at `flush`.
  public func send(_ slot: Int, _ operation: FuseOpcode, node: UInt64, _ shape: FuseShape) {
    if slots[slot].shape != shape { lay(out: slot, shape) }
    let length = FuseInHeader.byteCount + shape.argumentByteCount + shape.sentByteCount
    slots[slot].control.segment.store(
      FuseInHeader(len: UInt32(length), opcode: operation.rawValue, unique: nextUnique, nodeid: node, pid: 1))
    nextUnique &+= 2
    inFlightCount += 1
    queue.offer(slots[slot].head)
  }

  /// Lets the device see what was sent, and kicks if it wants that.
  public func flush() {
    queue.submit()
  }

  /// The next slot whose answer is there, and how many bytes the device wrote; nil if there is none.
  public func take() throws(FrontendError) -> (slot: Int, byteCount: Int)? {
    guard let used = try queue.takeUsed() else { return nil }
    inFlightCount -= 1
    return (Int(used.token), Int(used.length))
  }

  /// Waits for an answer: see `DriverQueue.wait(pollNanoseconds:timeoutNanoseconds:)`.
  public func wait(pollNanoseconds: Int64, timeoutNanoseconds: Int64) throws(FrontendError) {
    try queue.wait(pollNanoseconds: pollNanoseconds, timeoutNanoseconds: timeoutNanoseconds)
  }

  /// Writes a slot's indirect table.
  private func lay(out index: Int, _ shape: FuseShape) {
    slots[index].shape = shape
    let slot = slots[index]
    let control = slot.control
    var place = 0
    var parts: [(buffer: GuestBuffer, isWritable: Bool)] = [
      (control.part(from: 0, count: FuseInHeader.byteCount), false)
    ]
    if shape.argumentByteCount > 0 {
      parts.append((control.part(from: FuseInHeader.byteCount, count: shape.argumentByteCount), false))
    }
    parts += pages(slot.data, shape.sentByteCount).map { ($0, false) }
    if shape.isAnswered {
      parts.append((control.part(from: Self.answerOffset, count: FuseOutHeader.byteCount), true))
      if shape.replyByteCount > 0 {
        let start = Self.answerOffset + FuseOutHeader.byteCount
        parts.append((control.part(from: start, count: shape.replyByteCount), true))
      }
      parts += pages(slot.data, shape.receivedByteCount).map { ($0, true) }
    }
    for part in parts {
      let isLast = place == parts.count - 1
      slot.table.segment.store(
        SplitDescriptor(
          address: part.buffer.guestAddress, length: UInt32(part.buffer.count),
          flags: (part.isWritable ? DescriptorFlags.write : 0) | (isLast ? 0 : DescriptorFlags.next),
          next: isLast ? 0 : UInt16(place + 1)), at: 16 * place)
      place += 1
    }
    queue.point(slot.head, at: slot.table, descriptorCount: parts.count)
  }

  private func pages(_ data: GuestBuffer, _ byteCount: Int) -> [GuestBuffer] {
    stride(from: 0, to: byteCount, by: Self.pageByteCount).map { offset in
      data.part(from: offset, count: min(Self.pageByteCount, byteCount - offset))
    }
  }
}
