// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The process that serves: one control thread per service, one for the control socket if there is one, and this one,
// which waits for signals and for services that have ended.

internal import Linux
internal import Synchronization
internal import VhostUser

/// Which services have ended, and a descriptor that says when one did.
private final class Endings: Sendable {
  private let results: Mutex<[Endpoint.Ending?]>
  let event: Event

  init(count: Int) throws(Errno) {
    results = Mutex(Array(repeating: nil, count: count))
    event = try Event()
  }

  func set(_ index: Int, _ ending: Endpoint.Ending) {
    results.withLock { $0[index] = ending }
    event.signal()
  }

  /// Those of the services that count; nil while one still runs.
  func all(of indices: [Int]) -> [Endpoint.Ending]? {
    results.withLock { results in
      indices.contains { results[$0] == nil } ? nil : indices.compactMap { results[$0] }
    }
  }
}

/// A service that runs.
struct RunningService: Sendable {
  let name: String
  /// Where its frontend connects, for people.
  let socket: String
  let endpoint: Endpoint
  let served: ServedDevice
  var isCompanion = false
  let log: DaemonLog

  /// What was counted until now.
  var report: CounterReport {
    CounterReport(
      name: name, statistics: endpoint.statistics, operations: served.readOperations(), amounts: served.readAmounts())
  }
}

struct Server {
  /// How long queues may take to finish their requests when the daemon is told to end.
  static let graceNanoseconds: Int64 = 2_000_000_000

  private let services: [RunningService]
  private let signals: SignalDescriptor
  private let endings: Endings
  private let log: DaemonLog
  private let reloadsOnHangUp: Bool
  /// The reading end of a pipe whose other end the waiting process holds; nil without one.
  private let parent: SharedDescriptor?
  private let control: Control?

  /// The control socket and who answers there.
  struct Control: Sendable {
    let listener: OpenListener
    let desk: ControlDesk
  }

  init(
    _ services: [RunningService], control: Control?, signals: SignalDescriptor, parent: SharedDescriptor?,
    reloadsOnHangUp: Bool, log: DaemonLog
  ) throws(HumanError) {
    self.reloadsOnHangUp = reloadsOnHangUp
    self.services = services
    self.control = control
    self.signals = signals
    self.parent = parent
    self.log = log
    do {
      endings = try Endings(count: services.count)
    } catch {
      throw .failure("cannot create an eventfd (\(error.message)); raise --rlimit-nofile")
    }
  }

  /// Starts the devices' own threads and the control threads; from here on frontends are served.
  func start() throws(HumanError) {
    for service in services { try service.served.start() }
    for (index, service) in services.enumerated() {
      let endings = endings
      do {
        // Never joined: the process ends when the services have.
        _ = try Thread(name: "control-\(index)") {
          endings.set(index, service.endpoint.run())
        }
      } catch {
        throw .failure("cannot start a thread (\(error.message)); raise the limit of tasks (TasksMax= in systemd)")
      }
    }
    if let control { try start(control) }
  }

  private func start(_ control: Control) throws(HumanError) {
    do throws(Errno) {
      let listener = ListeningSocket(try control.listener.descriptor.file.duplicate())
      var server = try ControlServer(listener, desk: control.desk)
      // Never joined either.
      _ = try Thread(name: "control-socket") { server.run() }
    } catch {
      throw .failure("cannot serve the control socket (\(error.message)); raise --rlimit-nofile")
    }
  }

  /// Serves until all services have ended, a signal comes or the waiting process is gone. Returns the code to end
  /// with.
  func run() -> Int32 {
    var deadline: Int64?
    let awaited = services.indices.filter { !services[$0].isCompanion }
    while true {
      if let results = endings.all(of: deadline == nil ? awaited : Array(services.indices)) {
        let failed = results.contains { if case .failed = $0 { true } else { false } }
        return failed ? ExitCode.failure : ExitCode.success
      }
      var files = [signals.file, endings.event.file]
      // Once it has closed it would be ready for ever.
      if let parent, deadline == nil { files.append(parent.file) }
      let timeout = deadline.map { max($0 - Clock.monotonic, 0) } ?? -1
      let ready = Poll.wait(files, timeoutNanoseconds: timeout)
      if !ready[1].isEmpty { endings.event.drain() }
      if !ready[0].isEmpty, let signal = try? signals.next() {
        if signal == .user1 {
          report()
        } else if signal == .hangUp, reloadsOnHangUp {
          for service in services { service.served.reload() }
        } else if signal != .childEnded, deadline == nil {
          log.log(.info, "\(signal.name) received, ending")
          deadline = stop()
        }
      }
      if ready.count > 2, !ready[2].isEmpty, deadline == nil {
        log.log(.warning, "the waiting process is gone, ending")
        deadline = stop()
      }
      if let end = deadline, Clock.monotonic >= end {
        log.log(.warning, "requests were still running when the time to end was up")
        return ExitCode.success
      }
    }
  }

  private func stop() -> Int64 {
    for service in services { service.endpoint.stop() }
    return Clock.monotonic + Server.graceNanoseconds
  }

  private func report() {
    for service in services {
      let report = service.report
      // At the level that is shown unless somebody turned the log off: who sends the signal wants to read it.
      for line in report.lines { log.log(.info, line) }
    }
  }
}
