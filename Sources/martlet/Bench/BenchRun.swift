// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The order of a run. Within a work the contestants take turns, round after round (A B, B A), so that what else the
// machine does falls on all of them alike. After each work the report goes to its files: a run that is ended loses
// nothing that was measured.

internal import Frontend
internal import Histogram
internal import Linux

/// How long turns are.
struct Pace {
  /// Turns of each contestant per work.
  var rounds = 5
  /// Length of a turn; nil divides the time until `deadline`.
  var nanoseconds: Int64?
  /// When the whole run shall be over.
  var deadline: Int64?

  private static let least: Int64 = 60_000_000
  private static let usual: Int64 = 500_000_000
  private static let most: Int64 = 2_000_000_000

  /// Rounds and their length for the next work.
  /// - Parameters:
  ///   - turns: how many there are still to come in each round.
  ///   - others: what the rest of the run takes beside them.
  func next(of turns: Int, beside others: Int64) -> (rounds: Int, nanoseconds: Int64) {
    if let nanoseconds { return (rounds, nanoseconds) }
    guard let deadline else { return (rounds, Pace.usual) }
    let each = (deadline - Clock.monotonic - others) / Int64(max(turns * rounds, 1))
    // Late already: three rounds still have a median.
    return each < Pace.least ? (min(rounds, 3), Pace.least) : (rounds, min(each, Pace.most))
  }
}

/// What to measure and how.
struct BenchPlan {
  var modes: [BenchMode]
  var works: [Work]
  var pace: Pace
  var countsSystemCalls: Bool
  /// Sockets and logs.
  var folder: String
  var files: ReportFiles
  var hasRival: Bool
  /// Whether a work says something in a mode, and what is promised of it there.
  var belongs: (Work, BenchMode) -> Bool = { _, _ in true }
  var goals: (Work, BenchMode) -> Goals = { work, _ in work.goals }
  /// Starts everybody, ours first.
  var enroll: (BenchMode) throws(HumanError) -> [any Contestant]
}

final class BenchRun {
  private let plan: BenchPlan
  private let progress: Progress
  private let interruption: Interruption
  private(set) var report: Report
  /// Works still to be done.
  private var left: Int
  /// What a work takes beside its turns: preparation, warm-up, counting.
  private var besides: Int64 = 700_000_000

  private static let warmUpNanoseconds: Int64 = 30_000_000
  private static let tracedNanoseconds: Int64 = 100_000_000

  /// - Parameter report: what an earlier run measured; it is not measured again.
  init(_ plan: BenchPlan, interruption: Interruption, continuing report: Report = Report()) {
    self.plan = plan
    self.interruption = interruption
    self.report = report
    left = plan.modes.reduce(0) { sum, mode in
      sum + plan.works.count { plan.belongs($0, mode) && !report.has($0, in: mode) }
    }
    progress = Progress(steps: left)
  }

  func run() throws(HumanError) {
    if report.facts.isEmpty { report.facts = Report.machine() }
    defer { progress.clear() }
    do throws(HumanError) {
      for mode in plan.modes { try run(mode) }
    } catch {
      // A terminal's Ctrl-C reaches the backends too: that they are gone is not the reason then.
      try interruption.check()
      throw error
    }
  }

  private func run(_ mode: BenchMode) throws(HumanError) {
    let works = plan.works.filter { plan.belongs($0, mode) && !report.has($0, in: mode) }
    guard !works.isEmpty else { return }
    let contestants = try plan.enroll(mode)
    defer { for contestant in contestants { contestant.close() } }
    for work in works {
      progress.begin("\(mode.name): \(work.name)")
      let comparison = try compare(work, mode, contestants)
      left -= 1
      guard !comparison.outcomes.isEmpty else { continue }
      report.add(comparison)
      try plan.files.write(report)
    }
  }

  private func compare(
    _ work: Work, _ mode: BenchMode, _ contestants: [any Contestant]
  ) throws(HumanError) -> Comparison {
    let start = Clock.monotonic
    var entries: [Entry] = []
    for contestant in contestants {
      try interruption.check()
      var entry = Entry(contestant)
      try entry.attempt { (entry) throws(HumanError) in
        guard let runner = try contestant.runner(for: work) else { return }
        entry.runner = runner
        entry.meter = contestant.meter
        if runner.needsWarmUp { _ = try runner.turn(nanoseconds: Self.warmUpNanoseconds, meter: nil) }
      }
      if entry.runner != nil || entry.outcome.failure != nil { entries.append(entry) }
    }
    var latencies = entries.map { _ in Sample().latencies }
    let (rounds, turn) = plan.pace.next(of: left * max(entries.count, 1), beside: besides * Int64(left))
    defer {
      let turns = turn * Int64(rounds * entries.count)
      besides = (besides * 3 + max(Clock.monotonic - start - turns, 0)) / 4
    }
    for round in 0..<rounds {
      // Every second round the other way round: who comes after whom (a warm cache, a busy disk) evens out.
      for index in round.isMultiple(of: 2) ? Array(entries.indices) : entries.indices.reversed() {
        try interruption.check()
        progress.show("round \(round + 1) of \(rounds), \(entries[index].outcome.name)")
        try entries[index].attempt { (entry) throws(HumanError) in
          guard let sample = try entry.runner?.turn(nanoseconds: turn, meter: entry.meter) else { return }
          entry.outcome.rounds.append(Round(sample))
          latencies[index].add(sample.latencies)
        }
      }
    }
    for index in entries.indices {
      try interruption.check()
      entries[index].outcome.set(latenciesOf: latencies[index])
      entries[index].outcome.residentBytes = entries[index].meter?.anonymousBytes
      try entries[index].attempt { (entry) throws(HumanError) in try self.count(&entry) }
      try entries[index].attempt { (entry) throws(HumanError) in try entry.runner?.finish() }
    }
    return Comparison(
      mode: mode.name, work: work.name, depth: work.depth, jobs: work.jobs, goals: plan.goals(work, mode),
      outcomes: entries.map { $0.outcome })
  }

  private func count(_ entry: inout Entry) throws(HumanError) {
    guard plan.countsSystemCalls, let meter = entry.meter, let runner = entry.runner, entry.outcome.role != .reference
    else { return }
    progress.show("system calls, \(entry.outcome.name)")
    entry.outcome.systemCalls = try SystemCallCount.take(meter, in: plan.folder) { () throws(HumanError) in
      try runner.turn(nanoseconds: Self.tracedNanoseconds, meter: nil)
    }
  }

  /// A contestant in one work.
  private struct Entry {
    let contestant: any Contestant
    var runner: (any Runner)?
    var meter: ProcessMeter?
    var outcome: Outcome

    init(_ contestant: any Contestant) {
      self.contestant = contestant
      outcome = Outcome(name: contestant.name, role: contestant.role)
    }

    /// Runs a part of a work. A backend that answers wrongly is out of this work, one that is gone ends the run.
    mutating func attempt(_ body: (inout Entry) throws(HumanError) -> Void) throws(HumanError) {
      guard outcome.failure == nil else { return }
      do throws(HumanError) {
        try body(&self)
      } catch {
        guard contestant.isUsable else { throw error }
        outcome.failure = error.message
        outcome.rounds = []
      }
    }
  }
}

extension Round {
  init(_ sample: Sample) {
    operations = sample.operations
    nanoseconds = sample.nanoseconds
    processorNanoseconds = sample.processorNanoseconds
    inodeBytes = sample.inodeBytes
    shownFrames = sample.shownFrames
    copiedBytes = sample.copiedBytes
  }
}
