// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The order of a run. Within a work the backends take turns, round after round (A B A B), so that what else the machine
// does falls on all of them alike.

internal import Frontend
internal import FuseProtocol
internal import Linux

/// What to measure and how.
struct BenchPlan {
  var backends: [BackendSpec]
  var modes: [BenchMode]
  var works: [Work]
  var rounds: Int
  var nanoseconds: Int64
  var pollNanoseconds: Int64
  var queues: Int
  var countsSystemCalls: Bool
  /// Process to meter behind a backend that was not started here.
  var process: Int32?
  /// The shared directory, made for the run.
  var directory: String
  /// Sockets and logs.
  var folder: String
}

final class BenchRun {
  private let plan: BenchPlan
  private let progress: Progress
  private(set) var report = Report()

  private static let warmUpNanoseconds: Int64 = 50_000_000
  private static let tracedNanoseconds: Int64 = 300_000_000
  private static let memoryRounds = 3

  init(_ plan: BenchPlan) {
    self.plan = plan
    let steps = plan.modes.reduce(0) { sum, mode in
      sum + plan.works.count { $0.belongs(to: mode) }
    }
    progress = Progress(steps: steps)
  }

  func run() throws(HumanError) -> Report {
    report.facts = Report.machine()
    defer { progress.clear() }
    for mode in plan.modes { try run(mode) }
    return report
  }

  private func run(_ mode: BenchMode) throws(HumanError) {
    let works = plan.works.filter { $0.belongs(to: mode) }
    let driven = works.filter { if case .memory = $0.kind { false } else { true } }
    if !driven.isEmpty {
      var running: [RunningBackend] = []
      defer { for backend in running { backend.stop() } }
      var sessions: [ShareSession] = []
      defer { for session in sessions { session.close() } }
      for (number, spec) in plan.backends.enumerated() {
        let backend = try RunningBackend(spec, mode: mode, sharing: plan.directory, in: plan.folder)
        running.append(backend)
        sessions.append(try ShareSession(backend, number: number, queues: plan.queues))
      }
      for work in driven {
        progress.begin("\(mode.name): \(work.name)")
        report.comparisons.append(try compare(work, mode, sessions))
      }
    }
    for work in works {
      guard case .memory = work.kind, plan.backends.allSatisfy({ $0.isProgram }) else { continue }
      progress.begin("\(mode.name): \(work.name)")
      report.comparisons.append(try weigh(work, mode))
    }
  }

  private func compare(_ work: Work, _ mode: BenchMode, _ sessions: [ShareSession]) throws(HumanError) -> Comparison {
    let settings = DriveSettings(
      depth: work.depth, queues: work.queues, nanoseconds: plan.nanoseconds, pollNanoseconds: plan.pollNanoseconds)
    var outcomes = sessions.map { Outcome(backend: $0.backend.spec.name, isOurs: $0.backend.spec.isOurs) }
    var drives: [(drive: Drive, meter: ProcessMeter?, load: any Load)] = []
    for session in sessions {
      guard let load = try work.load(session) else { preconditionFailure("\(work.name) is not driven") }
      var warmUp = settings
      warmUp.nanoseconds = Self.warmUpNanoseconds
      var first = Drive(session, load, warmUp)
      drives.append((Drive(session, load, settings), session.backend.meter(peer: plan.process), load))
      try attempt(&outcomes[drives.count - 1], session) { (_) throws(HumanError) in
        _ = try first.run(meter: nil)
      }
    }
    let host = HostLoop(work, in: plan.directory)
    var hostOutcome = Outcome(backend: HostLoop.name, isOurs: false)
    for round in 0..<plan.rounds {
      for index in drives.indices {
        progress.show("round \(round + 1) of \(plan.rounds), \(outcomes[index].backend)")
        try attempt(&outcomes[index], sessions[index]) { (outcome) throws(HumanError) in
          outcome.samples.append(try drives[index].drive.run(meter: drives[index].meter))
        }
      }
      if let sample = try host?.run(nanoseconds: plan.nanoseconds) { hostOutcome.samples.append(sample) }
    }
    for index in drives.indices where plan.countsSystemCalls {
      guard let meter = drives[index].meter else { continue }
      progress.show("system calls, \(outcomes[index].backend)")
      var traced = settings
      traced.nanoseconds = Self.tracedNanoseconds
      var drive = Drive(sessions[index], drives[index].load, traced)
      try attempt(&outcomes[index], sessions[index]) { (outcome) throws(HumanError) in
        outcome.systemCalls = try SystemCallCount.take(meter, in: plan.folder, &drive)
      }
    }
    for entry in drives { try entry.load.finish() }
    if !hostOutcome.samples.isEmpty { outcomes.append(hostOutcome) }
    return Comparison(mode: mode.name, work: work, outcomes: outcomes)
  }

  /// Runs a part of a work on one backend. A backend that answers wrongly is out of this work, one that is gone ends
  /// the run.
  private func attempt(
    _ outcome: inout Outcome, _ session: ShareSession, _ body: (inout Outcome) throws(HumanError) -> Void
  ) throws(HumanError) {
    guard outcome.failure == nil else { return }
    do throws(HumanError) {
      try body(&outcome)
    } catch {
      if session.backend.end != nil || !session.isAlive { throw error }
      outcome.failure = error.message
      outcome.samples = []
    }
  }

  /// Memory for the inodes of a large directory. Each sample needs a backend that has known nothing before.
  private func weigh(_ work: Work, _ mode: BenchMode) throws(HumanError) -> Comparison {
    var outcomes = plan.backends.map { Outcome(backend: $0.name, isOurs: $0.isOurs) }
    for round in 0..<min(plan.rounds, Self.memoryRounds) {
      for (index, spec) in plan.backends.enumerated() {
        progress.show("round \(round + 1), \(spec.name)")
        let backend = try RunningBackend(spec, mode: mode, sharing: plan.directory, in: plan.folder)
        defer { backend.stop() }
        let session = try ShareSession(backend, number: index, queues: 1)
        defer { session.close() }
        guard let meter = backend.meter(peer: nil) else { continue }
        let before = meter.anonymousBytes
        let load = try ListLoad(
          ShareFiles.directory(of: Work.largeDirectory), entryCount: Work.largeDirectory, keepsReferences: true,
          session)
        var drive = Drive(
          session, load, DriveSettings(depth: 1, queues: 1, nanoseconds: 0, pollNanoseconds: plan.pollNanoseconds))
        _ = try drive.run(meter: nil)
        let grown = meter.anonymousBytes - before
        outcomes[index].inodeBytes.append(Double(grown) / Double(Work.largeDirectory))
      }
    }
    return Comparison(mode: mode.name, work: work, outcomes: outcomes)
  }
}
