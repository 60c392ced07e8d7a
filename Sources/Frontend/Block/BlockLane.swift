// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Block requests at full speed: a fixed number of slots on one queue, each with its memory and its indirect table. A
// request costs a few stores; the table is written again only when the shape of the request changes.

public import BlockProtocol
internal import Linux
internal import VirtioProtocol
public import Wire

/// Slots on one queue. Has one owner.
public final class BlockLane {
  public let queue: DriverQueue
  public let slotCount: Int
  /// Requests in the device's hands.
  public private(set) var inFlightCount = 0

  /// What a slot's table describes.
  private struct Shape: Equatable {
    var isWrite: Bool
    var byteCount: Int
  }

  private struct Slot {
    let head: UInt16
    let table: GuestBuffer
    /// The request's header, and the status at `statusOffset`.
    let control: GuestBuffer
    let data: GuestBuffer
    var shape: Shape?
  }

  private var slots: [Slot] = []
  private let segmentByteCount: Int

  private static let pageByteCount = 4096
  private static let statusOffset = 64
  private static let controlByteCount = 128

  /// - Parameters:
  ///   - depth: number of slots.
  ///   - dataByteCount: memory for data of each slot.
  ///   - segmentByteCount: data is described in buffers of this size; nil in one.
  ///   - misalignment: data begins this many bytes behind a page's start.
  public init(
    _ queue: DriverQueue, depth: Int, dataByteCount: Int, segmentByteCount: Int? = nil, misalignment: Int = 0
  ) throws(FrontendError) {
    precondition(queue.usesIndirect, "a lane needs indirect descriptors")
    self.queue = queue
    self.segmentByteCount = segmentByteCount ?? max(dataByteCount, 1)
    slotCount = depth
    let segments = (dataByteCount + self.segmentByteCount - 1) / self.segmentByteCount
    for index in 0..<depth {
      let memory = try queue.ram.allocate(
        max(dataByteCount, 1) + misalignment, alignment: UInt64(Self.pageByteCount))
      slots.append(
        Slot(
          head: try queue.reserve(token: UInt64(index)),
          table: try queue.ram.allocate(16 * (segments + 2), alignment: 16),
          control: try queue.ram.allocate(Self.controlByteCount, alignment: 128),
          data: memory.part(from: misalignment, count: max(dataByteCount, 1))))
    }
  }

  /// The data of a slot, read or written.
  public func data(of slot: Int) -> Segment { slots[slot].data.segment }

  /// Offers a request for the first `byteCount` bytes of the slot's data; the device sees it at `flush`.
  public func send(_ slot: Int, _ type: BlockRequestType, sector: UInt64, byteCount: Int) {
    let shape = Shape(isWrite: type == .write || type.carriesRanges, byteCount: byteCount)
    if slots[slot].shape != shape { lay(out: slot, shape) }
    let control = slots[slot].control.segment
    control.store(BlockRequestHeader(type, sector: sector))
    control.store(UInt8(0xff), at: Self.statusOffset)
    inFlightCount += 1
    queue.offer(slots[slot].head)
  }

  /// Lets the device see what was sent, and kicks if it wants that.
  public func flush() {
    queue.submit()
  }

  /// The next slot whose answer is there, with the status that the device wrote (0 is good); nil if there is none.
  public func take() throws(FrontendError) -> (slot: Int, status: UInt8)? {
    guard let used = try queue.takeUsed() else { return nil }
    inFlightCount -= 1
    let slot = Int(used.token)
    return (slot, slots[slot].control.segment.load(at: Self.statusOffset) ?? 0xff)
  }

  /// Waits for an answer: see `DriverQueue.wait(pollNanoseconds:timeoutNanoseconds:)`.
  public func wait(pollNanoseconds: Int64, timeoutNanoseconds: Int64) throws(FrontendError) {
    try queue.wait(pollNanoseconds: pollNanoseconds, timeoutNanoseconds: timeoutNanoseconds)
  }

  /// Writes a slot's indirect table: header, data, status.
  private func lay(out index: Int, _ shape: Shape) {
    slots[index].shape = shape
    let slot = slots[index]
    var parts: [(buffer: GuestBuffer, isWritable: Bool)] = [
      (slot.control.part(from: 0, count: BlockRequestHeader.byteCount), false)
    ]
    for offset in stride(from: 0, to: shape.byteCount, by: segmentByteCount) {
      let count = min(segmentByteCount, shape.byteCount - offset)
      parts.append((slot.data.part(from: offset, count: count), !shape.isWrite))
    }
    parts.append((slot.control.part(from: Self.statusOffset, count: 1), true))
    for (place, part) in parts.enumerated() {
      let isLast = place == parts.count - 1
      slot.table.segment.store(
        SplitDescriptor(
          address: part.buffer.guestAddress, length: UInt32(part.buffer.count),
          flags: (part.isWritable ? DescriptorFlags.write : 0) | (isLast ? 0 : DescriptorFlags.next),
          next: isLast ? 0 : UInt16(place + 1)), at: 16 * place)
    }
    queue.point(slot.head, at: slot.table, descriptorCount: parts.count)
  }
}
