// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A report for programs, and for a later run of this one: what is in the file is what is in memory. Whole numbers only:
// times are nanoseconds, ratios percents. The members whose names begin with "median_" or "ours_" follow from the
// others and are for readers; they are not read back.

extension Report {
  static let version: Int64 = 1

  var json: JSON {
    .object([
      "martlet_bench": .number(Report.version),
      "facts": .object(facts.map { JSON.Member(name: $0.name, value: .string($0.value)) }),
      "results": .array(comparisons.map { $0.json }),
    ])
  }

  /// Nil for a text that no run of this version wrote.
  init?(json: JSON) {
    guard json["martlet_bench"]?.number == Report.version, let results = json["results"] else { return nil }
    facts = (json["facts"]?.members ?? []).map { ($0.name, $0.value.string ?? "") }
    for element in results.elements {
      guard let comparison = Comparison(json: element) else { return nil }
      comparisons.append(comparison)
    }
  }

  fileprivate static func whole(_ value: Double?, times factor: Double = 1) -> JSON {
    guard let value, value.isFinite, abs(value * factor) < 9e15 else { return .null }
    return .number(Int64((value * factor).rounded()))
  }
}

extension Comparison {
  fileprivate var json: JSON {
    .object([
      "mode": .string(mode),
      "work": .string(work),
      "depth": .number(Int64(depth)),
      "jobs": .number(Int64(jobs)),
      "goals": goals.json,
      "contestants": .array(outcomes.map { $0.json(in: self) }),
    ])
  }

  fileprivate init?(json: JSON) {
    guard let mode = json["mode"]?.string, let work = json["work"]?.string, let depth = json["depth"]?.number,
      let jobs = json["jobs"]?.number
    else { return nil }
    self.init(
      mode: mode, work: work, depth: Int(depth), jobs: Int(jobs), goals: Goals(json: json["goals"]),
      outcomes: (json["contestants"]?.elements ?? []).compactMap { Outcome(json: $0) })
  }
}

extension Goals {
  fileprivate var json: JSON {
    .object([
      "speed_percent": Report.whole(speed, times: 100),
      "processor_percent": Report.whole(processor, times: 100),
      "calls_percent": Report.whole(calls, times: 100),
      "calls_per_1000": Report.whole(absoluteCalls, times: 1000),
      "reference_percent": Report.whole(reference, times: 100),
      "latency_us": Report.whole(latency),
    ])
  }

  fileprivate init(json: JSON?) {
    let part = { (name: String, factor: Double) in json?[name]?.number.map { Double($0) / factor } }
    self.init(
      speed: part("speed_percent", 100), processor: part("processor_percent", 100), calls: part("calls_percent", 100),
      absoluteCalls: part("calls_per_1000", 1000), reference: part("reference_percent", 100),
      latency: part("latency_us", 1))
  }
}

extension Outcome {
  fileprivate func json(in comparison: Comparison) -> JSON {
    .object([
      "name": .string(name),
      "role": .string(role.rawValue),
      "rounds": .array(
        rounds.map { round in
          .object([
            "operations": .number(Int64(round.operations)),
            "nanoseconds": .number(round.nanoseconds),
            "processor_nanoseconds": .number(round.processorNanoseconds),
            "bytes_per_inode": Report.whole(round.inodeBytes),
            "shown_frames": round.shownFrames.map { .number(Int64($0)) } ?? .null,
            "copied_bytes": round.copiedBytes.map { .number($0) } ?? .null,
          ])
        }),
      "latency_ns": latencies.isEmpty
        ? .null
        : .object(
          zip(Outcome.percentileNames, latencies).map { JSON.Member(name: $0, value: .count($1)) }),
      "system_calls": systemCalls.map { counted in
        .object([
          "operations": .number(Int64(counted.operations)),
          "calls": .object(counted.calls.map { JSON.Member(name: $0.name, value: .number(Int64($0.count))) }),
        ])
      } ?? .null,
      "anonymous_bytes": residentBytes.map { .number($0) } ?? .null,
      "failure": failure.map { .string($0) } ?? .null,
      "median_per_second": Report.whole(perSecond?.median),
      "median_processor_ns": Report.whole(processorMicroseconds?.median, times: 1000),
      "ours_over_this_percent": role == .ours
        ? .null : Report.whole(comparison.ours?.ratio(to: self)?.median, times: 100),
    ])
  }

  fileprivate init?(json: JSON) {
    guard let name = json["name"]?.string, let role = json["role"]?.string.flatMap({ Role(rawValue: $0) }) else {
      return nil
    }
    self.init(name: name, role: role)
    rounds = (json["rounds"]?.elements ?? []).map { round in
      Round(
        operations: Int(round["operations"]?.number ?? 0), nanoseconds: round["nanoseconds"]?.number ?? 0,
        processorNanoseconds: round["processor_nanoseconds"]?.number ?? 0,
        inodeBytes: round["bytes_per_inode"]?.number.map { Double($0) },
        shownFrames: round["shown_frames"]?.number.map { Int($0) }, copiedBytes: round["copied_bytes"]?.number)
    }
    latencies = (json["latency_ns"]?.members ?? []).map { UInt64(max($0.value.number ?? 0, 0)) }
    if let counted = json["system_calls"], let operations = counted["operations"]?.number {
      systemCalls = SystemCallCount(
        operations: Int(operations),
        calls: (counted["calls"]?.members ?? []).map { ($0.name, Int($0.value.number ?? 0)) })
    }
    residentBytes = json["anonymous_bytes"]?.number
    failure = json["failure"]?.string
  }
}
