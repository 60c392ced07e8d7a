// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Windows on a Wayland desktop: one for each screen of a device, one thread and one connection for all. The guest never
// waits for it: what it draws leaves notes in a mailbox, and a compositor that does not read, is gone or is not there
// yet costs a note. A compositor that comes back gets the windows again.

public import Graphics
public import Linux
internal import Synchronization

public struct WaylandSettings: Sendable {
  /// What windows say above their picture.
  public var title: String
  /// One window for each of these.
  public var scanouts: [Int]
  /// Reaches the compositor. Called again and again while that is not there; may take its time.
  public var connect: @Sendable () throws(Errno) -> UnixSocket
  /// Where keys and pointers go; nil where there is no device for them.
  public var input: InputSink?
  /// Told when windows go, and why; not again and again while they stay away.
  public var report: @Sendable (String) -> Void

  public init(
    title: String, scanouts: [Int], input: InputSink? = nil,
    connect: @escaping @Sendable () throws(Errno) -> UnixSocket,
    report: @escaping @Sendable (String) -> Void = { _ in }
  ) {
    self.title = title
    self.scanouts = scanouts
    self.input = input
    self.connect = connect
    self.report = report
  }
}

public struct WaylandDisplay: ~Copyable {
  /// Between two attempts to reach the compositor: as long at first, twice as long each time, and never longer.
  private static let firstPauseNanoseconds: Int64 = 250_000_000
  private static let lastPauseNanoseconds: Int64 = 4_000_000_000
  /// A connection that held so long was a good one.
  private static let goodNanoseconds: Int64 = 2_000_000_000

  private let device: GraphicsDevice
  private let settings: WaylandSettings
  private let mailbox: Mailbox
  private let stopped: File

  /// - Parameter stopped: readable when `run` shall return; nil runs as long as the process.
  public init(_ device: GraphicsDevice, _ settings: WaylandSettings, stopped: File? = nil) throws(Errno) {
    self.device = device
    self.settings = settings
    self.stopped = stopped ?? File(raw: -1)
    mailbox = try Mailbox()
    device.attach(mailbox)
  }

  public mutating func run() {
    var pause = WaylandDisplay.firstPauseNanoseconds
    var isFailureTold = false
    while true {
      var reason = "cannot be reached"
      var start: Int64?
      do {
        let socket = try settings.connect()
        // Not earlier: to find out that nobody takes the connection may take long as well.
        start = Clock.monotonic
        let session = try WaylandSession(socket, device, settings)
        defer { session.leave() }
        try serve(session)
        break
      } catch let error as Errno {
        reason += " (\(error.message))"
      } catch let error as WaylandEnd {
        reason = error.reason
      } catch {
        preconditionFailure("nothing else is thrown")
      }
      if let start, Clock.monotonic - start > WaylandDisplay.goodNanoseconds {
        pause = WaylandDisplay.firstPauseNanoseconds
        isFailureTold = false
      }
      if !isFailureTold {
        settings.report("the Wayland compositor \(reason); windows appear when it is there again")
        isFailureTold = true
      }
      if Poll.wait(for: [.input(stopped)], timeoutNanoseconds: pause)[0] { break }
      pause = min(pause * 2, WaylandDisplay.lastPauseNanoseconds)
    }
    device.detach(mailbox)
  }

  /// Returns when the display shall stop.
  private func serve(_ session: WaylandSession) throws(WaylandEnd) {
    let nobody = File(raw: -1)
    while true {
      try session.turn(Clock.monotonic)
      let timeout = session.deadline.map { max($0 - Clock.monotonic, 0) } ?? -1
      let ready = Poll.wait(
        for: [
          .input(stopped), .input(mailbox.file), .input(session.file),
          .output(session.wantsOutput ? session.file : nobody),
        ], timeoutNanoseconds: timeout)
      if ready[0] { return }
      if ready[1] { for news in mailbox.take() { session.look(news) } }
      if ready[2] { try session.receive() }
    }
  }
}
