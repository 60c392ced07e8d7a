// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Who takes part in a run, and what BenchRun asks of them. A contestant is a backend with a session over it, or a
// reference: the host's own speed at the same work.

internal import Frontend
internal import Histogram
internal import Linux

/// How a row of the tables is read.
enum Role: String {
  case ours
  /// Compared with ours; goals are about it.
  case rival
  /// What no backend can beat, or what the work costs without one.
  case reference
}

/// One measurement of one work on one contestant.
struct Sample {
  var operations = 0
  var nanoseconds: Int64 = 0
  /// CPU time of the backend.
  var processorNanoseconds: Int64 = 0
  /// Of whole operations, in nanoseconds.
  var latencies = Histogram<UInt64>(
    lowestDiscernibleValue: 1, highestTrackableValue: 600_000_000_000, numberOfSignificantValueDigits: .three)
  /// Only of the work about memory.
  var inodeBytes: Double?
  /// Frames that arrived where they are looked at.
  var shownFrames: Int?
  /// Bytes that the backend says it has copied.
  var copiedBytes: Int64?
}

/// One work on one contestant, ready to be measured turn by turn.
protocol Runner: AnyObject {
  /// Works for so long; a work that is one piece may take longer. With 0 it does as little as it can.
  func turn(nanoseconds: Int64, meter: ProcessMeter?) throws(HumanError) -> Sample
  /// The first pass is like no other: one is done before anything is measured.
  var needsWarmUp: Bool { get }
  /// Gives back what was taken for the work.
  func finish() throws(HumanError)
}

extension Runner {
  var needsWarmUp: Bool { true }
}

protocol Contestant: AnyObject {
  var name: String { get }
  var role: Role { get }
  /// The backend's processes; nil where nobody knows them.
  var meter: ProcessMeter? { get }
  /// After a work that failed: the next one can be tried.
  var isUsable: Bool { get }
  /// Nil for a work that this contestant takes no part in.
  func runner(for work: Work) throws(HumanError) -> (any Runner)?
  func close()
}

/// A connection that is driven through virtqueues.
protocol DrivenSession: AnyObject {
  var backend: RunningBackend { get }
  var connection: FrontendConnection { get }
}

extension DrivenSession {
  /// The backend ended, or let go of the connection.
  var isGone: Bool {
    let broken: Poll.Readiness = [.hangUp, .error]
    let state = Poll.wait(connection.socket.file, nil, timeoutNanoseconds: 0).first
    return !state.isDisjoint(with: broken) || backend.end != nil
  }

  /// What the backend did wrong.
  func failure(_ error: FrontendError) -> HumanError {
    switch error {
    case .deviceFault(let message): .failure("\(backend.spec.name): \(message)\(backend.lastWords)")
    case .closed: .failure("\(backend.spec.name) is gone in the middle of its work\(backend.lastWords)")
    case .timedOut: .failure("\(backend.spec.name) stopped answering\(backend.lastWords)")
    default: .failure("\(backend.spec.name) failed: \(error)\(backend.lastWords)")
    }
  }
}

/// Signals that end a run between two turns, so that nothing is left behind: no process, no mount, no file.
struct Interruption {
  private let signals: SignalDescriptor

  /// From here on these signals wait until `check` asks.
  init() throws(HumanError) {
    do throws(Errno) {
      signals = try SignalDescriptor([.terminate, .interrupt, .hangUp])
    } catch {
      throw .failure("cannot create a signalfd (\(error.message)); raise the limit of open descriptors")
    }
  }

  func check() throws(HumanError) {
    guard !Poll.wait(signals.file, nil, timeoutNanoseconds: 0).first.isEmpty else { return }
    throw .failure("interrupted; what was measured until then is in the files of --json, --markdown and --plot")
  }

  /// Waits for a child; a signal or too long a time ends it.
  func wait(for child: ChildProcess, seconds: Int64) throws(HumanError) -> ProcessEnd {
    let deadline = Clock.monotonic + seconds * 1_000_000_000
    do throws(HumanError) {
      while true {
        if let end = try? child.waitWithoutBlocking() { return end }
        guard Clock.monotonic < deadline else { throw .failure("a program did not end within \(seconds) seconds") }
        try check()
        Pause.milliseconds(1)
      }
    } catch {
      try? Signal.kill.send(to: child.identifier)
      _ = try? child.wait()
      throw error
    }
  }
}
