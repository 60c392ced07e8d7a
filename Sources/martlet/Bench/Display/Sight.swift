// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What has arrived where the screen is looked at. A thread of its own takes it in, as a hypervisor's main loop or a
// viewer does, so that the driver never waits for it unless that is what is measured.

internal import Linux
internal import Synchronization
internal import Wire

/// Between the thread that looks and the one that drives the device.
final class Sight: Sendable {
  private struct State {
    /// The pixel that is looked at in each frame.
    var x = 0
    var y = 0
    /// What it was last.
    var stamp: UInt32 = 0
    /// It has come, compressed.
    var isCovered = false
    var isEnded = false
    var trouble: String?
  }

  private let state = Mutex(State())
  private let frames = Atomic<Int>(0)
  private let event: Event

  init() throws(Errno) {
    event = try Event()
  }

  /// Whole frames that have arrived, each with all that was sent together.
  var frameCount: Int { frames.load(ordering: .relaxed) }

  var trouble: String? { state.withLock { $0.trouble } }

  // MARK: Who drives

  /// From now on that pixel is looked at.
  func watch(x: Int, y: Int) {
    state.withLock { ($0.x, $0.y, $0.stamp, $0.isCovered) = (x, y, .max, false) }
  }

  /// Waits until the pixel is this; false when the time is up or nobody looks any more.
  func wait(for stamp: UInt32, timeoutNanoseconds: Int64) -> Bool {
    let deadline = Clock.monotonic + timeoutNanoseconds
    while true {
      let (isSeen, isEnded) = state.withLock { ($0.stamp == stamp || $0.isCovered, $0.isEnded) }
      if isSeen { return true }
      let left = deadline - Clock.monotonic
      guard left > 0, !isEnded else { return false }
      _ = Poll.wait(event.file, nil, timeoutNanoseconds: left)
      event.drain()
    }
  }

  /// Waits until nothing more comes, for a second at most: what is on its way costs the backend something too.
  func settle() {
    var calm = 0
    var last = frameCount
    for _ in 0..<200 {
      Pause.milliseconds(5)
      calm = frameCount == last ? calm + 1 : 0
      if calm == 2 { return }
      last = frameCount
    }
  }

  // MARK: Who looks

  /// Where to look.
  var place: (x: Int, y: Int) { state.withLock { ($0.x, $0.y) } }

  /// A frame is there; `stamp` is the pixel if it was in it. Of one that is compressed all that is known is where it
  /// is: to look inside would take longer than what is measured.
  func arrived(_ stamp: UInt32?, isCovered: Bool = false) {
    frames.add(1, ordering: .relaxed)
    guard stamp != nil || isCovered else { return }
    state.withLock { state in
      if let stamp { state.stamp = stamp & Sight.colours }
      if isCovered { state.isCovered = true }
    }
    event.signal()
  }

  func end(_ trouble: String?) {
    state.withLock { state in
      state.isEnded = true
      state.trouble = trouble
    }
    event.signal()
  }

  /// The bits of a pixel that mean something.
  static let colours: UInt32 = 0xff_ffff
}

/// Bytes from a socket, as many as are asked for.
final class SightReader: Sendable {
  private let socket: UnixSocket

  init(_ socket: consuming UnixSocket) {
    self.socket = socket
  }

  /// Ends both directions, also for a thread that waits here.
  func shutDown() { socket.shutDown() }

  func send(_ bytes: [UInt8]) throws(Errno) { try socket.send(bytes) }

  /// Throws `connectionReset` at the end.
  func fill(_ target: Segment) throws(Errno) {
    var done = 0
    while done < target.count {
      let count = try socket.receiveOnce(into: target.dropFirst(done))
      if count == 0 { throw .connectionReset }
      done += count
    }
  }

  /// Up to the end; how many bytes that were.
  func fillToEnd(_ target: Segment) throws(Errno) -> Int {
    var done = 0
    while done < target.count {
      let count = try socket.receiveOnce(into: target.dropFirst(done))
      if count == 0 { break }
      done += count
    }
    return done
  }
}
