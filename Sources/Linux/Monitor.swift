// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import CLinux

/// State that threads share and wait for: a mutex with a condition. For workers that sleep until there is something to
/// do; what is only locked uses `Mutex`.
///
/// Sendable because the state is reached under the lock only.
@safe
public final class Monitor<State>: @unchecked Sendable {
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

  /// Changes or reads the state. Threads that wait look at it again when `wakes` is true.
  public func withLock<Result>(wakes: Bool = false, _ body: (inout State) -> Result) -> Result {
    unsafe clinux_monitor_lock(raw)
    defer {
      if wakes { unsafe clinux_monitor_signal_all(raw) }
      unsafe clinux_monitor_unlock(raw)
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
