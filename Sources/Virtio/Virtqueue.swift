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

/// Where a ring lies: each area mapped and at least as large as the ring needs. Of a packed ring `available` is the
/// driver's area and `used` the device's.
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
  /// Number of descriptors: up to 32768, and a power of two if the ring is split.
  public var size: UInt16
  public var rings: RingAreas
  public var memory: GuestMemory
  /// What the driver accepted; RING_PACKED decides what kind of ring this is.
  public var features: VirtioFeatures
  /// Where to go on, as SET_VRING_BASE says it: the available index, or a `PackedBase`.
  public var base: UInt32
  public var notifier: any QueueNotifier
  public var inflight: InflightRegion?
  public var packedInflight: PackedInflightRegion?
  public var dirtyLog: DirtyLog?
  /// Guest address of the used ring for the dirty log (vhost_vring_addr.log_guest_addr); nil if it is not logged.
  public var loggedUsedAddress: UInt64?

  public init(
    size: UInt16, rings: RingAreas, memory: GuestMemory, features: VirtioFeatures, base: UInt32,
    notifier: any QueueNotifier, inflight: consuming InflightRegion? = nil,
    packedInflight: consuming PackedInflightRegion? = nil, dirtyLog: DirtyLog? = nil, loggedUsedAddress: UInt64? = nil
  ) {
    self.size = size
    self.rings = rings
    self.memory = memory
    self.features = features
    self.base = base
    self.notifier = notifier
    self.inflight = inflight
    self.packedInflight = packedInflight
    self.dirtyLog = dirtyLog
    self.loggedUsedAddress = loggedUsedAddress
  }
}

/// A running queue. Not Sendable: it is made on its owner thread and stays there.
///
/// Both kinds of ring stand side by side and one of them idles: one branch per call, foretold by the processor, and
/// each path as straight as if there were no other. An enum of the two would be moved in and out of at every call.
public struct Virtqueue: ~Copyable {
  let isPacked: Bool
  @usableFromInline var ring: SplitQueue
  var packed: PackedQueue
  private var inflight: InflightRegion?
  var packedInflight: PackedInflightRegion?
  /// Chains that a predecessor left in flight: taken before the ring's own, oldest first.
  var resubmit: [LeftChain] = []
  /// `resubmit` is not empty: spares a running queue the look at an array.
  var hasResubmits = false
  /// Those of them that were taken.
  var retakenCount: UInt16 = 0
  let notifier: any QueueNotifier
  /// Keeps `dirtyPages` alive; never touched per chain.
  private let dirtyLog: DirtyLog?
  let dirtyPages: DirtyPages?
  let loggedUsedAddress: UInt64?
  /// There is an inflight region or a dirty log, or both.
  let isLogged: Bool
  /// Split and not logged: completing a chain is a used element and nothing else.
  @usableFromInline let isPlain: Bool
  /// Completions that are shown with one store; see `complete`.
  @usableFromInline let groupSize: UInt16
  let batchLimit: UInt16

  /// The most completions before the driver is interrupted, if it asked for that.
  public static let defaultBatchLimit: UInt16 = 16
  /// Completions that are shown together: few, so that a driver that looks at the ring goes on while the rest of a
  /// batch is being worked at, and more than one, because the index moves between two processors with each store.
  private static let mostTogether: UInt16 = 4

  /// Throws `badRing` if an area does not fit the ring's size or is misaligned.
  public init(
    _ configuration: consuming VirtqueueConfiguration, batchLimit: UInt16 = defaultBatchLimit
  ) throws(GuestFault) {
    let isPacked = configuration.features.contains(.ringPacked)
    let split = isPacked ? SplitQueue(idleBeside: configuration) : try SplitQueue(configuration)
    let packed = isPacked ? try PackedQueue(configuration) : PackedQueue(idleBeside: configuration)
    self.isPacked = isPacked
    ring = split
    self.packed = packed
    size = configuration.size
    notifier = configuration.notifier
    dirtyLog = configuration.dirtyLog
    dirtyPages = dirtyLog?.pages
    loggedUsedAddress = configuration.loggedUsedAddress
    self.batchLimit = batchLimit
    groupSize = min(batchLimit, Virtqueue.mostTogether)
    inflight = configuration.inflight.take()
    packedInflight = configuration.packedInflight.take()
    isLogged = (isPacked ? packedInflight != nil : inflight != nil) || dirtyPages != nil
    isPlain = !isPacked && !isLogged
    if isPacked {
      recoverPacked()
    } else if let heads = inflight?.recover(usedIndex: ring.nextUsed), !heads.isEmpty {
      // Reversed, so that taking the next one is popLast.
      resubmit = heads.filter { $0 < ring.size }.reversed().map { LeftChain(entry: $0, ringEntries: 0) }
      hasResubmits = !resubmit.isEmpty
    }
  }

  /// Number of descriptors.
  public let size: UInt16

  /// The memory in which the queue's chains lie: for a device whose requests name guest addresses themselves. Another
  /// one when the queue is started again; whoever keeps addresses translates them anew then.
  public var memory: GuestMemory { ring.memory }

  /// Some of the memory is gone: what a device has copied out of a chain until now may be zeroes that the driver never
  /// wrote, and must not be acted upon (contrib/decisions/0032). Costs a load.
  public var memoryIsLost: Bool { ring.memoryIsLost }

  /// The same for whoever works on a chain in another thread.
  public var memoryHealth: MemoryHealth { ring.memory.health }

  /// Chains taken so far, modulo 65536: for counting what lies between two looks.
  public var takenCount: UInt16 { (isPacked ? packed.takenCount : ring.nextAvailable) &+ retakenCount }

  /// Where the next run goes on: what GET_VRING_BASE answers once the queue is drained.
  public var base: UInt32 { isPacked ? packed.base.rawValue : UInt32(ring.nextAvailable) }

  /// The base at which a chain lies that could not be read: the next run takes it again.
  public var baseOfFailedChain: UInt32 { isPacked ? base : UInt32(ring.nextAvailable &- 1) }

  /// True if there is a chain to take.
  @inline(__always)
  public var hasWork: Bool { (isPacked ? packed.hasWork : ring.hasWork) || hasResubmits }

  /// The same for whoever looks again and again. Mutating for the reason that `SplitQueue.read` gives.
  public mutating func seesWork() -> Bool { (isPacked ? packed.hasWork : ring.hasWork) || hasResubmits }

  /// Chains that a predecessor left in flight and that were not taken yet.
  public var leftCount: Int { resubmit.count }

  /// About how many chains there are to take.
  public var waitingCount: Int { isPacked ? packed.waitingCount : Int(ring.waitingCount) }

  /// Takes the next chain; false if there is none.
  public mutating func pop(into chain: inout Chain) throws(GuestFault) -> Bool {
    if ring.seenIsTaken {
      // An idle split ring looks empty, so that the question costs a running one nothing.
      if isPacked { return try popPacked(into: &chain) }
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
    guard let left = resubmit.popLast() else { return false }
    hasResubmits = !resubmit.isEmpty
    retakenCount &+= 1
    try ring.read(left.entry, into: &chain)
    if ring.memoryIsLost { throw .memoryLost }
    return true
  }

  /// Gives a chain back. A driver that looks sees it when there are a few of them, one that sleeps is interrupted for a
  /// batch; `flush` does both at once.
  /// - Parameter written: bytes written from the start of the chain's writable part.
  @inlinable @inline(__always)
  public mutating func complete(_ chain: borrowing Chain, written: Int) {
    if !isPlain { return completeOtherwise(chain, written: written) }
    ring.put(chain.head, written: UInt32(clamping: written))
    if ring.unpublished >= groupSize { show() }
  }

  @usableFromInline
  mutating func show() {
    publish()
    if ring.undecided >= batchLimit { flush() }
  }

  /// Shows the completed chains to the driver and interrupts it if it asked for that.
  public mutating func flush() {
    if isPacked { return flushPacked() }
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
    (isPacked ? packed.armKicks() : ring.armKicks()) || hasResubmits
  }

  /// Asks the driver not to kick for now.
  public func suppressKicks() {
    if isPacked { packed.suppressKicks() } else { ring.suppressKicks() }
  }

  @usableFromInline @inline(never)
  mutating func completeOtherwise(_ chain: borrowing Chain, written: Int) {
    if isPacked { return completePacked(chain, written: written) }
    ring.put(chain.head, written: UInt32(clamping: written))
    log(chain, written: written)
    if ring.unpublished >= groupSize { show() }
  }

  /// What a successor and a migration need to know of a chain that was put, before it is published. Mutating for the
  /// reason that `SplitQueue.read` gives.
  private mutating func log(_ chain: borrowing Chain, written: Int) {
    inflight?.link(chain.head)
    guard let dirtyPages else { return }
    if let loggedUsedAddress {
      dirtyPages.mark(guestAddress: loggedUsedAddress &+ UInt64(ring.lastUsedElementOffset), byteCount: 8)
    }
    markBuffers(of: chain, written: written, in: dirtyPages)
  }

  /// Marks what the device wrote into a chain's buffers. Mutating for the reason that `SplitQueue.read` gives.
  mutating func markBuffers(of chain: borrowing Chain, written: Int, in dirtyPages: DirtyPages) {
    let regions = isPacked ? packed.regions : ring.regions
    var left = written
    let segments = chain.writable
    var index = 0
    while index < segments.count, left > 0 {
      let segment = segments[index].prefix(left)
      if let address = regions.guestAddress(of: segment) {
        dirtyPages.mark(guestAddress: address, byteCount: segment.count)
      }
      left -= segment.count
      index += 1
    }
  }
}
