// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Requests done by plain system calls, from beginning to end, on the calling thread: by a helper where something may
// take long or io_uring is forbidden, by a queue's own thread where the image lies in memory or the page cache takes
// a write. Everything is decided from what the job says; nothing here knows a queue.

internal import BlockProtocol
internal import Linux
internal import Virtio
internal import Wire

/// One request for plain calls.
///
/// Sendable because the chain's buffers and the range list belong to the request alone until its result is posted.
struct PlainJob: @unchecked Sendable {
  enum Kind {
    case read
    case write
    case flush
    case discard
    case writeZeroes
    case erase
  }

  var kind: Kind
  /// In bytes from the start of the image.
  var offset: Int64 = 0
  /// Data in the chain: `byteCount` bytes of `list` from `start` on.
  var list = Segments.none
  var start = 0
  var byteCount = 0
  /// The ranges of a discard and its like, already copied out of the guest's memory.
  var ranges = Segment.empty
  /// How far a discard or its like has come: so many ranges, and so many bytes of the next one.
  var doneRanges = 0
  var doneByteCount: Int64 = 0
}

/// The memory that plain calls need. Each thread that does them has its own.
struct PlainTransfer: ~Copyable {
  private let window = SegmentWindow(capacity: mostVectors)
  /// Made when first needed: unaligned requests on an image that is read directly, and zeroes.
  private var bounce: Scratch?
  private var zeroes: Scratch?
  static let bounceByteCount = 256 << 10
  /// How long one job of ranges is worked on before others get their turn.
  private static let turnNanoseconds: Int64 = 10_000_000
  /// Zeroed by hand without a look at the clock.
  private static let zeroedAtOnceByteCount = 1 << 20

  /// Works on the job. False if there is more to do, for which the caller comes again: one request of a guest can ask
  /// for half a terabyte of zeroes.
  /// - Parameter health: of the memory that the chain lies in; nil where nothing of it is copied.
  mutating func run(_ job: inout PlainJob, on volume: Volume, _ health: MemoryHealth?) throws(Errno) -> Bool {
    switch job.kind {
    case .read: try read(job, volume)
    case .write: try write(job, volume, health)
    case .flush: try volume.image.sync()
    case .discard, .writeZeroes, .erase: return try change(&job, volume)
    }
    return true
  }

  // MARK: Reading and writing

  private mutating func read(_ job: PlainJob, _ volume: Volume) throws(Errno) {
    var done = 0
    while done < job.byteCount {
      let count =
        isAligned(job, volume.image, from: done)
        ? try readStraight(job, volume, from: done) : try readBounced(job, volume, from: done)
      // The image has become shorter than what the guest was told.
      if count == 0 { throw .inputOutput }
      done += count
    }
  }

  private func readStraight(_ job: PlainJob, _ volume: Volume, from done: Int) throws(Errno) -> Int {
    let (segments, _) = window.window(of: job.list, from: job.start + done, byteCount: job.byteCount - done)
    return try volume.image.file.read(segments, at: job.offset + Int64(done))
  }

  private mutating func readBounced(_ job: PlainJob, _ volume: Volume, from done: Int) throws(Errno) -> Int {
    let part = Part(job.offset + Int64(done), job.byteCount - done, volume.image.alignment.offset)
    let memory = bounceMemory.prefix(part.blockByteCount)
    let table = Table(count: 1) { _ in memory }
    let count = try volume.image.file.read(table.segments, at: part.blockOffset)
    let useful = min(count - part.skip, part.byteCount)
    if useful <= 0 { return 0 }
    return job.list.scatter(memory.dropFirst(part.skip).prefix(useful), at: job.start + done)
  }

  private mutating func write(_ job: PlainJob, _ volume: Volume, _ health: MemoryHealth?) throws(Errno) {
    guard let gate = volume.gate else { return try writeNow(job, volume, health) }
    let blocks = Part.blocks(job.offset, job.byteCount, volume.image.alignment.offset)
    var failure: Errno?
    gate.alone(in: blocks) {
      do throws(Errno) { try writeNow(job, volume, health) } catch { failure = error }
    }
    if let failure { throw failure }
  }

  private mutating func writeNow(
    _ job: PlainJob, _ volume: Volume, _ health: MemoryHealth? = nil
  ) throws(Errno) {
    let isThrough = volume.writesThrough
    let flags = isThrough ? TransferFlags.dataSync : 0
    var done = 0
    while done < job.byteCount {
      let count: Int
      if isAligned(job, volume.image, from: done) {
        let (segments, _) = window.window(of: job.list, from: job.start + done, byteCount: job.byteCount - done)
        count = try volume.image.file.write(segments, at: job.offset + Int64(done), flags: flags)
      } else {
        count = try writeBounced(job, volume, health, from: done, flags)
      }
      if count == 0 { throw .inputOutput }
      done += count
    }
    // The driver has chosen write-through meanwhile, and flushes no more.
    if !isThrough, volume.writesThrough { try volume.image.file.sync(dataOnly: true) }
  }

  /// Writes as much as the bounce memory holds; what is there of the blocks at both ends stays.
  private mutating func writeBounced(
    _ job: PlainJob, _ volume: Volume, _ health: MemoryHealth?, from done: Int, _ flags: Int32
  ) throws(Errno) -> Int {
    let file = volume.image.file
    let block = volume.image.alignment.offset
    let part = Part(job.offset + Int64(done), job.byteCount - done, block)
    let memory = bounceMemory.prefix(part.blockByteCount)
    if part.skip > 0 || part.byteCount < part.blockByteCount {
      // Only the ends are read, which may be one and the same block.
      try fill(memory.prefix(block), file, at: part.blockOffset)
      let last = memory.count - block
      if last > 0 { try fill(memory.dropFirst(last), file, at: part.blockOffset + Int64(last)) }
    }
    _ = job.list.gather(into: memory.dropFirst(part.skip).prefix(part.byteCount), from: job.start + done)
    // What was copied may be zeroes in the place of memory that is gone, and the guest never wrote those.
    if health?.isLost == true { throw .inputOutput }
    let table = Table(count: 1) { _ in memory }
    let count = try file.write(table.segments, at: part.blockOffset, flags: flags)
    return max(min(count - part.skip, part.byteCount), 0)
  }

  /// Reads one block; what lies behind the end of the image is zero.
  private func fill(_ memory: Segment, _ file: File, at offset: Int64) throws(Errno) {
    let table = Table(count: 1) { _ in memory }
    let count = try file.read(table.segments, at: offset)
    memory.dropFirst(count).zero()
  }

  /// Whether the rest of the job can be done without a copy.
  private func isAligned(_ job: PlainJob, _ image: Image, from done: Int) -> Bool {
    if !image.isDirect { return true }
    let block = image.alignment.offset
    guard (Int(job.offset) + done) & (block - 1) == 0, (job.byteCount - done) & (block - 1) == 0 else { return false }
    let (segments, _) = window.window(of: job.list, from: job.start + done, byteCount: job.byteCount - done)
    return segments.areAligned(image.alignment)
  }

  private var bounceMemory: Segment {
    mutating get {
      if bounce == nil { bounce = Scratch(byteCount: PlainTransfer.bounceByteCount) }
      return bounce?.segment ?? .empty
    }
  }

  // MARK: Discarding and zeroing

  /// Does what is left of the ranges, for about a turn; true if nothing is left.
  private mutating func change(_ job: inout PlainJob, _ volume: Volume) throws(Errno) -> Bool {
    let end = Clock.monotonic + PlainTransfer.turnNanoseconds
    let count = job.ranges.count / BlockRange.byteCount
    while job.doneRanges < count,
      let range = job.ranges.load(BlockRange.self, at: job.doneRanges * BlockRange.byteCount)
    {
      let offset = Int64(range.sector) * 512 + job.doneByteCount
      let length = Int64(range.numSectors) * 512 - job.doneByteCount
      if length > 0 { job.doneByteCount += try change(job.kind, range, offset, length, volume) }
      if job.doneByteCount >= Int64(range.numSectors) * 512 {
        job.doneRanges += 1
        job.doneByteCount = 0
      }
      if Clock.monotonic >= end, job.doneRanges < count { return false }
    }
    // A write that is safe when it is answered: so is this.
    if job.kind == .writeZeroes, volume.writesThrough { try volume.image.sync() }
    return true
  }

  /// Does as much as can be done in one go; returns how many bytes.
  private mutating func change(
    _ kind: PlainJob.Kind, _ range: BlockRange, _ offset: Int64, _ length: Int64, _ volume: Volume
  ) throws(Errno) -> Int64 {
    guard let gate = volume.gate else { return try changeNow(kind, range, offset, length, volume) }
    var failure: Errno?
    var done: Int64 = 0
    gate.alone(in: Part.blocks(offset, Int(length), volume.image.alignment.offset)) {
      do throws(Errno) { done = try changeNow(kind, range, offset, length, volume) } catch { failure = error }
    }
    if let failure { throw failure }
    return done
  }

  private mutating func changeNow(
    _ kind: PlainJob.Kind, _ range: BlockRange, _ offset: Int64, _ length: Int64, _ volume: Volume
  ) throws(Errno) -> Int64 {
    let file = volume.image.file
    switch kind {
    case .discard where volume.image.isDevice:
      try file.discard(secure: false, offset: UInt64(offset), length: UInt64(length))
    case .discard:
      try punch(file, offset, length)
    case .erase:
      try file.discard(secure: true, offset: UInt64(offset), length: UInt64(length))
    default:
      let unmaps = range.flags & BlockRange.unmap != 0 && volume.image.canDiscard
      if unmaps, (try? punch(file, offset, length)) != nil { return length }
      do throws(Errno) {
        try file.allocate(mode: AllocationMode.zeroRange | AllocationMode.keepSize, offset: offset, length: length)
      } catch {
        guard error == .notSupported || error == .invalid || error == .notImplemented else { throw error }
        let now = Int(min(length, Int64(PlainTransfer.zeroedAtOnceByteCount)))
        try writeZeroes(offset, now, volume)
        return Int64(now)
      }
    }
    return length
  }

  private func punch(_ file: File, _ offset: Int64, _ length: Int64) throws(Errno) {
    try file.allocate(mode: AllocationMode.punchHole | AllocationMode.keepSize, offset: offset, length: length)
  }

  /// By hand, where the file system has no better way. The caller has seen to it that nobody else writes there.
  private mutating func writeZeroes(_ offset: Int64, _ length: Int, _ volume: Volume) throws(Errno) {
    let memory = zeroMemory
    let table = Table(count: 1) { _ in memory }
    var done = 0
    while done < length {
      let chunk = min(length - done, memory.count)
      try writeNow(
        PlainJob(kind: .write, offset: offset + Int64(done), list: table.segments, byteCount: chunk), volume)
      done += chunk
    }
  }

  private var zeroMemory: Segment {
    mutating get {
      if zeroes == nil {
        zeroes = Scratch(byteCount: PlainTransfer.bounceByteCount)
        zeroes?.segment.zero()
      }
      return zeroes?.segment ?? .empty
    }
  }
}
