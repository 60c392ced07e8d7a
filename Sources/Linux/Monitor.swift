// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import CLinux

/// State that threads share and wait for: a mutex with a condition. For workers that sleep until there is something to
/// do; what is only locked uses `Mutex`.
///
/// Sendable because the state is reached under the lock only.
@safe
public final class Monitor<State>: @unchecked Sendable {
  /// Of the threads that wait, those that look at a changed state again.
  public enum Woken: Sendable {
    case nobody
    case one
    case all
  }

  private let raw: OpaquePointer
  private var state: State

  public init(_ state: sending State) {
    guard let raw = unsafe clinux_monitor_create() else { preconditionFailure("no memory for a mutex") }
    unsafe self.raw = raw
    self.state = state
  }

  deinit {
    unsafe clinux_monitor_destroy(raw)
  }

  /// Changes or reads the state, and wakes threads that wait; where none does, that costs no system call.
  public func withLock<Result>(waking woken: Woken = .nobody, _ body: (inout State) -> Result) -> Result {
    unsafe clinux_monitor_lock(raw)
    defer {
      // Not under the lock, where who wakes up would wait again.
      unsafe clinux_monitor_unlock(raw)
      switch woken {
      case .nobody: break
      case .one: unsafe clinux_monitor_signal(raw)
      case .all: unsafe clinux_monitor_signal_all(raw)
      }
    }
    return body(&state)
  }

  /// Waits until `body` gives something. Called under the lock, at the start and whenever somebody has woken.
  public func wait<Result>(for body: (inout State) -> Result?) -> Result {
    unsafe clinux_monitor_lock(raw)
    defer { unsafe clinux_monitor_unlock(raw) }
    while true {
      if let result = body(&state) { return result }
      unsafe clinux_monitor_wait(raw, -1)
    }
  }

  /// As above; nil if nothing came in time.
  public func wait<Result>(nanoseconds: Int64, for body: (inout State) -> Result?) -> Result? {
    unsafe clinux_monitor_lock(raw)
    defer { unsafe clinux_monitor_unlock(raw) }
    let deadline = Clock.monotonic + nanoseconds
    while true {
      if let result = body(&state) { return result }
      let left = deadline - Clock.monotonic
      if left <= 0 { return nil }
      unsafe clinux_monitor_wait(raw, left)
    }
  }
}
