// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Graphics commands at full speed: a fixed number of slots on one queue, each with its memory and its indirect table.
// What a driver sends for one frame goes into several slots and is shown to the device at once.

public import GPUProtocol
internal import VirtioProtocol
public import Wire

/// Slots on one queue. Has one owner.
public final class GPULane {
  public let queue: DriverQueue
  public let slotCount: Int
  /// Commands in the device's hands.
  public private(set) var inFlightCount = 0
  private let isAnswered: Bool

  private struct Slot {
    let head: UInt16
    let table: GuestBuffer
    /// The command, and the answer at `answerOffset`.
    let memory: GuestBuffer
  }

  private var slots: [Slot] = []

  private static let answerOffset = 128
  private static let memoryByteCount = 256

  /// - Parameter isAnswered: false gives the device no room for an answer, as Linux does on the cursor queue.
  public init(_ queue: DriverQueue, depth: Int, isAnswered: Bool = true) throws(FrontendError) {
    precondition(queue.usesIndirect, "a lane needs indirect descriptors")
    self.queue = queue
    self.isAnswered = isAnswered
    slotCount = depth
    for index in 0..<depth {
      let slot = Slot(
        head: try queue.reserve(token: UInt64(index)), table: try queue.ram.allocate(32, alignment: 32),
        memory: try queue.ram.allocate(Self.memoryByteCount, alignment: UInt64(Self.memoryByteCount)))
      let answer = slot.memory.part(from: Self.answerOffset, count: GPUControlHeader.byteCount)
      slot.table.segment.store(
        SplitDescriptor(
          address: answer.guestAddress, length: UInt32(answer.count), flags: DescriptorFlags.write, next: 0), at: 16)
      slots.append(slot)
    }
  }

  /// Offers a command; the device sees it at `flush`.
  public func send<Command: WireValue>(_ slot: Int, _ command: Command) {
    let (memory, table) = (slots[slot].memory, slots[slot].table)
    memory.segment.store(command)
    memory.segment.store(GPUMessageType(), at: Self.answerOffset)
    table.segment.store(
      SplitDescriptor(
        address: memory.guestAddress, length: UInt32(Command.byteCount), flags: isAnswered ? DescriptorFlags.next : 0,
        next: isAnswered ? 1 : 0))
    queue.point(slots[slot].head, at: table, descriptorCount: isAnswered ? 2 : 1)
    inFlightCount += 1
    queue.offer(slots[slot].head)
  }

  /// Lets the device see what was sent, and kicks if it wants that.
  public func flush() {
    queue.submit()
  }

  /// The next slot whose command is done, and the type of its answer (0 where there is no room for one); nil if there
  /// is none.
  public func take() throws(FrontendError) -> (slot: Int, type: GPUMessageType)? {
    guard let used = try queue.takeUsed() else { return nil }
    inFlightCount -= 1
    let slot = Int(used.token)
    return (slot, slots[slot].memory.segment.load(at: Self.answerOffset) ?? GPUMessageType())
  }
}
