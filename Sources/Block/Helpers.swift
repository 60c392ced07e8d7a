// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Threads for what may take long: discarding, zeroing, writes of parts of blocks, and, where io_uring is forbidden, all
// reading, writing and flushing. A helper takes a job, does it by plain calls and posts the result to the lane that it
// came from. None is started before there is a job for it, and none after the seccomp filter needs anything new.

internal import Linux
internal import Synchronization
internal import Virtio
internal import Wire

final class Helpers: Sendable {
  private struct Work {
    var job: PlainJob
    var slot: Int
    var mailbox: Mailbox
    var health: MemoryHealth?

    func post(_ error: Errno?) {
      mailbox.post(slot, error)
    }
  }

  private struct State {
    var queue: [Work] = []
    /// Index of the first job in `queue`: taking one moves nothing.
    var first = 0
    var threads = 0
    var idle = 0
    var ending = false
    /// The fewest that were idle at once since `countedSince`: so many were not needed.
    var leastIdle = 0
    var countedSince: Int64 = 0
    /// Helpers that may still leave because they were not needed.
    var surplus = 0
  }

  private let volume: Volume
  private let most: Int
  private let state = Monitor(State())

  /// Whoever was not needed for so long ends.
  private static let patienceNanoseconds: Int64 = 5_000_000_000

  /// - Parameter most: threads at most.
  init(_ volume: Volume, most: Int) {
    self.volume = volume
    self.most = most
  }

  /// Hands a job over; its result comes to the mailbox with the slot's number.
  /// - Parameter health: of the memory that the job's chain lies in.
  func begin(_ job: PlainJob, slot: Int, for mailbox: Mailbox, _ health: MemoryHealth?) {
    let needsThread = state.withLock(waking: .one) { state in
      state.queue.append(Work(job: job, slot: slot, mailbox: mailbox, health: health))
      guard state.idle < state.queue.count - state.first, state.threads < most else { return false }
      state.threads += 1
      return true
    }
    if needsThread { startThread() }
  }

  private func startThread() {
    let (volume, state) = (self.volume, self.state)
    do {
      // Never joined: it ends when the helpers are let go, and touches nothing but what it holds.
      try Thread(name: "blk-helper") { Helpers.run(volume, state) }.letGo()
    } catch {
      let left = state.withLock { state in
        state.threads -= 1
        return state.threads
      }
      if left == 0 { Helpers.refuseAll(state) }
    }
  }

  /// There is no thread and none can be had. The jobs cannot be done on the calling thread, which is a lane's: a write
  /// of a part of a block waits for writes in flight (WriteGate) that only this lane can take note of.
  private static func refuseAll(_ state: Monitor<State>) {
    while let work = state.withLock({ take(&$0) }) { work.post(.tryAgain) }
  }

  private static func run(_ volume: Volume, _ state: Monitor<State>) {
    var transfer = PlainTransfer()
    while var work = next(state) {
      do throws(Errno) {
        if try transfer.run(&work.job, on: volume, work.health) {
          work.post(nil)
        } else if work.mailbox.isClosing.load(ordering: .relaxed) {
          // "Not supported" has a driver do it itself, when its ring runs again.
          work.post(.notSupported)
        } else {
          // Behind those that came meanwhile. Nobody has to be woken: this thread comes back for it.
          state.withLock { $0.queue.append(work) }
        }
      } catch {
        work.post(error)
      }
    }
  }

  /// Waits for a job; nil when it is time to end. Whoever ends says so under the lock under which it has found no job:
  /// the next job then finds one thread less, and starts one if it needs to.
  private static func next(_ state: Monitor<State>) -> Work? {
    var isIdle = false
    while true {
      let found: Work?? = state.wait(nanoseconds: patienceNanoseconds) { state in
        let work = take(&state)
        if work == nil {
          if !isIdle { state.idle += 1 }
          isIdle = true
          guard state.ending || isSurplus(&state) else { return nil }
          state.threads -= 1
        }
        if isIdle { state.idle -= 1 }
        state.leastIdle = min(state.leastIdle, state.idle)
        return .some(work)
      }
      if let found { return found }
    }
  }

  /// Whether a helper without a job may leave. Those that wait take turns, so each has a job now and then however many
  /// there are too many: what counts is how many were idle at every moment for a while.
  private static func isSurplus(_ state: inout State) -> Bool {
    let now = Clock.monotonic
    if now - state.countedSince >= patienceNanoseconds {
      state.surplus = state.leastIdle
      state.leastIdle = state.idle
      state.countedSince = now
    }
    guard state.surplus > 0 else { return false }
    state.surplus -= 1
    return true
  }

  private static func take(_ state: inout State) -> Work? {
    guard state.first < state.queue.count else { return nil }
    let work = state.queue[state.first]
    state.first += 1
    if state.first == state.queue.count {
      state.queue.removeAll(keepingCapacity: true)
      state.first = 0
    } else if state.first == 1024 {
      state.queue.removeFirst(state.first)
      state.first = 0
    }
    return work
  }

  deinit {
    state.withLock(waking: .all) { $0.ending = true }
  }
}
