// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// One queue's lane: takes chains, begins what they ask for, answers what is done. One thread has it at a time (the
// queue's owner), and all memory that a request needs is made before the queue runs. The ways to do a request:
//
//   ring      io_uring, for everything that may wait: direct I/O, reads, flushes
//   at once   plain calls on this thread: images in memory, and writes that the page cache takes
//   helpers   plain calls on other threads: what io_uring cannot do or may not do (Helpers.swift)
//
// Taking is in Lane+Take.swift, what happens with a request in the ring in Lane+Transfer.swift, waiting in
// Lane+Wait.swift.

internal import BlockProtocol
internal import IOUring
internal import Linux
internal import Virtio
internal import Wire

/// A lane as the device holds it. The state is lent once per call, so that the compiler checks exclusive access there
/// and not for every request.
///
/// Sendable because it belongs to its queue's owner thread: the device hands it out by queue index only, and a queue
/// has one thread at a time.
final class Lane: @unchecked Sendable {
  var core: LaneCore
  let statistics: LaneStatistics

  init(_ volume: Volume, helpers: Helpers, ring: consuming Ring?) throws(Errno) {
    let statistics = LaneStatistics(measuresLatency: volume.options.measuresLatency)
    self.statistics = statistics
    core = LaneCore(
      volume, helpers: helpers, ring: ring, mailbox: try Mailbox(), statistics: statistics)
  }
}

struct LaneCore: ~Copyable {
  /// Chains taken before the queue's thread may look at its other duties.
  static let mostTaken = 64
  /// Requests in flight; crosvm's queues have 32768 descriptors.
  static let mostInFlight = 1024
  /// Submission entries: more than one turn prepares.
  static let ringCapacity = 128
  /// What waits in the ring to be taken: all requests of the largest queue, and the polls.
  static let completionCapacity = 2048
  /// Pieces of bounce memory, and their size: how many unaligned requests are under way at once.
  static let bounceCount = 64
  static let bounceByteCount = 64 << 10
  /// Pieces of registered guest memory: regions, and each GiB of a large one.
  static let memorySlotCount = 1024
  /// Lists of ranges that are being worked on at once; they may take long, and what bounces does not wait for them.
  static let rangeListCount = 64
  static let rangeListByteCount = Volume.mostRanges * BlockRange.byteCount

  let volume: Volume
  let image: Image
  let isNothing: Bool
  /// Nil where nothing is limited.
  let limiter: VolumeLimiter?
  let helpers: Helpers
  let mailbox: Mailbox
  let statistics: LaneStatistics
  /// Nil where io_uring is forbidden.
  var ring: Ring?
  let hasRing: Bool

  var slots = Table<Slot>(count: 1) { _ in Slot() }
  var free = FreeList(count: 0)
  /// Requests that wait for bounce memory.
  var waiting = WaitingLine(capacity: 1)
  /// Requests that wait for room for their ranges.
  var waitingRanges = WaitingLine(capacity: 1)
  /// Requests that the limits hold back (Lane+Limits.swift), in the order in which they are due.
  var held = WaitingLine(capacity: 1)
  /// Nothing is taken from the ring for now: see `longestSleepNanoseconds`.
  var isPaying = false
  /// `beginWaiting` is at work: what ends meanwhile leaves the rest to its loop, because a guest chooses how many wait.
  var isBeginning = false
  /// The chain that is looked at: it changes places with a slot's when the request goes in flight.
  var spare = Chain()
  var arena = SegmentArena(capacity: 2 * mostVectors)
  let bounces = Scratch(byteCount: LaneCore.bounceCount * LaneCore.bounceByteCount)
  var freeBounces = FreeList(count: LaneCore.bounceCount)
  let rangeLists = Scratch(byteCount: LaneCore.rangeListCount * LaneCore.rangeListByteCount)
  var freeRangeLists = FreeList(count: LaneCore.rangeListCount)
  var plain = PlainTransfer()
  let header = Scratch(byteCount: 64)

  var inFlight = 0
  var writesInFlight = 0
  /// When this thread turned to what it works on: one look at the clock for all answers that are there, and one for all
  /// new requests.
  var turnedAt = LaneStatistics.noTime
  /// Of the memory that the queue's chains lie in.
  var health: MemoryHealth?
  var polls = StandingPolls()
  var loneliness = Loneliness()
  /// What the ring has registered of the guest's memory lies in this.
  var registered: GuestMemory?

  init(
    _ volume: Volume, helpers: Helpers, ring: consuming Ring?, mailbox: Mailbox, statistics: LaneStatistics
  ) {
    self.volume = volume
    image = volume.image
    isNothing = image.isNothing
    limiter = volume.limiter
    self.helpers = helpers
    self.mailbox = mailbox
    self.statistics = statistics
    hasRing = ring != nil
    self.ring = ring
  }

  /// What a lane's ring may do. The image is the only registered file.
  static func ringPlan(_ image: Image, _ pinned: PinnedMemory) -> RingPlan {
    var plan = RingPlan(
      capacity: ringCapacity,
      operations: [.read, .write, .readVectored, .writeVectored, .sync, .poll, .endPoll])
    plan.completionCapacity = completionCapacity
    plan.files = [image.file]
    plan.isCooperative = true
    if pinned != .off { plan.memorySlotCount = memorySlotCount }
    return plan
  }

  /// The queue is about to run; nothing is in flight.
  mutating func prepare(_ queue: inout Virtqueue) {
    health = queue.memoryHealth
    if volume.options.pinnedMemory != .off, registered !== queue.memory { register(queue.memory) }
    let count = min(Int(queue.size), LaneCore.mostInFlight)
    guard slots.count < count || free.count == 0 else { return }
    slots = Table(count: count) { _ in Slot() }
    free = FreeList(count: count)
    waiting = WaitingLine(capacity: count)
    waitingRanges = WaitingLine(capacity: count)
    held = WaitingLine(capacity: count)
  }

  /// Answers what is done, begins what is new; returns how much there was of both.
  mutating func serve(_ queue: inout Virtqueue) throws(GuestFault) -> Int {
    var count = reap(&queue)
    if held.count > 0 { count += beginDue(&queue) }
    if lookAtDebt() {
      queue.flush()
      return count
    }
    // No host has a use for more at once, however long the queue is.
    while free.count == 0 {
      if held.count > 0 { return count + waitForRoom(&queue) }
      count += waitForAnswers(&queue)
    }
    var taken = 0
    while taken < LaneCore.mostTaken, free.count > 0 {
      guard try queue.pop(into: &spare) else { break }
      if taken == 0 { turnedAt = statistics.time }
      taken += 1
      take(&queue)
    }
    queue.flush()
    return count + taken
  }

  // MARK: Answering

  /// Answers the chain that is being looked at.
  mutating func answer(_ queue: inout Virtqueue, _ status: BlockStatus) {
    let writable = spare.writable
    LaneCore.setStatus(writable, status)
    queue.complete(spare, written: writable.byteCount)
  }

  /// Answers a request in flight and lets its slot go.
  mutating func finish(_ index: Int, _ status: BlockStatus, _ queue: inout Virtqueue) {
    let work = slots[index].work
    if work.bounce >= 0 { freeBounces.give(work.bounce) }
    if work.rangeList >= 0 { freeRangeLists.give(work.rangeList) }
    leaveGate(index)
    inFlight &-= 1
    if work.isWrite { writesInFlight &-= 1 }
    statistics.count(
      work.type, byteCount: work.byteCount, failed: status != .ok, from: slots[index].begunAt, to: turnedAt)
    let writable = slots[index].chain.writable
    // What the used length covers has been written, also when the image could not be read.
    if work.type == .read, status != .ok { writable.zero(from: 0, count: work.byteCount) }
    LaneCore.setStatus(writable, status)
    // To the status, which is the last byte however much room there is before it: the dirty log goes by this length.
    queue.complete(slots[index].chain, written: work.type == .read ? work.byteCount + 1 : writable.byteCount)
    free.give(index)
    if waiting.count | waitingRanges.count != 0, !isBeginning { beginWaiting(&queue) }
  }

  /// As `finish`, for what the host refused.
  mutating func fail(_ index: Int, _ error: Errno, _ queue: inout Virtqueue) {
    let type = slots[index].work.type
    volume.report(type.nameInReports, error)
    let isMissing = type.carriesRanges && (error == .notSupported || error == .notImplemented)
    finish(index, isMissing ? .unsupported : .ioError, &queue)
  }

  /// The last writable byte (VIRTIO 1.3 section 5.2.6).
  @inline(__always)
  static func setStatus(_ writable: Segments, _ status: BlockStatus) {
    let last = writable[writable.count - 1]
    last.store(status.rawValue, at: last.count - 1)
  }
}

extension BlockRequestType {
  /// "A write of the image ... failed".
  var nameInReports: String {
    switch self {
    case .read: "a read"
    case .write: "a write"
    case .flush: "a flush"
    case .getID: "a question for the serial number"
    case .discard: "a discard"
    case .writeZeroes: "a zeroing"
    case .secureErase: "an erasing"
    }
  }
}
