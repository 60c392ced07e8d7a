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
  var nextAvailable: UInt16
  var kick: KickSource
  var notifier: CallNotifier
  var inflight: InflightLog?
  var dirtyLog: DirtyLog?
  var spinMicroseconds: Int

  /// The ring's areas in mapped memory; nil if they do not lie in it. The driver sizes them for its EVENT_IDX.
  var rings: RingAreas? {
    let count = Int(size)
    let event = features.contains(.eventIndex)
    guard
      let descriptors = memory.ring(
        userAddress: addresses.descriptor, byteCount: SplitRingLayout.descriptorTableSize(count)),
      let available = memory.ring(
        userAddress: addresses.available, byteCount: SplitRingLayout.availSize(count, eventIndex: event)),
      let used = memory.ring(
        userAddress: addresses.used, byteCount: SplitRingLayout.usedSize(count, eventIndex: event))
    else { return nil }
    return RingAreas(descriptors: descriptors, available: available, used: used)
  }

  func makeQueue() throws(GuestFault) -> Virtqueue {
    guard let rings else { throw .badRing }
    return try Virtqueue(
      VirtqueueConfiguration(
        size: size, rings: rings, memory: memory, features: features, nextAvailable: nextAvailable,
        notifier: notifier, inflight: inflight?.region(index, ringSize: size), dirtyLog: dirtyLog,
        loggedUsedAddress: addresses.flags.contains(.log) ? addresses.log : nil))
  }
}

/// One run of one queue, from start to stop; made anew for every run.
final class QueueRunner: Sendable {
  private let plan: QueuePlan
  private let device: any Device
  private let host: any DeviceHost
  private let counters: QueueCounters
  private let onFault: @Sendable (GuestFault) -> Void
  private let control: Event
  private let stopping = Atomic<Bool>(false)
  // Written by the thread before it ends, read after it was joined.
  private let finalAvailable: Atomic<UInt16>
  private let fault = Atomic<Bool>(false)

  /// Nanoseconds between two looks at a ring without kicks: while it is busy, and when it has been quiet.
  private static let briskPollNanoseconds: Int64 = 50_000
  private static let calmPollNanoseconds: Int64 = 1_000_000

  init(
    _ plan: QueuePlan, device: any Device, host: any DeviceHost, counters: QueueCounters,
    onFault: @escaping @Sendable (GuestFault) -> Void
  ) throws(Errno) {
    self.plan = plan
    self.device = device
    self.host = host
    self.counters = counters
    self.onFault = onFault
    control = try Event()
    finalAvailable = Atomic(plan.nextAvailable)
  }

  // MARK: Control thread

  /// Starts the thread; the caller joins it after `requestStop`.
  func start(name: String) throws(Errno) -> Thread {
    try Thread(name: name) { self.run() }
  }

  func requestStop() {
    stopping.store(true, ordering: .releasing)
    control.signal()
  }

  /// A kick that came as a message.
  func kick() {
    control.signal()
  }

  /// After the join: where the next run goes on, and whether the driver's fault ended this one.
  var outcome: (nextAvailable: UInt16, faulted: Bool) {
    (finalAvailable.load(ordering: .acquiring), fault.load(ordering: .acquiring))
  }

  // MARK: Owner thread

  private func run() {
    do {
      var queue = try plan.makeQueue()
      device.start(&queue, at: plan.index, host: host)
      do {
        try drain(&queue)
      } catch {
        report(error)
      }
      device.stop(&queue, at: plan.index)
      queue.flush()
      finalAvailable.store(queue.nextAvailable, ordering: .releasing)
    } catch {
      report(error)
    }
  }

  private func report(_ error: GuestFault) {
    fault.store(true, ordering: .releasing)
    counters.faults.add(1, ordering: .relaxed)
    onFault(error)
  }

  /// Serves until asked to stop. The ring is looked at before the first sleep: a kick may have come while no thread
  /// was there.
  private func drain(_ queue: inout Virtqueue) throws(GuestFault) {
    var awake = StayAwake(maximumMicroseconds: plan.spinMicroseconds)
    var waiter = KickWaiter(plan.kick, control: control.file, counters: counters)
    queue.suppressKicks()
    while true {
      var worked = false
      repeat {
        if stopping.load(ordering: .acquiring) { return }
        let served = try device.process(&queue, at: plan.index)
        if served == 0 { break }
        worked = true
        counters.chains.add(served, ordering: .relaxed)
      } while queue.hasWork
      let idleSince = Clock.monotonic
      if worked, awake.windowNanoseconds > 0, spin(&queue, since: idleSince, awake.windowNanoseconds) {
        awake.learn(idleNanoseconds: Clock.monotonic - idleSince)
        continue
      }
      if queue.armKicks() {
        queue.suppressKicks()
        continue
      }
      waiter.wait(brisk: worked)
      queue.suppressKicks()
      awake.learn(idleNanoseconds: Clock.monotonic - idleSince)
    }
  }

  /// Looks at the ring for a while; true if there is work.
  private func spin(_ queue: inout Virtqueue, since start: Int64, _ window: Int64) -> Bool {
    var turns = 0
    while true {
      if queue.hasWork { return true }
      Processors.spinPause()
      turns &+= 1
      if turns & 15 != 0 { continue }
      if stopping.load(ordering: .relaxed) { return false }
      if Clock.monotonic - start > window { return false }
    }
  }

  /// Sleeping until the driver kicks or the control thread wants something.
  private struct KickWaiter {
    private let kick: SharedDescriptor?
    private let polls: Bool
    private let control: File
    private let counters: QueueCounters
    /// Wake-ups in a row that brought nothing: the descriptor is no eventfd, or its other end is gone.
    private var duds = 0

    init(_ source: KickSource, control: File, counters: QueueCounters) {
      switch source {
      case .event(let descriptor): (kick, polls) = (descriptor, false)
      case .polling: (kick, polls) = (nil, true)
      case .messages: (kick, polls) = (nil, false)
      }
      self.control = control
      self.counters = counters
    }

    mutating func wait(brisk: Bool) {
      let usable = duds < 16 ? kick : nil
      let nap = brisk ? QueueRunner.briskPollNanoseconds : QueueRunner.calmPollNanoseconds
      let looksAgain = polls || (kick != nil && usable == nil)
      let ready = Poll.wait(usable?.file, control, timeoutNanoseconds: looksAgain ? nap : -1)
      if !ready.second.isEmpty { control.drainEvent() }
      guard let usable, !ready.first.isEmpty else { return }
      if ready.first.contains(.input), usable.file.drainEvent() > 0 {
        counters.kicks.add(1, ordering: .relaxed)
        duds = 0
      } else {
        duds += 1
      }
    }
  }
}
