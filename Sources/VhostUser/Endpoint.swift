// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// One device behind one socket: the outermost thing of this room, and what room Daemon holds. `run` is the control
// thread: it accepts connections, serves one frontend at a time and turns others away.
//
// A connection becomes a session with its first message. One that says nothing, or something that is no message, does
// no harm: whoever only looks whether the socket answers may hold its connection open while the real frontend comes.
// While a session lasts, another frontend's first message ends that frontend's connection: a share is one guest's.

public import Linux
internal import Synchronization
public import Virtio

public final class Endpoint: Sendable {
  /// What happens when the frontend leaves.
  public enum DisconnectPolicy: Sendable {
    /// `run` returns.
    case exit
    /// The next frontend is waited for.
    case relisten
  }

  public struct Options: Sendable {
    public var onDisconnect: DisconnectPolicy
    /// The longest that a queue's thread looks at an empty ring before it sleeps; nil is 50 us, or 0 where there is
    /// only one processor. 0 turns it off.
    public var spinMicroseconds: Int?
    /// Offer kicks and calls as messages (User-mode Linux uses them).
    public var offersInBandNotifications: Bool

    public init(
      onDisconnect: DisconnectPolicy = .relisten, spinMicroseconds: Int? = nil, offersInBandNotifications: Bool = false
    ) {
      self.onDisconnect = onDisconnect
      self.spinMicroseconds = spinMicroseconds
      self.offersInBandNotifications = offersInBandNotifications
    }

    var effectiveSpin: Int { spinMicroseconds ?? (Processors.usableCount > 1 ? 50 : 0) }
  }

  /// Why `run` returned.
  public enum Ending: Equatable, Sendable {
    /// `stop` was called.
    case stopped
    /// The frontend left, and the policy is to leave too; or the connected socket that was handed in has ended.
    case disconnected
    /// The host refused something without which nobody can be served.
    case failed(Errno)
  }

  /// The frontend that is attached.
  public struct Frontend: Equatable, Sendable {
    /// Its process id; nil if it is not of this process's pid namespace.
    public let process: Int32?
  }

  private enum Source: Sendable {
    case listener(SharedListener)
    case connected(SharedSocket)
  }

  /// How one connection ended.
  private enum ConnectionEnd {
    /// It never sent a message.
    case noSession
    case left
    case stopped
    case failed(Errno)
  }

  private let source: Source
  private let device: any Device
  private let options: Options
  private let log: any SessionLog
  private let counters: Counters
  /// Readable from `stop` on; never drained, so that every wait sees it. Nil if the host had no descriptor left.
  private let wake: SharedEvent?
  private let stopping = Atomic<Bool>(false)
  private let active = Mutex<SharedSocket?>(nil)
  private let attached = Mutex<Frontend?>(nil)

  /// Serves whoever connects to `listener`.
  public convenience init(
    listener: consuming ListeningSocket, device: any Device, options: Options = Options(),
    log: any SessionLog = SilentLog()
  ) {
    self.init(source: .listener(SharedListener(listener)), device: device, options: options, log: log)
  }

  /// Serves the frontend at the other end of `connection` (--fd of a connected socket); `run` returns when it leaves.
  public convenience init(
    connection: consuming UnixSocket, device: any Device, options: Options = Options(),
    log: any SessionLog = SilentLog()
  ) {
    self.init(source: .connected(SharedSocket(connection)), device: device, options: options, log: log)
  }

  private init(source: Source, device: any Device, options: Options, log: any SessionLog) {
    self.source = source
    self.device = device
    self.options = options
    self.log = log
    counters = Counters(queueCount: device.description.queueCount)
    wake = try? SharedEvent()
  }

  /// From any thread, at any time.
  public var statistics: EndpointStatistics { counters.snapshot }

  /// Who is attached: who has sent a valid message and is still there. From any thread, at any time.
  public var frontend: Frontend? { attached.withLock { $0 } }

  /// Ends `run`, from any thread: the frontend is cut off, queues stop after what they are doing, the device is reset.
  /// Does not wait. For good: an endpoint runs once.
  public func stop() {
    stopping.store(true, ordering: .releasing)
    wake?.event.signal()
    active.withLock { $0 }?.shutDown()
  }

  /// Serves until `stop`, or until the frontend has left and nobody else shall come. Blocks.
  public func run() -> Ending {
    guard let wake else { return .failed(.tooManyFiles) }
    switch source {
    case .connected(let socket):
      do { try socket.file.setNonBlocking(false) } catch { return .failed(error) }
      var nobody = Visitors(listener: nil, wake: wake.event.file, log: log)
      switch serve(socket, &nobody, wake) {
      case .stopped: return .stopped
      case .left, .noSession: return .disconnected
      case .failed(let error): return .failed(error)
      }
    case .listener(let listener):
      var visitors = Visitors(listener: listener, wake: wake.event.file, log: log)
      while true {
        guard case .speaks(let socket) = visitors.next() else { return .stopped }
        switch serve(socket, &visitors, wake) {
        case .stopped: return .stopped
        case .left where options.onDisconnect == .exit: return .disconnected
        case .left, .noSession: continue
        case .failed(let error): log.log(.error, "a frontend cannot be served: \(error.message)")
        }
      }
    }
  }

  private func serve(_ socket: SharedSocket, _ visitors: inout Visitors, _ wake: SharedEvent) -> ConnectionEnd {
    active.withLock { $0 = socket }
    defer {
      active.withLock { $0 = nil }
      // The frontend must notice, whoever still holds the socket.
      socket.shutDown()
    }
    let session: Session
    do {
      session = try Session(
        socket,
        Session.Environment(
          device: device, options: options, counters: counters, log: log, stopped: wake.event.file))
    } catch {
      return .failed(error)
    }
    let stopped = converse(session, socket, &visitors)
    guard session.isEstablished else { return stopped ? .stopped : .noSession }
    session.close()
    attached.withLock { $0 = nil }
    log.log(.info, "frontend left")
    return stopped ? .stopped : .left
  }

  /// Message after message; true if it ended because of `stop`.
  private func converse(_ session: Session, _ socket: SharedSocket, _ visitors: inout Visitors) -> Bool {
    while !stopping.load(ordering: .acquiring) {
      switch visitors.next(during: socket.file, alarm: session.alarm.file) {
      case .stopped:
        return true
      case .memoryLost:
        log.log(.error, "frontend cut off: it has truncated the file of memory that it had shared")
        return false
      case .speaks(let other):
        let process = other.socket.peerProcess.map { " (process \($0))" } ?? ""
        log.log(.warning, "a second frontend\(process) was turned away: this socket serves one at a time")
      case .sessionReady:
        let isNew = !session.isEstablished
        do {
          if try !session.step() { return false }
        } catch {
          report(error, of: session)
          return false
        }
        if isNew, session.isEstablished {
          let process = socket.socket.peerProcess
          attached.withLock { $0 = Frontend(process: process) }
          log.log(.info, "frontend attached\(process.map { " (process \($0))" } ?? "")")
        }
      }
    }
    return true
  }

  private func report(_ error: StreamLost, of session: Session) {
    if stopping.load(ordering: .acquiring) { return }
    let what =
      switch error {
      case .unknownVersion(let flags): "a message of an unknown version (flags 0x\(String(flags, radix: 16)))"
      case .payloadTooLarge(let byteCount): "a message of \(byteCount) bytes"
      case .socket(let errno): errno.message
      }
    log.log(session.isEstablished ? .warning : .debug, "connection closed: \(what)")
  }
}

/// A shared owner of an event.
final class SharedEvent: Sendable {
  let event: Event

  init() throws(Errno) {
    event = try Event()
  }
}
