// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Plain POSIX threads: a queue's owner sleeps in the kernel and must not share a pool with anybody.

internal import CLinux

/// A running thread; join it before letting go.
public struct Thread: ~Copyable, Sendable {
  private let identifier: UInt64

  private final class Body {
    let name: String
    let run: () -> Void
    init(name: String, run: @escaping () -> Void) {
      self.name = name
      self.run = run
    }
  }

  /// Starts a thread with all signals blocked. `name` shows in ps and top (15 bytes).
  ///
  /// `body` is `sending`: it may carry state that is not Sendable, because nobody else can reach it afterwards.
  public init(name: String, _ body: sending @escaping () -> Void) throws(Errno) {
    let box = unsafe Unmanaged.passRetained(Body(name: String(name.prefix(15)), run: body))
    var identifier: UInt64 = 0
    let result = unsafe clinux_thread_create(
      { argument in
        guard let argument = unsafe argument else { return }
        let body = unsafe Unmanaged<Body>.fromOpaque(argument).takeRetainedValue()
        _ = unsafe body.name.withCString { unsafe clinux_set_thread_name($0) }
        body.run()
      }, unsafe box.toOpaque(), &identifier)
    if result < 0 {
      unsafe box.release()
      throw Errno(-result)
    }
    self.identifier = identifier
  }

  /// Nobody will join it: its memory goes when it ends.
  public consuming func letGo() {
    _ = clinux_thread_detach(identifier)
  }

  /// Waits until the thread has ended.
  public consuming func join() {
    _ = clinux_thread_join(identifier)
  }
}

/// Clocks, in nanoseconds.
public enum Clock {
  @inline(__always)
  public static var monotonic: Int64 { clinux_monotonic_ns() }

  /// CPU time that the calling thread has used.
  public static var threadTime: Int64 { clinux_thread_cpu_ns() }
}
