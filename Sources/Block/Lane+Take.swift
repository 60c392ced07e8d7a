// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// From a chain to work that is begun: the header is copied once, everything in it is checked, and it is decided who
// does the request. What makes no sense is answered here.

internal import BlockProtocol
internal import Linux
internal import Virtio
internal import Wire

extension LaneCore {
  /// Deals with the chain in `spare`.
  mutating func take(_ queue: inout Virtqueue) {
    let writable = spare.writable
    guard writable.count > 0 else {
      // No room for a status: nothing can be said.
      statistics.countMalformed()
      return queue.complete(spare, written: 0)
    }
    // More than any driver was told it may use. Each slot would keep the room for that many from then on.
    guard spare.readable.count + writable.count <= 2 * mostVectors else {
      statistics.countMalformed()
      return answer(&queue, .ioError)
    }
    guard let request = readHeader(spare.readable) else {
      statistics.countMalformed()
      return answer(&queue, .ioError)
    }
    // A page that is gone reads as zeroes, which the driver never wrote.
    if queue.memoryIsLost { return answer(&queue, .ioError) }
    guard let type = request.request else {
      statistics.countMalformed()
      return answer(&queue, .unsupported)
    }
    switch type {
    case .read: takeTransfer(.read, request.sector, byteCount: writable.byteCount - 1, &queue)
    case .write:
      takeTransfer(.write, request.sector, byteCount: spare.readable.byteCount - BlockRequestHeader.byteCount, &queue)
    case .flush: takeFlush(&queue)
    case .getID: takeIdentifier(&queue)
    case .discard, .writeZeroes, .secureErase: takeRanges(type, &queue)
    }
  }

  /// One copy of the header, however it is spread.
  @inline(__always)
  private func readHeader(_ readable: Segments) -> BlockRequestHeader? {
    if readable.count > 0, let whole = readable[0].load(BlockRequestHeader.self) { return whole }
    let copy = header.segment.prefix(BlockRequestHeader.byteCount)
    guard readable.gather(into: copy) == BlockRequestHeader.byteCount else { return nil }
    return copy.load(BlockRequestHeader.self)
  }

  /// Answers the chain in `spare` without it having been in flight.
  private mutating func refuse(_ type: BlockRequestType, _ status: BlockStatus, _ queue: inout Virtqueue) {
    statistics.count(type, byteCount: 0, failed: true, since: &turnedAt)
    if type == .read { spare.writable.zero(from: 0, count: spare.writable.byteCount - 1) }
    answer(&queue, status)
  }

  private mutating func accept(_ type: BlockRequestType, byteCount: Int, _ queue: inout Virtqueue) {
    if isNothing {
      // Nothing was done since the pass began, and the clock would cost more than all else.
      statistics.count(type, byteCount: byteCount, failed: false, from: turnedAt, to: turnedAt)
    } else {
      statistics.count(type, byteCount: byteCount, failed: false, since: &turnedAt)
    }
    answer(&queue, .ok)
  }

  /// True if the range lies in the volume and begins and ends at a logical block.
  @inline(__always)
  private func isInside(_ sector: UInt64, _ byteCount: Int) -> Bool {
    let mask = UInt64(volume.logicalBlock / BlockLimits.sectorByteCount - 1)
    let count = UInt64(byteCount) / UInt64(BlockLimits.sectorByteCount)
    let capacity = volume.capacity
    return byteCount & (volume.logicalBlock - 1) == 0 && sector & mask == 0 && count <= capacity
      && sector <= capacity - count
  }

  @inline(__always)
  private mutating func takeTransfer(
    _ type: BlockRequestType, _ sector: UInt64, byteCount: Int, _ queue: inout Virtqueue
  ) {
    let isWrite = type == .write
    guard isInside(sector, byteCount), !(isWrite && image.isReadOnly) else { return refuse(type, .ioError, &queue) }
    if byteCount == 0 { return accept(type, byteCount: 0, &queue) }
    var work = Work(type: type)
    work.offset = Int64(sector) * Int64(BlockLimits.sectorByteCount)
    work.byteCount = byteCount
    if let limiter, holdsBack(work, byteCount: byteCount, by: limiter) { return }
    if isDoneAtOnce(isWrite: isWrite) { return transferAtOnce(work, &queue) }
    if !hasRing, !isWrite, !image.isDirect, readCached(work) { return accept(.read, byteCount: byteCount, &queue) }
    if isAlone(work, &queue) { return transferAlone(work, &queue) }
    let index = putInFlight(work)
    if hasRing { beginTransfer(index, &queue) } else { beginHelper(index) }
  }

  /// Where nothing waits, handing the request to anybody costs more than doing it. A write that is to be safe when it
  /// is answered waits for the disk.
  @inline(__always)
  func isDoneAtOnce(isWrite: Bool) -> Bool {
    image.isInMemory || (isWrite && !image.isDirect && !volume.writesThrough)
  }

  mutating func transferAtOnce(_ work: Work, _ queue: inout Virtqueue) {
    if let error = doPlainly(work, work.isWrite ? spare.readable : spare.writable) {
      volume.report(work.type.nameInReports, error)
      return refuse(work.type, .ioError, &queue)
    }
    accept(work.type, byteCount: work.byteCount, &queue)
  }

  /// Reads or writes by plain calls on this thread; nil if it went well.
  @inline(__always)
  mutating func doPlainly(_ work: Work, _ list: Segments) -> Errno? {
    isNothing ? nil : transferPlainly(work, list)
  }

  private mutating func transferPlainly(_ work: Work, _ list: Segments) -> Errno? {
    var job = PlainJob(
      kind: work.isWrite ? .write : .read, offset: work.offset, list: list, start: work.start,
      byteCount: work.byteCount)
    do throws(Errno) {
      // Only direct I/O copies anything.
      _ = try plain.run(&job, on: volume, image.isDirect ? health : nil)
      return nil
    } catch {
      return error
    }
  }

  /// Without io_uring: a read of what the page cache has needs no other thread.
  private mutating func readCached(_ work: Work) -> Bool {
    guard image.readsWithoutWaiting else { return false }
    let (segments, byteCount) = plainWindow(of: spare.writable, work)
    guard byteCount == work.byteCount else { return false }
    return (try? image.file.read(segments, at: work.offset, flags: TransferFlags.noWait)) == byteCount
  }

  private mutating func takeFlush(_ queue: inout Virtqueue) {
    // Everything that was answered before the flush came is what it covers; later writes may come along.
    if volume.options.cache == .lax || image.isInMemory { return accept(.flush, byteCount: 0, &queue) }
    let index = putInFlight(Work(type: .flush))
    if hasRing { beginFlush(index) } else { beginHelper(index) }
  }

  private mutating func takeIdentifier(_ queue: inout Virtqueue) {
    let room = spare.writable.byteCount - 1
    let source = header.segment.prefix(BlockLimits.idByteCount)
    for (offset, byte) in volume.identifier.enumerated() { source.store(byte, at: offset) }
    _ = spare.writable.scatter(source.prefix(room))
    accept(.getID, byteCount: 0, &queue)
  }

  // MARK: Ranges

  private mutating func takeRanges(_ type: BlockRequestType, _ queue: inout Virtqueue) {
    let byteCount = spare.readable.byteCount - BlockRequestHeader.byteCount
    let isPossible =
      type == .discard ? image.canDiscard : type == .secureErase ? image.canErase : true
    guard !image.isReadOnly, byteCount >= BlockRange.byteCount, byteCount % BlockRange.byteCount == 0,
      byteCount <= Volume.mostRanges * BlockRange.byteCount
    else { return refuse(type, .ioError, &queue) }
    guard isPossible else { return refuse(type, .unsupported, &queue) }
    var work = Work(type: type)
    work.byteCount = byteCount
    if let limiter, holdsBack(work, byteCount: 0, by: limiter) { return }
    let index = putInFlight(work)
    beginRanges(index, &queue)
  }

  /// Copies the ranges out of the guest's memory, checks them, and has a helper do them. Also called when the request
  /// had to wait for memory.
  mutating func beginRanges(_ index: Int, _ queue: inout Virtqueue) {
    guard let list = freeRangeLists.take() else { return waitingRanges.append(index) }
    slots[index].work.rangeList = list
    let work = slots[index].work
    let copy = rangeList(list).prefix(work.byteCount)
    _ = slots[index].chain.readable.gather(into: copy, from: BlockRequestHeader.byteCount)
    if queue.memoryIsLost { return finish(index, .ioError, &queue) }
    if let status = check(copy, work.type) { return finish(index, status, &queue) }
    if isNothing { return finish(index, .ok, &queue) }
    beginHelper(index)
  }

  /// Nil if the ranges can be done (VIRTIO 1.3 section 5.2.6.2: unknown flags, and UNMAP where it means nothing, are
  /// unsupported).
  private func check(_ ranges: Segment, _ type: BlockRequestType) -> BlockStatus? {
    let known = type == .writeZeroes ? BlockRange.unmap : 0
    for index in 0..<ranges.count / BlockRange.byteCount {
      guard let range = ranges.load(BlockRange.self, at: index * BlockRange.byteCount) else { return .ioError }
      if range.flags & ~known != 0 { return .unsupported }
      if range.numSectors > Volume.mostRangeSectors
        || !isInside(range.sector, Int(range.numSectors) * BlockLimits.sectorByteCount)
      {
        return .ioError
      }
    }
    return nil
  }

  // MARK: In flight

  /// Takes the chain out of `spare` into a slot; there is a free one.
  @inline(__always)
  mutating func putInFlight(_ work: Work) -> Int {
    guard let index = free.take() else { preconditionFailure("a chain was taken without a slot for it") }
    slots[index].work = work
    slots[index].begunAt = turnedAt
    swap(&slots[index].chain, &spare)
    inFlight &+= 1
    if work.isWrite { writesInFlight &+= 1 }
    return index
  }

  /// Has a helper do all of a request.
  mutating func beginHelper(_ index: Int) {
    // A helper goes through the gate itself and would wait there for this very request.
    leaveGate(index)
    let isFlush = slots[index].work.step == .flush
    slots[index].work.step = .helper
    let work = slots[index].work
    var job = PlainJob(kind: isFlush ? .flush : work.type.plainKind)
    job.offset = work.offset
    if work.type == .read || work.type == .write {
      job.list = slots[index].list
      job.start = work.start + work.done
      job.offset += Int64(work.done)
      job.byteCount = work.byteCount - work.done
    } else if work.type.carriesRanges {
      job.ranges = rangeList(work.rangeList).prefix(work.byteCount)
    }
    if hasRing { watchMailbox() }
    helpers.begin(job, slot: index, for: mailbox, health)
  }

  /// The blocks of a write of whole ones are everybody's again.
  mutating func leaveGate(_ index: Int) {
    let work = slots[index].work
    guard work.isGated else { return }
    volume.gate?.endWhole(Part.blocks(work.offset, work.byteCount, image.alignment.offset))
    slots[index].work.isGated = false
  }

  func bounceMemory(_ number: Int) -> Segment {
    bounces.segment.dropFirst(number * LaneCore.bounceByteCount).prefix(LaneCore.bounceByteCount)
  }

  private func rangeList(_ number: Int) -> Segment {
    rangeLists.segment.dropFirst(number * LaneCore.rangeListByteCount).prefix(LaneCore.rangeListByteCount)
  }
}

extension BlockRequestType {
  fileprivate var plainKind: PlainJob.Kind {
    switch self {
    case .read: .read
    case .write: .write
    case .flush, .getID: .flush
    case .discard: .discard
    case .writeZeroes: .writeZeroes
    case .secureErase: .erase
    }
  }
}
