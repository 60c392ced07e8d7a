// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Signals are read from a descriptor: no handler ever runs, so nothing has to be async-signal-safe, and process 1 of
// a pid namespace (whose unhandled signals the kernel drops) gets them too, because a blocked signal is kept.

internal import CLinux

/// The signals that daemons deal with (asm-generic/signal.h).
public enum Signal: Int32, Sendable {
  case hangUp = 1
  case interrupt = 2
  case kill = 9
  case user1 = 10
  case brokenPipe = 13
  case terminate = 15
  case childEnded = 17

  /// The name people know it by.
  public var name: String {
    switch self {
    case .hangUp: "SIGHUP"
    case .interrupt: "SIGINT"
    case .kill: "SIGKILL"
    case .user1: "SIGUSR1"
    case .brokenPipe: "SIGPIPE"
    case .terminate: "SIGTERM"
    case .childEnded: "SIGCHLD"
    }
  }

  /// SIG_IGN for the whole process.
  public func ignore() {
    _ = clinux_ignore_signal(rawValue)
  }

  /// kill(2). A process that has ended already is no error.
  public func send(to process: Int32) throws(Errno) {
    let result = clinux_kill(process, rawValue)
    let noSuchProcess: Int32 = -3
    if result == noSuchProcess { return }
    try checked(result)
  }
}

/// A signalfd: the signals are blocked in the calling thread and in all that it starts from then on.
public struct SignalDescriptor: Sendable {
  private let descriptor: SharedDescriptor

  public init(_ signals: [Signal]) throws(Errno) {
    let numbers = signals.map { $0.rawValue }
    let raw = try checked(unsafe clinux_signalfd(numbers, Int32(numbers.count)))
    descriptor = SharedDescriptor(FileDescriptor(owning: raw))
  }

  /// For `Poll`.
  public var file: File { descriptor.file }

  /// Waits for the next signal; nil for one that `Signal` does not name.
  public func next() throws(Errno) -> Signal? {
    Signal(rawValue: try retrying { clinux_signalfd_read(descriptor.file.raw) })
  }
}
