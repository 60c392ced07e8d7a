// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The loop that keeps a load's slots in flight, and what it measures.

internal import Frontend
internal import Histogram
internal import Linux

/// One measurement of one load on one backend.
struct Sample {
  var operations = 0
  var nanoseconds: Int64 = 0
  /// CPU time of the backend.
  var processorNanoseconds: Int64 = 0
  /// Of whole operations, in nanoseconds.
  var latencies = Histogram<UInt64>(
    lowestDiscernibleValue: 1, highestTrackableValue: 60_000_000_000, numberOfSignificantValueDigits: .three)

  var perSecond: Double { nanoseconds > 0 ? Double(operations) * 1e9 / Double(nanoseconds) : 0 }
  var processorMicroseconds: Double {
    operations > 0 ? Double(processorNanoseconds) / 1000 / Double(operations) : 0
  }
}

/// How a load is driven.
struct DriveSettings {
  var depth: Int
  /// Request queues to use, as far as the session has them.
  var queues = 1
  var nanoseconds: Int64
  /// How long the driver looks for an answer before it sleeps.
  var pollNanoseconds: Int64
}

struct Drive {
  let session: ShareSession
  let load: any Load
  let settings: DriveSettings
  private let lanes: [FuseLane]
  /// When each operation began, by lane and slot.
  private var begun: [[Int64]]
  /// What the load found wrong with an answer.
  private var wrong: String?
  /// Slots in use, by lane.
  private let slots: [Int]

  private static let timeoutNanoseconds: Int64 = 20_000_000_000
  /// Time for the backend to fall asleep, so that its CPU time is booked.
  private static let settleMilliseconds: Int64 = 2

  init(_ session: ShareSession, _ load: any Load, _ settings: DriveSettings) {
    self.session = session
    self.load = load
    self.settings = settings
    lanes = Array(session.lanes.prefix(settings.queues))
    begun = lanes.map { [Int64](repeating: 0, count: $0.slotCount) }
    // The slots in turn over the lanes.
    let count = lanes.count
    slots = (0..<count).map { settings.depth / count + ($0 < settings.depth % count ? 1 : 0) }
  }

  /// Drives the load for the time that the settings say, or in passes of one operation where the load wants them.
  mutating func run(meter: ProcessMeter?) throws(HumanError) -> Sample {
    var sample = Sample()
    if let betweenPasses = load.betweenPasses {
      repeat {
        try measure(meter, &sample, until: 0)
        try betweenPasses()
      } while sample.nanoseconds < settings.nanoseconds
    } else {
      try measure(meter, &sample, until: settings.nanoseconds)
    }
    return sample
  }

  /// Adds one stretch to `sample`; with a length of 0 it is one operation.
  private mutating func measure(
    _ meter: ProcessMeter?, _ sample: inout Sample, until length: Int64
  ) throws(HumanError) {
    Pause.milliseconds(Self.settleMilliseconds)
    wrong = nil
    let processorStart = meter?.processorNanoseconds ?? 0
    let start = Clock.monotonic
    do throws(FrontendError) {
      try drive(&sample, from: start, until: start + length)
      if let wrong { throw .deviceFault(wrong) }
    } catch .deviceFault(let message) {
      throw .failure("\(session.backend.spec.name): \(message)\(session.backend.lastWords)")
    } catch {
      throw .failure("\(session.backend.spec.name) stopped answering: \(error)\(session.backend.lastWords)")
    }
    sample.nanoseconds += Clock.monotonic - start
    Pause.milliseconds(Self.settleMilliseconds)
    sample.processorNanoseconds += (meter?.processorNanoseconds ?? 0) - processorStart
  }

  private mutating func drive(_ sample: inout Sample, from start: Int64, until end: Int64) throws(FrontendError) {
    fill(at: start)
    while true {
      var worked = false
      for (number, lane) in lanes.enumerated() {
        while let used = try lane.take() {
          worked = true
          try take(used, from: lane, number, &sample, until: end)
        }
        lane.flush()
      }
      if worked { continue }
      if lanes.allSatisfy({ $0.inFlightCount == 0 }) { return }
      if lanes.count == 1 {
        try lanes[0].wait(
          pollNanoseconds: settings.pollNanoseconds, timeoutNanoseconds: Self.timeoutNanoseconds)
      } else {
        try waitForAny()
      }
    }
  }

  private mutating func fill(at now: Int64) {
    for (number, lane) in lanes.enumerated() {
      for slot in 0..<slots[number] {
        begun[number][slot] = now
        load.begin(lane, slot)
      }
      lane.flush()
    }
  }

  private mutating func take(
    _ used: (slot: Int, byteCount: Int), from lane: FuseLane, _ number: Int, _ sample: inout Sample, until end: Int64
  ) throws(FrontendError) {
    let progress: LoadProgress
    do throws(LoadError) {
      progress = try load.advance(lane, used.slot, used.byteCount)
    } catch {
      // The others on their way come back first, so that the session can be used again.
      wrong = wrong ?? error.message
      return
    }
    guard case .done(let count) = progress else { return }
    let now = Clock.monotonic
    sample.operations += count
    _ = sample.latencies.record(UInt64(max(now - begun[number][used.slot], 1)))
    guard now < end, wrong == nil else { return }
    begun[number][used.slot] = now
    load.begin(lane, used.slot)
  }

  /// Several queues: the driver looks at each in turn and does not sleep.
  private func waitForAny() throws(FrontendError) {
    let deadline = Clock.monotonic + Self.timeoutNanoseconds
    for lane in lanes { lane.queue.requestInterrupt() }
    while Clock.monotonic < deadline {
      for _ in 0..<64 {
        if lanes.contains(where: { $0.queue.hasUsed }) { return }
        Processors.spinPause()
      }
    }
    throw .timedOut
  }
}
