// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a device sees of a queue: chains to take, chains to give back. The ring's layout, the inflight log, the dirty
// log and the interrupt stay behind it. Owned by exactly one thread; the type cannot be copied.

public import VirtioProtocol
public import Wire

/// Tells the driver that used buffers are there; the room that owns the call descriptor implements it.
public protocol QueueNotifier: AnyObject, Sendable {
  func call()
}

/// Where a ring lies: each area mapped and at least as large as the ring needs.
public struct RingAreas {
  public var descriptors: Segment
  public var available: Segment
  public var used: Segment

  public init(descriptors: Segment, available: Segment, used: Segment) {
    self.descriptors = descriptors
    self.available = available
    self.used = used
  }
}

/// All that a queue is built from.
public struct VirtqueueConfiguration: ~Copyable {
  /// Number of descriptors: a power of two up to 32768.
  public var size: UInt16
  public var rings: RingAreas
  public var memory: GuestMemory
  /// What the driver accepted.
  public var features: VirtioFeatures
  /// Available index to go on from.
  public var nextAvailable: UInt16
  public var notifier: any QueueNotifier
  public var inflight: InflightRegion?
  public var dirtyLog: DirtyLog?
  /// Guest address of the used ring for the dirty log (vhost_vring_addr.log_guest_addr); nil if it is not logged.
  public var loggedUsedAddress: UInt64?

  public init(
    size: UInt16, rings: RingAreas, memory: GuestMemory, features: VirtioFeatures, nextAvailable: UInt16,
    notifier: any QueueNotifier, inflight: consuming InflightRegion? = nil, dirtyLog: DirtyLog? = nil,
    loggedUsedAddress: UInt64? = nil
  ) {
    self.size = size
    self.rings = rings
    self.memory = memory
    self.features = features
    self.nextAvailable = nextAvailable
    self.notifier = notifier
    self.inflight = inflight
    self.dirtyLog = dirtyLog
    self.loggedUsedAddress = loggedUsedAddress
  }
}

/// A running queue. Not Sendable: it is made on its owner thread and stays there.
public struct Virtqueue: ~Copyable {
  @usableFromInline var ring: SplitQueue
  private var inflight: InflightRegion?
  /// Heads that a predecessor left in flight: taken before the ring's own, oldest first.
  private var resubmit: [UInt16] = []
  /// `resubmit` is not empty: spares a running queue the look at an array.
  private var hasResubmits = false
  private let notifier: any QueueNotifier
  /// Keeps `dirtyPages` alive; never touched per chain.
  private let dirtyLog: DirtyLog?
  private let dirtyPages: DirtyPages?
  private let loggedUsedAddress: UInt64?
  /// There is an inflight region or a dirty log, or both.
  @usableFromInline let isLogged: Bool
  /// Completions that are shown with one store; see `complete`.
  @usableFromInline let groupSize: UInt16
  private let batchLimit: UInt16

  /// The most completions before the driver is interrupted, if it asked for that.
  public static let defaultBatchLimit: UInt16 = 16
  /// Completions that are shown together: few, so that a driver that looks at the ring goes on while the rest of a
  /// batch is being worked at, and more than one, because the index moves between two processors with each store.
  private static let mostTogether: UInt16 = 4

  /// Throws `badRing` if an area does not fit the ring's size or is misaligned.
  public init(
    _ configuration: consuming VirtqueueConfiguration, batchLimit: UInt16 = defaultBatchLimit
  ) throws(GuestFault) {
    ring = try SplitQueue(configuration)
    notifier = configuration.notifier
    dirtyLog = configuration.dirtyLog
    dirtyPages = dirtyLog?.pages
    loggedUsedAddress = configuration.loggedUsedAddress
    self.batchLimit = batchLimit
    groupSize = min(batchLimit, Virtqueue.mostTogether)
    inflight = configuration.inflight.take()
    isLogged = inflight != nil || dirtyPages != nil
    if let heads = inflight?.recover(usedIndex: ring.nextUsed), !heads.isEmpty {
      // Reversed, so that taking the next one is popLast.
      resubmit = heads.filter { $0 < ring.size }.reversed()
      hasResubmits = !resubmit.isEmpty
    }
  }

  /// Number of descriptors.
  public var size: UInt16 { ring.size }

  /// The memory in which the queue's chains lie: for a device whose requests name guest addresses themselves. Another
  /// one when the queue is started again; whoever keeps addresses translates them anew then.
  public var memory: GuestMemory { ring.memory }

  /// Available index after the last chain taken: what GET_VRING_BASE answers once the queue is drained.
  public var nextAvailable: UInt16 { ring.nextAvailable }

  /// True if there is a chain to take.
  @inline(__always)
  public var hasWork: Bool { ring.hasWork || hasResubmits }

  /// About how many chains there are to take.
  public var waitingCount: Int { Int(ring.waitingCount) }

  /// Takes the next chain; false if there is none.
  public mutating func pop(into chain: inout Chain) throws(GuestFault) -> Bool {
    if ring.seenIsTaken {
      // The available index is first looked at when the predecessor's chains are through: they come before it.
      if hasResubmits { return try popResubmitted(into: &chain) }
      if !(try ring.look()) { return false }
    }
    let head = try ring.takeHead()
    try ring.read(head, into: &chain)
    if ring.memoryIsLost { throw .memoryLost }
    inflight?.begin(head)
    return true
  }

  /// Only in the first moments after a predecessor has crashed.
  @inline(never)
  private mutating func popResubmitted(into chain: inout Chain) throws(GuestFault) -> Bool {
    guard let head = resubmit.popLast() else { return false }
    hasResubmits = !resubmit.isEmpty
    try ring.read(head, into: &chain)
    if ring.memoryIsLost { throw .memoryLost }
    return true
  }

  /// Gives a chain back. A driver that looks sees it when there are a few of them, one that sleeps is interrupted for a
  /// batch; `flush` does both at once.
  /// - Parameter written: bytes written from the start of the chain's writable part.
  @inlinable @inline(__always)
  public mutating func complete(_ chain: borrowing Chain, written: Int) {
    ring.put(chain.head, written: UInt32(clamping: written))
    if isLogged { log(chain, written: written) }
    if ring.unpublished >= groupSize { show() }
  }

  @usableFromInline
  mutating func show() {
    publish()
    if ring.undecided >= batchLimit { flush() }
  }

  /// Shows the completed chains to the driver and interrupts it if it asked for that.
  public mutating func flush() {
    if ring.undecided == 0 { return }
    if ring.unpublished > 0 { publish() }
    if ring.shouldSignal() { notifier.call() }
  }

  private mutating func publish() {
    let count = ring.unpublished
    ring.publish()
    inflight?.finish(count: count, usedIndex: ring.nextUsed)
    if let dirtyPages, let loggedUsedAddress {
      dirtyPages.mark(
        guestAddress: loggedUsedAddress &+ UInt64(SplitRingLayout.usedIndexOffset), byteCount: 2)
    }
  }

  /// Asks the driver to kick when it adds a chain; true if one is there already.
  public mutating func armKicks() -> Bool {
    ring.armKicks() || hasResubmits
  }

  /// Asks the driver not to kick for now.
  public func suppressKicks() {
    ring.suppressKicks()
  }

  /// What a successor and a migration need to know of a chain that was put, before it is published. Mutating for the
  /// reason that `SplitQueue.read` gives.
  @usableFromInline @inline(never)
  mutating func log(_ chain: borrowing Chain, written: Int) {
    inflight?.link(chain.head)
    guard let dirtyPages else { return }
    if let loggedUsedAddress {
      dirtyPages.mark(guestAddress: loggedUsedAddress &+ UInt64(ring.lastUsedElementOffset), byteCount: 8)
    }
    var left = written
    let segments = chain.writable
    var index = 0
    while index < segments.count, left > 0 {
      let segment = segments[index].prefix(left)
      if let address = ring.regions.guestAddress(of: segment) {
        dirtyPages.mark(guestAddress: address, byteCount: segment.count)
      }
      left -= segment.count
      index += 1
    }
  }
}
