// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The loop that keeps a load's slots in flight, and what it measures. One thread drives all jobs and queues: what a
// driver does per request is little, and its own threads would compete with the backend for processors.

internal import Frontend
internal import Histogram
internal import Linux

/// A load, and the slots that it keeps in flight.
struct DriveJob<Lane: DrivenLane> {
  let load: any Load<Lane>
  /// Index of the lane, and the slots there.
  let lane: Int
  let slots: Range<Int>

  /// Jobs of `depth` slots each, over the lanes in turn.
  static func spread(_ loads: [any Load<Lane>], depth: Int, over laneCount: Int) -> [DriveJob] {
    var used = [Int](repeating: 0, count: laneCount)
    return loads.enumerated().map { number, load in
      let lane = number % laneCount
      defer { used[lane] += depth }
      return DriveJob(load: load, lane: lane, slots: used[lane]..<used[lane] + depth)
    }
  }

  /// One load over several lanes.
  static func share(_ load: any Load<Lane>, depth: Int, over laneCount: Int) -> [DriveJob] {
    (0..<laneCount).map { lane in
      DriveJob(load: load, lane: lane, slots: 0..<depth / laneCount + (lane < depth % laneCount ? 1 : 0))
    }
  }
}

final class Drive<Lane: DrivenLane>: Runner {
  private let session: any DrivenSession
  private let lanes: [Lane]
  private let jobs: [DriveJob<Lane>]
  private let pollNanoseconds: Int64
  /// The load of each slot by lane, and when its operation began.
  private var loads: [[(any Load<Lane>)?]]
  private var begun: [[Int64]]
  /// What a load found wrong with an answer.
  private var wrong: String?

  /// What comes together is timed together: a look at the clock costs as much as a tenth of a request of nothing.
  private static var answersPerLook: Int { 8 }
  private static var timeoutNanoseconds: Int64 { 20_000_000_000 }
  private static var sliceNanoseconds: Int64 { 100_000_000 }
  /// Time for the backend to fall asleep, so that its CPU time is booked.
  private static var settleMilliseconds: Int64 { 2 }

  init(_ session: any DrivenSession, _ lanes: [Lane], _ jobs: [DriveJob<Lane>], pollNanoseconds: Int64) {
    self.session = session
    self.lanes = lanes
    self.jobs = jobs
    self.pollNanoseconds = pollNanoseconds
    loads = lanes.map { [(any Load<Lane>)?](repeating: nil, count: $0.slotCount) }
    begun = lanes.map { [Int64](repeating: 0, count: $0.slotCount) }
    for job in jobs {
      for slot in job.slots { loads[job.lane][slot] = job.load }
    }
  }

  /// Drives the loads for a time, or in passes of one operation where the load wants them.
  func turn(nanoseconds: Int64, meter: ProcessMeter?) throws(HumanError) -> Sample {
    var sample = Sample()
    if let betweenPasses = jobs.first?.load.betweenPasses {
      repeat {
        try measure(meter, &sample, until: 0)
        try betweenPasses()
      } while sample.nanoseconds < nanoseconds
    } else {
      try measure(meter, &sample, until: nanoseconds)
    }
    return sample
  }

  func finish() throws(HumanError) {
    var done: [any Load<Lane>] = []
    for job in jobs where !done.contains(where: { $0 === job.load }) {
      done.append(job.load)
      try job.load.finish()
    }
  }

  /// Adds one stretch to `sample`; with a length of 0 it is one operation per slot.
  private func measure(_ meter: ProcessMeter?, _ sample: inout Sample, until length: Int64) throws(HumanError) {
    Pause.milliseconds(Self.settleMilliseconds)
    wrong = nil
    let processorStart = meter?.processorNanoseconds ?? 0
    let start = Clock.monotonic
    do throws(FrontendError) {
      try drive(&sample, from: start, until: start + length)
      if let wrong { throw .deviceFault(wrong) }
    } catch {
      throw session.failure(error)
    }
    sample.nanoseconds += Clock.monotonic - start
    Pause.milliseconds(Self.settleMilliseconds)
    sample.processorNanoseconds += (meter?.processorNanoseconds ?? 0) - processorStart
  }

  private func drive(_ sample: inout Sample, from start: Int64, until end: Int64) throws(FrontendError) {
    fill(at: start)
    while true {
      var worked = false
      for (number, lane) in lanes.enumerated() {
        var answers = 0
        var now: Int64 = 0
        while let used = try lane.takeAnswer() {
          worked = true
          if answers % Self.answersPerLook == 0 { now = Clock.monotonic }
          answers += 1
          try take(used, at: now, from: lane, number, &sample, until: end)
        }
        lane.flush()
      }
      if worked { continue }
      if lanes.allSatisfy({ $0.inFlightCount == 0 }) { return }
      try waitForAnswer()
    }
  }

  private func fill(at now: Int64) {
    for job in jobs {
      for slot in job.slots {
        begun[job.lane][slot] = now
        job.load.begin(lanes[job.lane], slot)
      }
    }
    for lane in lanes { lane.flush() }
  }

  private func take(
    _ used: (slot: Int, detail: Int), at now: Int64, from lane: Lane, _ number: Int, _ sample: inout Sample,
    until end: Int64
  ) throws(FrontendError) {
    guard let load = loads[number][used.slot] else {
      throw .deviceFault("an answer came to a request that was not sent")
    }
    let progress: LoadProgress
    do throws(LoadError) {
      progress = try load.advance(lane, used.slot, used.detail)
    } catch {
      // The others on their way come back first, so that the session can be used again.
      wrong = wrong ?? error.message
      return
    }
    guard case .done(let count) = progress else { return }
    sample.operations += count
    _ = sample.latencies.record(UInt64(max(now - begun[number][used.slot], 1)))
    guard now < end, wrong == nil else { return }
    begun[number][used.slot] = now
    load.begin(lane, used.slot)
  }

  /// Looks after the backend now and then: one that died answers no more.
  private func waitForAnswer() throws(FrontendError) {
    let deadline = Clock.monotonic + Self.timeoutNanoseconds
    while true {
      do throws(FrontendError) {
        if lanes.count == 1 {
          return try lanes[0].wait(pollNanoseconds: pollNanoseconds, timeoutNanoseconds: Self.sliceNanoseconds)
        }
        return try waitForAnyLane()
      } catch {
        guard case .timedOut = error, Clock.monotonic < deadline else { throw error }
        if session.isGone { throw .closed }
      }
    }
  }

  /// Several queues: as a lane waits, but for all of them.
  private func waitForAnyLane() throws(FrontendError) {
    for lane in lanes { lane.queue.requestInterrupt() }
    let end = Clock.monotonic + pollNanoseconds
    repeat {
      for _ in 0..<16 {
        if lanes.contains(where: { $0.queue.hasUsed }) { return }
        Processors.spinPause()
      }
      Processors.yield()
    } while Clock.monotonic < end
    if lanes.contains(where: { $0.queue.hasUsed }) { return }
    let found = Poll.wait(lanes.map { $0.queue.callEvent.file }, timeoutNanoseconds: Self.sliceNanoseconds)
    for (lane, readiness) in zip(lanes, found) where !readiness.isEmpty { lane.queue.takeCall() }
    if !lanes.contains(where: { $0.queue.hasUsed }) { throw .timedOut }
  }
}
