// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// THE drain loop: one thread per running queue. The queue is a local variable of the thread's function and lent to the
// device call by call (contrib/decisions/0002). The control thread only asks it to stop and waits; nothing else is
// shared while it runs, so nothing is locked between kick and call.

internal import Linux
internal import Synchronization
internal import VhostUserProtocol
internal import Virtio
internal import VirtioProtocol
internal import Wire

/// How the driver's kicks arrive.
enum KickSource: Sendable {
  case event(SharedDescriptor)
  /// No descriptor (bit 8 of SET_VRING_KICK): the ring is looked at again and again.
  case polling
  /// VRING_KICK messages on the main connection.
  case messages
}

/// All that a queue's thread starts from; immutable.
struct QueuePlan: Sendable {
  var index: Int
  var size: UInt16
  var addresses: VringAddress
  var memory: GuestMemory
  var features: VirtioFeatures
  /// As SET_VRING_BASE says it.
  var base: UInt32
  var kick: KickSource
  var notifier: CallNotifier
  var inflight: InflightLog?
  var dirtyLog: DirtyLog?
  var spinMicroseconds: Int

  /// Where the queue goes on: what the inflight area knows counts more than what anybody remembers.
  var firstBase: UInt32 {
    // Of a packed ring the queue itself finds out, as soon as it has the ring.
    guard !isPacked, let inflight, let used = rings?.used.load(UInt16.self, at: SplitRingLayout.usedIndexOffset) else {
      return base
    }
    return inflight.resumeIndex(index, ringSize: size, usedIndex: used).map { UInt32($0) } ?? base
  }

  private var isPacked: Bool { features.contains(.ringPacked) }

  /// For who keeps the plan longer than the queue keeps its first memory.
  var withoutMemory: QueuePlan {
    guard let nothing = GuestMemory([]) else { preconditionFailure("an empty table has no overlap") }
    var plan = self
    plan.memory = nothing
    return plan
  }

  /// Somebody may have answered something through the ring before. The index alone does not tell, because it wraps.
  var mayHaveServed: Bool {
    if inflight != nil { return true }
    // Of a packed ring only the frontend knows: where the driver's side goes on.
    if isPacked { return base & 0x7fff != 0 }
    return rings?.used.load(UInt16.self, at: SplitRingLayout.usedIndexOffset) ?? 0 != 0
  }

  /// The ring's areas in mapped memory; nil if they do not lie in it. The driver sizes them for its EVENT_IDX.
  var rings: RingAreas? {
    let count = Int(size)
    let event = features.contains(.eventIndex)
    // Both kinds have descriptors of 16 bytes; beside them a packed ring has two small areas.
    let available = isPacked ? PackedRingLayout.eventSize : SplitRingLayout.availSize(count, eventIndex: event)
    let used = isPacked ? PackedRingLayout.eventSize : SplitRingLayout.usedSize(count, eventIndex: event)
    guard
      let descriptors = memory.ring(
        userAddress: addresses.descriptor, byteCount: SplitRingLayout.descriptorTableSize(count)),
      let available = memory.ring(userAddress: addresses.available, byteCount: available),
      let used = memory.ring(userAddress: addresses.used, byteCount: used)
    else { return nil }
    return RingAreas(descriptors: descriptors, available: available, used: used)
  }

  func makeQueue() throws(GuestFault) -> Virtqueue {
    guard let rings else { throw .badRing }
    return try Virtqueue(
      VirtqueueConfiguration(
        size: size, rings: rings, memory: memory, features: features, base: firstBase,
        notifier: notifier, inflight: inflight?.region(index, ringSize: size),
        packedInflight: inflight?.packedRegion(index, ringSize: size), dirtyLog: dirtyLog,
        loggedUsedAddress: addresses.flags.contains(.log) ? addresses.log : nil))
  }
}

/// One run of one queue, from start to stop; made anew for every run.
final class QueueRunner: Sendable {
  private let plan: QueuePlan
  private let device: any Device
  private let host: any DeviceHost
  private let counters: QueueCounters
  private let onTakeOver: @Sendable (Int) -> Void
  private let onFault: @Sendable (GuestFault) -> Void
  private let control: Event
  /// What the control thread wants: see `Wish`. One load per batch.
  private let wishes = Atomic<UInt8>(0)
  /// What the queue is to run on next; the thread alone has what it runs on, so that it can let go of it.
  private let newMemory: Mutex<GuestMemory?>
  // Written by the thread before it ends, read after it was joined.
  private let finalBase: Atomic<UInt32>
  private let fault = Atomic<Bool>(false)

  private enum Wish {
    static let stop: UInt8 = 1
    static let takeMemory: UInt8 = 2
  }

  /// Nanoseconds between two looks at a ring without kicks: while it is busy, and when it has been quiet.
  private static let briskPollNanoseconds: Int64 = 50_000
  private static let calmPollNanoseconds: Int64 = 1_000_000
  /// How long a spinning thread keeps its processor to itself, at first and between two offers to others.
  private static let selfishNanoseconds: Int64 = 4_000
  /// A yield that takes longer has let another thread run.
  private static let yieldNanoseconds: Int64 = 2_000

  /// - Parameters:
  ///   - onTakeOver: is told how many chains of a predecessor are done again.
  ///   - onFault: is told why the queue stopped. Both run on the queue's thread.
  init(
    _ plan: QueuePlan, device: any Device, host: any DeviceHost, counters: QueueCounters,
    onTakeOver: @escaping @Sendable (Int) -> Void, onFault: @escaping @Sendable (GuestFault) -> Void
  ) throws(Errno) {
    newMemory = Mutex(plan.memory)
    self.plan = plan.withoutMemory
    self.device = device
    self.host = host
    self.counters = counters
    self.onTakeOver = onTakeOver
    self.onFault = onFault
    control = try Event()
    finalBase = Atomic(plan.base)
  }

  // MARK: Control thread

  /// Starts the thread; the caller joins it after `requestStop`.
  func start(name: String) throws(Errno) -> Thread {
    try Thread(name: name) { self.run() }
  }

  func requestStop() {
    wishes.bitwiseOr(Wish.stop, ordering: .releasing)
    control.signal()
  }

  /// Gives the queue another memory table without waiting for it: the frontend may be waiting for our answer before it
  /// answers a request that this very queue has made (QEMU's ADD_MEM_REG for a window that a device mapped). The old
  /// table's mappings stay valid until the thread lets go of them.
  func adopt(_ memory: GuestMemory) {
    newMemory.withLock { $0 = memory }
    wishes.bitwiseOr(Wish.takeMemory, ordering: .releasing)
    control.signal()
  }

  /// A kick that came as a message.
  func kick() {
    control.signal()
  }

  /// After the join: where the next run goes on, and whether the driver's fault ended this one.
  var outcome: (base: UInt32, faulted: Bool) {
    (finalBase.load(ordering: .acquiring), fault.load(ordering: .acquiring))
  }

  // MARK: Owner thread

  private func run() {
    var plan = plan
    if let memory = takeMemory() { plan.memory = memory }
    // Whoever served the ring before may have gone between showing its last chains and calling, or have called a
    // frontend that no longer listened. For the driver a call too many is nothing, and one too few the end.
    if plan.mayHaveServed { plan.notifier.call() }
    do throws(GuestFault) {
      while try runOnce(&plan) {}
    } catch {
      report(error)
    }
    finalBase.store(plan.base, ordering: .releasing)
  }

  /// Runs the queue until it is stopped (false) or has to be made anew with another memory table (true).
  private func runOnce(_ plan: inout QueuePlan) throws(GuestFault) -> Bool {
    var queue = try makeQueue(plan)
    if queue.leftCount > 0 { onTakeOver(queue.leftCount) }
    device.start(&queue, at: plan.index, host: host)
    var fault: GuestFault?
    do {
      try drain(&queue)
    } catch {
      fault = error
    }
    device.stop(&queue, at: plan.index)
    queue.flush()
    plan.base = queue.base
    let memory = takeMemory()
    if let memory { plan.memory = memory }
    switch fault {
    case nil:
      // Not by whether there was memory: a wish may come again after its memory was taken with an earlier one.
      return wishes.load(ordering: .acquiring) & Wish.stop == 0
    case .addressOutsideMemory where memory != nil:
      // The driver used memory that was added while we looked at the old table: that chain is taken again.
      plan.base = queue.baseOfFailedChain
      return true
    case .some(let fault):
      throw fault
    }
  }

  private func makeQueue(_ plan: QueuePlan) throws(GuestFault) -> Virtqueue {
    do throws(GuestFault) {
      return try plan.makeQueue()
    } catch {
      // The frontend took the ring's own memory away: the device must not keep it until the next run.
      device.forgetMemory(at: plan.index)
      throw error
    }
  }

  private func takeMemory() -> GuestMemory? {
    wishes.bitwiseAnd(~Wish.takeMemory, ordering: .acquiring)
    return newMemory.withLock { $0.take() }
  }

  private func report(_ error: GuestFault) {
    fault.store(true, ordering: .releasing)
    counters.faults.add(1, ordering: .relaxed)
    onFault(error)
  }

  /// Serves until the control thread wants something. The ring is looked at before the first sleep: a kick may have
  /// come while no thread was there.
  private func drain(_ queue: inout Virtqueue) throws(GuestFault) {
    // What pays while waiting for the driver says nothing about waiting for the host.
    var idle = StayAwake(maximumMicroseconds: plan.spinMicroseconds)
    var busy = idle
    var waiter = KickWaiter(plan.kick, control: control.file, counters: counters)
    let patience = device.patienceNanoseconds(at: plan.index)
    queue.suppressKicks()
    while true {
      guard let worked = try serve(&queue) else { return }
      if worked, patience > 0 {
        // The driver was not asked to kick, so what it adds meanwhile waits for the next look.
        if !Poll.wait(control.file, nil, timeoutNanoseconds: patience).first.isEmpty { control.drain() }
        continue
      }
      let idleSince = Clock.monotonic
      let completion = device.completionDescriptor(at: plan.index).map { File(raw: $0) }
      if worked, completion == nil {
        if spin(&queue, since: idleSince, for: idle.windowNanoseconds, &idle) {
          idle.learn(idleNanoseconds: Clock.monotonic - idleSince)
          continue
        }
      } else if worked {
        let limit = min(busy.windowNanoseconds, device.lookNanoseconds(at: plan.index))
        if spin(&queue, since: idleSince, for: limit, &busy, orCompletion: true) {
          busy.learn(idleNanoseconds: Clock.monotonic - idleSince)
          continue
        }
      }
      if device.wantsChains(at: plan.index), queue.armKicks() {
        queue.suppressKicks()
        continue
      }
      waiter.wait(brisk: worked, or: completion, device, at: plan.index)
      queue.suppressKicks()
      let slept = Clock.monotonic - idleSince
      if completion == nil { idle.learn(idleNanoseconds: slept) } else { busy.learn(idleNanoseconds: slept) }
    }
  }

  /// Serves until the ring is empty; true if there was anything to do, nil if the control thread wants something.
  private func serve(_ queue: inout Virtqueue) throws(GuestFault) -> Bool? {
    var worked = false
    repeat {
      if wishes.load(ordering: .acquiring) != 0 { return nil }
      let before = queue.takenCount
      let served = try device.process(&queue, at: plan.index)
      if served == 0 { break }
      worked = true
      // A device with requests in flight also serves what it took earlier.
      counters.chains.add(Int(queue.takenCount &- before), ordering: .relaxed)
    } while queue.seesWork()
    return worked
  }

  /// Looks at the ring for a while; true if there is work. After the first moments, in which a driver that runs
  /// answers, it lets others run between two looks: on a busy host the driver may wait for this very processor. If it
  /// did, the two go on handing the processor to each other, which costs less than a sleep and a kick. Where somebody
  /// else ran, sleeping is the better way to wait.
  /// - Parameter orCompletion: also looks at the device's requests in flight.
  private func spin(
    _ queue: inout Virtqueue, since start: Int64, for window: Int64, _ awake: inout StayAwake,
    orCompletion: Bool = false
  ) -> Bool {
    if window <= 0 { return false }
    var turns = awake.sharesProcessor ? 15 : 0
    var offered = awake.sharesProcessor ? start - QueueRunner.selfishNanoseconds : start
    while true {
      if hasWork(&queue, orCompletion) { return true }
      Processors.spinPause()
      turns &+= 1
      if turns & 15 != 0 { continue }
      if wishes.load(ordering: .relaxed) != 0 { return false }
      let now = Clock.monotonic
      if now - start > window { return false }
      if now - offered < QueueRunner.selfishNanoseconds { continue }
      Processors.yield()
      offered = Clock.monotonic
      awake.sharesProcessor = offered - now > QueueRunner.yieldNanoseconds
      if awake.sharesProcessor, !hasWork(&queue, orCompletion) {
        awake.backOff()
        return false
      }
    }
  }

  @inline(__always)
  private func hasWork(_ queue: inout Virtqueue, _ orCompletion: Bool) -> Bool {
    queue.seesWork() || (orCompletion && device.hasCompletions(at: plan.index))
  }

  /// Sleeping until the driver kicks or the control thread wants something.
  private struct KickWaiter {
    /// Keeps `kick` open.
    private let owner: SharedDescriptor?
    private let kick: File?
    private let polls: Bool
    private let control: File
    private let counters: QueueCounters
    /// Wake-ups in a row that brought nothing: the descriptor is no eventfd, or its other end is gone.
    private var duds = 0
    private static let mostDuds = 16

    init(_ source: KickSource, control: File, counters: QueueCounters) {
      switch source {
      case .event(let descriptor): (owner, kick, polls) = (descriptor, descriptor.file, false)
      case .polling: (owner, kick, polls) = (nil, nil, true)
      case .messages: (owner, kick, polls) = (nil, nil, false)
      }
      self.control = control
      self.counters = counters
    }

    /// - Parameter completion: also wakes up when this is readable.
    mutating func wait(brisk: Bool, or completion: File?, _ device: any Device, at index: Int) {
      let isDead = duds >= KickWaiter.mostDuds
      if let kick, !isDead,
        let woken = device.sleep(until: QueueAlarm(kick: kick.raw, control: control.raw), at: index)
      {
        if woken.contains(.kick) { counters.kicks.add(1, ordering: .relaxed) }
        if woken.contains(.control) { control.drainEvent() }
        return
      }
      // What was begun must be on its way before anybody sleeps.
      if completion != nil, device.hasCompletions(at: index) { return }
      let nap = brisk ? QueueRunner.briskPollNanoseconds : QueueRunner.calmPollNanoseconds
      var timeout = polls || isDead ? nap : -1
      if completion != nil, let longest = device.longestSleepNanoseconds(at: index) {
        timeout = timeout < 0 ? longest : min(timeout, longest)
      }
      let ready =
        completion.map { Poll.wait(isDead ? nil : kick, control, $0, timeoutNanoseconds: timeout) }
        ?? Poll.wait(isDead ? nil : kick, control, timeoutNanoseconds: timeout)
      if !ready.second.isEmpty { control.drainEvent() }
      guard let kick, !ready.first.isEmpty else { return }
      if ready.first.contains(.input), kick.drainEvent() > 0 {
        counters.kicks.add(1, ordering: .relaxed)
        duds = 0
      } else {
        duds += 1
      }
    }
  }
}
