// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Operations that wait long for a disk (fsync, large copies and allocations), done by a few helper threads of one
// queue, so that the queue's thread goes on with other requests. For slow operations only: a hand-over costs two
// wake-ups. Nothing exists before the first of them, and the helpers end when the queue stops.

internal import Linux
internal import Synchronization
internal import Virtio

/// What a helper does. The files stay open meanwhile because their handles are pinned.
enum SlowCall: Sendable {
  case sync(File, dataOnly: Bool)
  case allocate(File, mode: Int32, offset: Int64, length: Int64)
  case copy(File, from: Int64, to: File, at: Int64, length: Int, flags: UInt32)

  /// Bytes copied or 0; a negative errno.
  func perform() -> Int64 {
    do throws(Errno) {
      switch self {
      case .sync(let file, let dataOnly): try file.sync(dataOnly: dataOnly)
      case .allocate(let file, let mode, let offset, let length):
        try file.allocate(mode: mode, offset: offset, length: length)
      case .copy(let file, let from, let target, let at, let length, let flags):
        return Int64(try file.copyRange(from: from, to: target, at: at, length: length, flags: flags))
      }
      return 0
    } catch {
      return -Int64(error.rawValue)
    }
  }
}

/// What has to be remembered of a request until it is done.
struct SlowRequest {
  let unique: UInt64
  let opcode: UInt32
  let handle: PinnedHandle
  let otherHandle: PinnedHandle?
  /// When the queue's thread turned to it, for the statistics.
  let turnedAt: Int64
  let begunAt: Int64
}

/// Sendable for the reason that its worker is: one thread at a time. Only the desk is shared with the helpers.
final class SlowCalls: @unchecked Sendable {
  private static let mostHelpers = 4
  private static let depth = 64

  private final class Slot {
    var chain = Chain()
    var request: SlowRequest?
  }

  private final class Helper {
    var thread: Thread?
    init(_ thread: consuming Thread) { self.thread = consume thread }
  }

  private let desk: Desk
  private var slots: [Slot] = []
  private var free: [Int] = []
  private var helpers: [Helper] = []
  private(set) var inFlight = 0

  init() throws(Errno) {
    desk = try Desk()
  }

  /// Readable when a call is done.
  var file: File { desk.done.file }

  /// Hands a call over. Takes the chain and leaves an unused one in its place; false if it has to be done here, and
  /// then nothing has changed.
  func begin(_ call: SlowCall, _ request: SlowRequest, _ chain: inout Chain) -> Bool {
    guard inFlight < SlowCalls.depth, hasHelper() else { return false }
    if free.isEmpty {
      free.append(slots.count)
      slots.append(Slot())
    }
    let index = free.removeLast()
    slots[index].request = request
    swap(&slots[index].chain, &chain)
    inFlight += 1
    desk.post(call, slot: index)
    return true
  }

  /// One helper for each call in flight, up to a few. False if there is none and the host gives none.
  private func hasHelper() -> Bool {
    if helpers.count <= inFlight, helpers.count < SlowCalls.mostHelpers {
      let desk = desk
      if let thread = try? Thread(name: "fs-slow", { desk.work() }) { helpers.append(Helper(thread)) }
    }
    return !helpers.isEmpty
  }

  /// Takes what is done and calls `body` with each request, its chain and its result (bytes, or a negative errno).
  /// - Parameter wait: waits for at least one if none is done.
  /// - Returns: how many were done.
  func reap(wait: Bool, _ body: (SlowRequest, borrowing Chain, Int64) -> Void) -> Int {
    var count = 0
    while inFlight > 0 {
      if wait, count == 0 { _ = Poll.wait(desk.done.file, nil) }
      desk.done.drain()
      let results = desk.takeResults()
      if results.isEmpty, !wait || count > 0 { break }
      for (index, result) in results {
        guard let request = slots[index].request else { preconditionFailure("a result of nothing") }
        slots[index].request = nil
        body(request, slots[index].chain, result)
        free.append(index)
      }
      inFlight -= results.count
      count += results.count
    }
    return count
  }

  /// The queue stops and nothing is in flight: the helpers go.
  func end() {
    precondition(inFlight == 0, "calls are in flight")
    desk.endHelpers()
    for helper in helpers { if let thread = helper.thread.take() { thread.join() } }
    helpers = []
    desk.allowHelpers()
  }
}

/// Where calls and results change hands. A lock is no loss beside calls that take as long as these.
private final class Desk: Sendable {
  private struct State {
    var waiting: [(slot: Int, call: SlowCall)] = []
    var results: [(slot: Int, result: Int64)] = []
    var isEnding = false
  }

  private let state = Mutex(State())
  private let jobs: Event
  let done: Event

  init() throws(Errno) {
    jobs = try Event()
    done = try Event()
  }

  func post(_ call: SlowCall, slot: Int) {
    state.withLock { $0.waiting.append((slot, call)) }
    jobs.signal()
  }

  func takeResults() -> [(slot: Int, result: Int64)] {
    state.withLock { state in
      let results = state.results
      state.results = []
      return results
    }
  }

  func endHelpers() {
    state.withLock { $0.isEnding = true }
    jobs.signal()
  }

  func allowHelpers() {
    state.withLock { $0.isEnding = false }
    jobs.drain()
  }

  /// A helper's life.
  func work() {
    while true {
      let (job, hasMore, isEnding) = state.withLock { state in
        let job = state.waiting.isEmpty ? nil : state.waiting.removeFirst()
        return (job, !state.waiting.isEmpty, state.isEnding)
      }
      // One signal wakes one helper, or several: whoever leaves something wakes the next.
      if hasMore || isEnding { jobs.signal() }
      guard let job else {
        if isEnding { return }
        _ = Poll.wait(jobs.file, nil)
        jobs.drain()
        continue
      }
      let result = job.call.perform()
      state.withLock { $0.results.append((job.slot, result)) }
      done.signal()
    }
  }
}
