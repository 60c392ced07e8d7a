// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A backend that lives and does not answer would hold every call in its mount for ever. So somebody looks at the clock
// during each turn, and takes the mount's server away when it is too late: then the calls fail.

internal import Linux

final class GuardedRunner: Runner {
  private let inner: any Runner
  private let name: String
  private let server: ChildProcess
  private static let patienceNanoseconds: Int64 = 90_000_000_000

  /// - Parameter server: the mount's process.
  init(_ inner: any Runner, name: String, server: ChildProcess) {
    self.inner = inner
    self.name = name
    self.server = server
  }

  func turn(nanoseconds: Int64, meter: ProcessMeter?) throws(HumanError) -> Sample {
    let watch: Watch
    let thread: Thread
    do throws(Errno) {
      watch = try Watch()
      let (server, patience) = (server, nanoseconds + Self.patienceNanoseconds)
      thread = try Thread(name: "watchdog") { watch.wait(patience, for: server) }
    } catch {
      throw .failure("cannot start a thread: \(error.message)")
    }
    do throws(HumanError) {
      let sample = try inner.turn(nanoseconds: nanoseconds, meter: meter)
      watch.isOver.signal()
      thread.join()
      return sample
    } catch {
      watch.isOver.signal()
      thread.join()
      throw watch.wasLate.drain() > 0 ? .failure("\(name) left calls in its mount without an answer") : error
    }
  }

  var needsWarmUp: Bool { inner.needsWarmUp }
  func finish() throws(HumanError) { try inner.finish() }
}

private final class Watch: Sendable {
  let isOver: Event
  let wasLate: Event

  init() throws(Errno) {
    isOver = try Event()
    wasLate = try Event()
  }

  func wait(_ nanoseconds: Int64, for server: ChildProcess) {
    let deadline = Clock.monotonic + nanoseconds
    // A signal may end a wait early.
    while Clock.monotonic < deadline {
      let left = deadline - Clock.monotonic
      if !Poll.wait(isOver.file, nil, timeoutNanoseconds: max(left, 0)).first.isEmpty { return }
    }
    wasLate.signal()
    try? Signal.kill.send(to: server.identifier)
  }
}
