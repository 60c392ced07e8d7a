// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Linux
import Testing
import VhostUser

@testable import Daemon

/// What people read: times, levels, counters.
@Suite struct TextTests {
  @Test(
    arguments: [
      (0, "1970-01-01T00:00:00Z"), (951_782_400, "2000-02-29T00:00:00Z"), (1_795_411_554, "2026-11-23T05:25:54Z"),
      (4_102_444_799, "2099-12-31T23:59:59Z"), (-1, "1969-12-31T23:59:59Z"),
    ] as [(Int64, String)])
  func timesAreThoseOfTheCalendar(_ seconds: Int64, _ text: String) {
    #expect(LogTime.text(WallClock(seconds: seconds, nanoseconds: 0)) == text)
  }

  @Test(
    arguments: [
      ("debug", .debug), ("WARN", .warn), ("off", .off), ("virtiofsd=debug", .debug), ("info,virtiofsd=trace", .info),
      ("vhost=error,virtiofsd=debug", .debug), ("a=off,b=error", .error), ("", nil), ("virtiofsd", nil),
    ] as [(String, LogThreshold?)])
  func theEnvironmentsSpellingsOfALevel(_ text: String, _ level: LogThreshold?) {
    #expect(LogThreshold.parsing(environment: text) == level)
  }

  @Test func countersAreOneLineEachTheExpensiveFirst() {
    var statistics = EndpointStatistics()
    statistics.chains = 7
    let report = CounterReport(
      name: "store", statistics: statistics,
      operations: [
        OperationReading(name: "LOOKUP", count: 5),
        OperationReading(name: "READ", count: 2, errors: 1, totalNanoseconds: 5000, longestNanoseconds: 4321),
        OperationReading(name: "WRITE", count: 0),
      ])
    #expect(
      report.lines == [
        "store: sessions 0, messages 0 (refused 0), requests 7, kicks 0, calls 0, faults 0",
        "store: READ 2, errors 1, mean 2.5 us, longest 4.3 us",
        "store: LOOKUP 5, errors 0",
      ])
  }

  @Test func capabilitiesAreJSON() {
    let program = Program(name: "p", version: "1", deviceType: "fs", features: ["a", "b"])
    #expect(program.capabilitiesJSON == "{\n  \"type\": \"fs\",\n  \"features\": [\n    \"a\",\n    \"b\"\n  ]\n}\n")
    let plain = Program(name: "p", version: "1", deviceType: "fs", features: [])
    #expect(plain.capabilitiesJSON == "{\n  \"type\": \"fs\",\n  \"features\": []\n}\n")
  }
}
