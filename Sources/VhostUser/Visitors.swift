// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Connections that have not said anything yet. Readiness checks and monitoring open a connection, look, and close it,
// or leave it open: none of that may keep the real frontend out.

internal import Linux

/// A shared owner of a listening socket.
final class SharedListener: Sendable {
  let socket: ListeningSocket

  init(_ socket: consuming ListeningSocket) {
    self.socket = socket
  }
}

/// Owned by the control thread.
struct Visitors {
  enum News {
    /// The endpoint shall stop.
    case stopped
    /// Memory of the session's frontend is gone.
    case memoryLost
    /// The session's own connection has something.
    case sessionReady
    /// A visitor has sent something; it is no visitor any more.
    case speaks(SharedSocket)
  }

  /// With more than this the oldest is closed: it had its time. `Poll` takes 16 descriptors.
  private static let mostSilent = 8
  /// How long to leave the listener alone when the host has no descriptor left.
  private static let retryNanoseconds: Int64 = 100_000_000

  private let listener: SharedListener?
  private let wake: File
  private let log: any SessionLog
  private let limit = RateLimit()
  private var silent: [SharedSocket] = []

  init(listener: SharedListener?, wake: File, log: any SessionLog) {
    self.listener = listener
    self.wake = wake
    self.log = log
  }

  /// Waits until there is something to do. The session's connection goes first: a frontend that left is seen before the
  /// one that comes in its place.
  mutating func next(during session: File? = nil, alarm: File? = nil) -> News {
    while true {
      let missing = File(raw: -1)
      let ready = Poll.wait(
        [wake, alarm ?? missing, session ?? missing, listener?.socket.file ?? missing] + silent.map { $0.file })
      if !ready[0].isEmpty { return .stopped }
      if !ready[1].isEmpty { return .memoryLost }
      if !ready[2].isEmpty { return .sessionReady }
      for (index, state) in ready.dropFirst(4).enumerated().reversed() where !state.isEmpty {
        let visitor = silent.remove(at: index)
        // Whoever is gone again wanted nothing.
        if !state.contains(.hangUp) { return .speaks(visitor) }
      }
      if !ready[3].isEmpty { accept() }
    }
  }

  private mutating func accept() {
    guard let listener else { return }
    do {
      // Somebody else may hold the listener too and be faster; waiting in accept would be for ever.
      try listener.socket.file.setNonBlocking(true)
      silent.append(SharedSocket(try listener.socket.accept()))
      if silent.count > Visitors.mostSilent { silent.removeFirst() }
    } catch .tryAgain {
      return
    } catch {
      log.log(.error, limit: limit) { "a connection cannot be accepted: \(error.message)" }
      _ = Poll.wait(wake, nil, timeoutNanoseconds: Visitors.retryNanoseconds)
    }
  }
}
