// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the threads of a mount tell each other: that it is over, and that it has begun.

internal import Frontend
internal import Linux
internal import Synchronization

/// Why a queue's thread stopped by itself.
enum MountEnd: Sendable {
  /// The kernel has let go of the mount: somebody unmounted it.
  case unmounted
  /// The kernel has let go of the connection alone: somebody aborted it (/sys/fs/fuse/connections).
  case aborted
  /// /dev/fuse failed otherwise.
  case device(Errno)
  /// The backend broke its ring, or gave it up.
  case backend(FrontendError)
}

final class MountState: Sendable {
  private struct Facts {
    var answer: InitFilter.Answer?
    var end: MountEnd?
  }

  private let facts = Mutex(Facts())
  /// Signalled when there is news for the main thread.
  let news: Event
  /// Readable from when the threads shall end.
  let stop: Event

  init() throws(Errno) {
    news = try Event()
    stop = try Event()
  }

  /// What the backend said to INIT; nil as long as it says nothing.
  var answer: InitFilter.Answer? { facts.withLock { $0.answer } }

  /// The first end that was reported.
  var end: MountEnd? { facts.withLock { $0.end } }

  func report(_ answer: InitFilter.Answer) {
    facts.withLock { $0.answer = answer }
    news.signal()
  }

  func report(_ end: MountEnd) {
    facts.withLock { if $0.end == nil { $0.end = end } }
    news.signal()
  }
}
