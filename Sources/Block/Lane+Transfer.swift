// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Requests in the ring: straight between the image and the guest's memory where its buffers suit the image, through
// bounce memory where they do not. A transfer that comes back short goes on where it stopped.

internal import BlockProtocol
internal import IOUring
internal import Linux
internal import Virtio
internal import Wire

extension LaneCore {
  /// Begins what is left of a read or a write.
  mutating func beginTransfer(_ index: Int, _ queue: inout Virtqueue) {
    let work = slots[index].work
    let rest = work.rest
    if !image.isDirect { return beginStraight(index, window(index)) }
    let mask = image.alignment.offset - 1
    let isWhole = (Int(rest.offset) | rest.byteCount) & mask == 0
    // Parts of blocks are read, changed and written by a helper, with nobody else in them; so is what a short write
    // left of a block.
    if work.isWrite, !isWhole { return beginHelper(index) }
    let segments = window(index)
    let isStraight = isWhole && segments.areAligned(image.alignment)
    // Before the gate: who waits for memory there would be waited for by those who have it.
    if !isStraight, work.bounce < 0 {
      guard let bounce = freeBounces.take() else {
        // A write whose first part needed none may have come through the gate with that.
        leaveGate(index)
        return waiting.append(index)
      }
      slots[index].work.bounce = bounce
    }
    if work.isWrite, !work.isGated, let gate = volume.gate {
      let blocks = Part.blocks(work.offset, work.byteCount, image.alignment.offset)
      guard gate.beginWhole(blocks) else { return beginHelper(index) }
      slots[index].work.isGated = true
    }
    if isStraight { beginStraight(index, segments) } else { beginBounced(index, &queue) }
  }

  private mutating func beginStraight(_ index: Int, _ segments: Segments) {
    let work = slots[index].work
    slots[index].work.step = .transfer
    let token = UInt64(index)
    let flags = writeFlags(index)
    prepare { (ring: borrowing Ring) in
      work.isWrite
        ? ring.prepareWrite(registered: 0, segments, at: work.rest.offset, flags: flags, token: token)
        : ring.prepareRead(registered: 0, segments, at: work.rest.offset, token: token)
    }
  }

  /// How a part of a request is written: safe when it is answered, or noted as not being that.
  @inline(__always)
  private mutating func writeFlags(_ index: Int) -> Int32 {
    guard slots[index].work.isWrite else { return 0 }
    if volume.writesThrough { return TransferFlags.dataSync }
    slots[index].work.isVolatile = true
    return 0
  }

  /// The segments of what is left, as many as one call takes. Without a copy where header and status have descriptors
  /// of their own, as all drivers in use make them.
  @inline(__always)
  private mutating func window(_ index: Int) -> Segments {
    let work = slots[index].work
    let list = slots[index].list
    if work.done == 0, list.count <= mostVectors {
      if work.isWrite {
        if list[0].count == BlockRequestHeader.byteCount { return list.dropFirst(segments: 1) }
      } else if list[list.count - 1].count == 1 {
        return list.prefix(segments: list.count - 1)
      }
    }
    if arena.space < min(list.count, mostVectors) { submitAll() }
    return arena.window(
      of: list, from: work.start + work.done, byteCount: work.byteCount - work.done, most: mostVectors
    ).segments
  }

  /// A window for a plain call that is made at once.
  mutating func plainWindow(of list: Segments, _ work: Work) -> (segments: Segments, byteCount: Int) {
    arena.reset()
    return arena.window(of: list, from: work.start, byteCount: work.byteCount, most: mostVectors)
  }

  mutating func beginFlush(_ index: Int) {
    slots[index].work.step = .flush
    slots[index].work.isVolatile = false
    prepare { (ring: borrowing Ring) in ring.prepareDataSync(registered: 0, token: UInt64(index)) }
  }

  // MARK: Bouncing

  /// Moves the next part of the request through its piece of bounce memory.
  private mutating func beginBounced(_ index: Int, _ queue: inout Virtqueue) {
    slots[index].work.step = .bounce
    let work = slots[index].work
    let part = part(of: work)
    let memory = bounceMemory(work.bounce).prefix(part.blockByteCount)
    if work.isWrite {
      _ = slots[index].list.gather(
        into: memory.dropFirst(part.skip).prefix(part.byteCount), from: work.start + work.done)
      // Zeroes in the place of memory that is gone: nobody wrote them, and the image shall not have them.
      if queue.memoryIsLost { return fail(index, .inputOutput, &queue) }
    }
    let flags = writeFlags(index)
    prepare { (ring: borrowing Ring) in
      ring.prepareTransfer(
        registered: 0, memory, at: part.blockOffset, isWrite: work.isWrite, flags: flags, token: UInt64(index))
    }
  }

  private func part(of work: Work) -> Part {
    Part(work.rest.offset, work.rest.byteCount, image.alignment.offset, limit: LaneCore.bounceByteCount)
  }

  /// What came of one part.
  private mutating func bounced(_ index: Int, _ count: Int, _ queue: inout Virtqueue) {
    let work = slots[index].work
    let part = part(of: work)
    let useful = min(count - part.skip, part.byteCount)
    if useful <= 0 { return fail(index, .inputOutput, &queue) }
    if !work.isWrite {
      let memory = bounceMemory(work.bounce).dropFirst(part.skip).prefix(useful)
      _ = slots[index].list.scatter(memory, at: work.start + work.done)
    }
    goOn(index, useful, &queue)
  }

  /// Requests that waited for memory, as far as there is some now.
  mutating func beginWaiting(_ queue: inout Virtqueue) {
    isBeginning = true
    defer { isBeginning = false }
    while freeBounces.count > 0, let index = waiting.takeFirst() { beginTransfer(index, &queue) }
    while freeRangeLists.count > 0, let index = waitingRanges.takeFirst() { beginRanges(index, &queue) }
  }

  // MARK: Completions

  /// Answers what is done and goes on with what is not; returns how many completions there were.
  mutating func reap(_ queue: inout Virtqueue) -> Int {
    var count = 0
    if hasRing {
      while let completion = ring?.takeCompletion() {
        guard completion.token < UInt64(slots.count) else {
          polls.note(completion)
          continue
        }
        if count == 0 { turnedAt = statistics.time }
        count &+= 1
        completed(Int(completion.token), completion.result, &queue)
      }
    } else {
      mailbox.takeBackSignals()
    }
    if mailbox.hasLetters {
      if count == 0 { turnedAt = statistics.time }
      count &+= reapLetters(&queue)
    }
    return count
  }

  /// The helpers' answers.
  @inline(never)
  private mutating func reapLetters(_ queue: inout Virtqueue) -> Int {
    var count = 0
    var slot = mailbox.takeAll()
    while let letter = mailbox.letter(&slot) {
      if let error = letter.error { fail(letter.slot, error, &queue) } else { succeed(letter.slot, &queue) }
      count += 1
    }
    return count
  }

  @inline(__always)
  private mutating func completed(_ index: Int, _ result: Int32, _ queue: inout Virtqueue) {
    let step = slots[index].work.step
    if result > 0, step == .transfer { return goOn(index, Int(result), &queue) }
    if result < 0 {
      let error = Errno(-result)
      // What io_uring could not do now a plain call waits for.
      if error == .tryAgain || error == .interrupted { return beginHelper(index) }
      return fail(index, error, &queue)
    }
    switch step {
    case .flush: finish(index, .ok, &queue)
    case .bounce: bounced(index, Int(result), &queue)
    // The image has become shorter than what the guest was told.
    case .transfer, .helper: fail(index, .inputOutput, &queue)
    }
  }

  /// All of the request is done.
  @inline(__always)
  private mutating func succeed(_ index: Int, _ queue: inout Virtqueue) {
    // The driver has chosen write-through meanwhile, and flushes no more: the flush for that came before this write.
    if slots[index].work.isVolatile, volume.writesThrough { return beginFlush(index) }
    finish(index, .ok, &queue)
  }

  @inline(__always)
  private mutating func goOn(_ index: Int, _ count: Int, _ queue: inout Virtqueue) {
    slots[index].work.done &+= count
    if slots[index].work.done >= slots[index].work.byteCount {
      succeed(index, &queue)
    } else {
      beginTransfer(index, &queue)
    }
  }
}
