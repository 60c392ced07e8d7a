// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The main thread of a mount: it starts the threads that carry requests, watches over them, the backend and the
// signals, and sees to it that nothing is left mounted, whoever ends it. Carrying is QueueWorker's; ending is in
// MountServer+End.swift.

internal import Frontend
internal import Linux

final class MountServer {
  let backend: Backend
  let driver: VhostUserDriver
  let session: FuseSession
  let point: MountPoint
  /// The kernel's number of our mount.
  let number: UInt64?
  let signals: SignalDescriptor
  let state: MountState
  let highPriority: HighPriorityLane
  /// INIT has been answered: the mount can be used.
  private(set) var isReady = false
  private var threads: [JoinableThread] = []

  /// Why the mount ends.
  enum Cause {
    case unmounted
    case asked
    case failed(String)
  }

  /// Takes over a running device and a fresh mount.
  init(
    _ backend: Backend, _ driver: VhostUserDriver, _ session: FuseSession, _ point: MountPoint,
    _ signals: SignalDescriptor, _ lanes: MountLanes, forwardsInterrupts: Bool
  ) throws(Errno) {
    self.backend = backend
    self.driver = driver
    self.session = session
    self.point = point
    self.signals = signals
    number = point.newestMount()
    state = try MountState()
    highPriority = HighPriorityLane(lanes.highPriority)
    for lane in lanes.requests {
      let worker = try QueueWorker(
        session.device, lane, highPriority, state, forwardsInterrupts: forwardsInterrupts)
      threads.append(try JoinableThread("queue-\(lane.queue.index)") { worker.run() })
    }
  }

  /// Serves until the end; throws if it was not a good one.
  func run(source: String) throws(HumanError) {
    let manager = ServiceManager.notificationSocket()
    let cause = watch {
      say("\(source) is mounted on \(point.path)")
      try? manager?.send("READY=1\nSTATUS=\(source) is mounted on \(point.path)")
    }
    try? manager?.send("STOPPING=1")
    try end(cause)
  }

  private func watch(_ ready: () -> Void) -> Cause {
    let deadline = Clock.monotonic + Int64(backend.timeoutSeconds) * 1_000_000_000
    while true {
      if let cause = causeOfEnd() { return cause }
      if !isReady, let answer = state.answer {
        if let cause = judge(answer) { return cause }
        isReady = true
        ready()
      }
      let left = isReady ? -1 : deadline - Clock.monotonic
      if !isReady, left <= 0 { return .failed(backend.sentence(.timedOut)) }
      let found = Poll.wait(
        [
          signals.file, driver.connection.socket.file, highPriority.callEvent, highPriority.errorEvent,
          state.news.file,
        ], timeoutNanoseconds: left)
      if found[4].contains(.input) { state.news.drain() }
      if found[0].contains(.input), (try? signals.next()) != nil { return .asked }
      if !found[1].isEmpty, isBackendGone() {
        return .failed("the backend at '\(backend.socket)' is gone; see its log for the reason")
      }
      if found[3].contains(.input) { return .failed(backend.sentence(.deviceFault("it gave up queue 0"))) }
      if found[2].contains(.input) {
        highPriority.callEvent.drainEvent()
        do throws(FrontendError) { try highPriority.proceed() } catch { return .failed(backend.sentence(error)) }
      }
    }
  }

  /// What the threads reported.
  func causeOfEnd() -> Cause? {
    switch state.end {
    case nil: nil
    case .unmounted: .unmounted
    case .aborted: .failed("somebody aborted its connection with the kernel")
    case .device(let error): .failed("/dev/fuse failed (\(error.message))")
    case .backend(let error): .failed(backend.sentence(error))
    }
  }

  private func judge(_ answer: InitFilter.Answer) -> Cause? {
    switch answer {
    case .agreed: nil
    case .refused(let error):
      .failed("the backend at '\(backend.socket)' refused to open the share (\(error.message)); see its log")
    case .nonsense(let reason):
      .failed("the backend at '\(backend.socket)' is no file system: its answer to INIT makes no sense (\(reason))")
    }
  }

  /// The backend says nothing on this socket unasked: what it sends is dropped, a hang-up is its end.
  func isBackendGone() -> Bool {
    driver.connection.socket.discardInput() == 0
  }

  /// Ends the threads. Requests under way stay with the kernel, which fails them when the session ends.
  func joinThreads() {
    state.stop.signal()
    for thread in threads { thread.join() }
    threads = []
  }
}

/// What carries requests: the high-priority queue's slots, and those of each request queue.
struct MountLanes {
  let highPriority: FuseTransfer
  let requests: [FuseTransfer]

  /// Requests in flight, over all queues: 1 MiB of address space each, of which only what is used takes memory.
  private static let slotCount = 128
  private static let leastSlotsOfQueue = 32
  static let queueSize = 256

  private static func slots(_ queues: Int) -> Int { max(slotCount / max(queues, 1), leastSlotsOfQueue) }

  static func memoryByteCount(requestQueues: Int) -> Int {
    FuseTransfer.memoryByteCount(slotCount: HighPriorityLane.slotCount, queueSize: queueSize)
      + requestQueues * FuseTransfer.memoryByteCount(slotCount: slots(requestQueues), queueSize: queueSize)
  }

  init(_ queues: [DriverQueue]) throws(FrontendError) {
    let count = queues.count - 1
    highPriority = try FuseTransfer(queues[0], slotCount: HighPriorityLane.slotCount)
    requests = try queues.dropFirst().map { queue throws(FrontendError) in
      try FuseTransfer(queue, slotCount: MountLanes.slots(count))
    }
  }
}

/// A thread that can be kept in an array.
final class JoinableThread {
  private var thread: Thread?

  init(_ name: String, _ body: sending @escaping () -> Void) throws(Errno) {
    thread = try Thread(name: name, body)
  }

  func join() {
    if let thread = thread.take() { thread.join() }
  }
}
