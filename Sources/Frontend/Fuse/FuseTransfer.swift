// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// FUSE messages that somebody else made (a kernel, through /dev/fuse) on their way through a virtqueue: each lies in a
// slot of shared memory, is read into it, offered, and its answer is written out of it. Nothing is copied and nothing
// is looked at but what the shape of the chain depends on. `FuseClient` makes requests of its own.

public import FuseProtocol
internal import VirtioProtocol
public import Wire

/// Slots on one queue. Has one owner.
public final class FuseTransfer {
  public let queue: DriverQueue
  public let slotCount: Int

  private struct Slot {
    let memory: GuestBuffer
    /// Its chain's head, where chains go through indirect tables.
    let head: UInt16?
    /// Where the answer begins, and how long it may be; 0 for requests that have none.
    var replyOffset = 0
    var replyCapacity = 0
  }

  private var slots: [Slot] = []

  /// Most bytes of data in a request or an answer.
  public static let dataByteCount = 1 << 20
  /// Longest request: headers and arguments of WRITE and its data.
  public static let requestByteCount = FuseTransfer.argumentByteCount + FuseTransfer.dataByteCount

  // A slot begins with the chain's table. The request ends its page with the header and arguments of a WRITE, so that
  // data begins on a page; an answer's header ends a page likewise. O_DIRECT transfers of the backend need that.
  private static let page = 4096
  private static let argumentByteCount = FuseInHeader.byteCount + FuseWriteIn.byteCount
  private static let requestOffset = page - argumentByteCount
  private static let mostDescriptors = 5
  /// The table's page, a request's data, and a page each for the answer's header and for an answer to a long request.
  private static let slotByteCount = page + dataByteCount + 2 * page
  /// Answers to requests that do not say how long they may be are names, attributes and lists that fit a page; longer
  /// is what newer kernels may think of.
  private static let otherReplyByteCount = 65536

  /// Memory that `slotCount` slots on a queue of `queueSize` descriptors take, for sizing a `GuestRAM`.
  public static func memoryByteCount(slotCount: Int, queueSize: Int) -> Int {
    slotCount * slotByteCount + queueSize * 32 + 8 * page
  }

  public init(_ queue: DriverQueue, slotCount: Int) throws(FrontendError) {
    self.queue = queue
    // Without indirect tables a chain takes its descriptors from the ring.
    self.slotCount = queue.usesIndirect ? min(slotCount, queue.size) : min(slotCount, queue.size / Self.mostDescriptors)
    for index in 0..<self.slotCount {
      // Slots that are never needed at the same time never take memory.
      let memory = try queue.ram.allocate(Self.slotByteCount, alignment: UInt64(Self.page), clearing: false)
      slots.append(Slot(memory: memory, head: queue.usesIndirect ? try queue.reserve(token: UInt64(index)) : nil))
    }
  }

  /// Where a slot's request goes; valid while the device does not have it.
  public func request(of slot: Int) -> Segment {
    slots[slot].memory.segment.dropFirst(Self.requestOffset).prefix(Self.requestByteCount)
  }

  /// Offers the request of `byteCount` bytes that lies in the slot; the device sees it at `queue.publish`.
  public func offer(_ slot: Int, _ header: FuseInHeader, byteCount: Int) throws(FrontendError) {
    let end = Self.requestOffset + byteCount
    let replyOffset = (end + FuseOutHeader.byteCount + Self.page - 1) / Self.page * Self.page - FuseOutHeader.byteCount
    let room = Self.slotByteCount - replyOffset
    let wanted = replyByteCount(header, request(of: slot))
    slots[slot].replyOffset = replyOffset
    slots[slot].replyCapacity = min(wanted, room)
    try hand(over: slot, header, end: end)
  }

  /// The next slot that the device has finished; nil if there is none.
  public func take() throws(FrontendError) -> Int? {
    guard let used = try queue.takeUsed() else { return nil }
    return Int(used.token)
  }

  /// True if the requests of this opcode are never answered.
  public static func isSilent(_ opcode: UInt32) -> Bool {
    switch FuseOpcode(rawValue: opcode) {
    case .forget, .batchForget, .interrupt: true
    default: false
    }
  }

  /// The answer in a slot that was taken; nil if what the device wrote is not an answer to `unique`. Its length is the
  /// header's, as Linux has it (fs/fuse/virtio_fs.c): some devices have another idea of the used length.
  public func reply(of slot: Int, to unique: UInt64) -> Segment? {
    let room = slots[slot].memory.segment.dropFirst(slots[slot].replyOffset).prefix(slots[slot].replyCapacity)
    guard let header: FuseOutHeader = room.load(), header.unique == unique,
      header.len >= UInt32(FuseOutHeader.byteCount), Int(header.len) <= room.count
    else { return nil }
    return room.prefix(Int(header.len))
  }

  /// How long the answer may become, its header included.
  private func replyByteCount(_ header: FuseInHeader, _ request: Segment) -> Int {
    let arguments = request.dropFirst(FuseInHeader.byteCount)
    var data = Self.otherReplyByteCount
    switch FuseOpcode(rawValue: header.opcode) {
    case .forget, .batchForget, .interrupt: return 0
    case .read, .readdir, .readdirplus:
      if let read: FuseReadIn = arguments.load() { data = Int(read.size) }
    case .ioctl: data = Self.dataByteCount
    default: break
    }
    return FuseOutHeader.byteCount + data
  }

  /// Makes the chain: header, arguments, data of a WRITE | header of the answer, the rest of it. Old devices take WRITE
  /// data from where it lies only if the chain is cut like this.
  private func hand(over index: Int, _ header: FuseInHeader, end: Int) throws(FrontendError) {
    let slot = slots[index]
    let isWrite = header.opcode == FuseOpcode.write.rawValue
    let argumentsEnd = isWrite ? min(end, Self.page) : end
    let replyStruct = slot.replyOffset + FuseOutHeader.byteCount
    guard let head = slot.head else {
      let readable = [
        part(slot, Self.requestOffset, Self.requestOffset + FuseInHeader.byteCount),
        part(slot, Self.requestOffset + FuseInHeader.byteCount, argumentsEnd), part(slot, argumentsEnd, end),
      ]
      let writable =
        slot.replyCapacity == 0
        ? []
        : [
          part(slot, slot.replyOffset, replyStruct),
          part(slot, replyStruct, slot.replyOffset + slot.replyCapacity),
        ]
      try queue.add(
        readable: readable.filter { $0.count > 0 }, writable: writable.filter { $0.count > 0 }, token: UInt64(index),
        indirect: false)
      return
    }
    var count = 0
    func add(_ start: Int, _ end: Int, _ flags: UInt16) {
      guard end > start else { return }
      slot.memory.segment.store(
        SplitDescriptor(
          address: slot.memory.guestAddress + UInt64(start), length: UInt32(end - start),
          flags: flags | DescriptorFlags.next, next: UInt16(count + 1)), at: 16 * count)
      count += 1
    }
    add(Self.requestOffset, Self.requestOffset + FuseInHeader.byteCount, 0)
    add(Self.requestOffset + FuseInHeader.byteCount, argumentsEnd, 0)
    add(argumentsEnd, end, 0)
    if slot.replyCapacity > 0 {
      add(slot.replyOffset, replyStruct, DescriptorFlags.write)
      add(replyStruct, slot.replyOffset + slot.replyCapacity, DescriptorFlags.write)
    }
    endTable(slot, count)
    queue.point(head, at: slot.memory.part(from: 0, count: 16 * Self.mostDescriptors), descriptorCount: count)
    queue.offer(head)
  }

  /// Takes the NEXT flag off the table's last descriptor.
  private func endTable(_ slot: Slot, _ count: Int) {
    let place = 16 * (count - 1)
    guard var last: SplitDescriptor = slot.memory.segment.load(at: place) else { return }
    last.flags &= ~DescriptorFlags.next
    last.next = 0
    slot.memory.segment.store(last, at: place)
  }

  private func part(_ slot: Slot, _ start: Int, _ end: Int) -> GuestBuffer {
    slot.memory.part(from: start, count: end - start)
  }
}
