// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Linux
import Testing
import VhostUser
import Virtio

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

  /// The times of one queue.
  private func latency(_ nanoseconds: [Int64]) throws -> LatencySnapshot {
    let memory = try ZeroedMemory(byteCount: LatencyTable.byteCount(rows: 1))
    let table = try #require(LatencyTable(memory: memory.segment, rows: 1, owner: memory))
    for time in nanoseconds { table.record(0, nanoseconds: time) }
    return table.snapshot(0)
  }

  private func report() throws -> CounterReport {
    var statistics = EndpointStatistics()
    statistics.chains = 7
    return CounterReport(
      name: "store", statistics: statistics,
      operations: [
        OperationReading(name: "LOOKUP", queue: 1, count: 5),
        OperationReading(name: "READ", queue: 1, count: 1, latency: try latency([679])),
        OperationReading(name: "READ", queue: 2, count: 1, errors: 1, latency: try latency([4321])),
        OperationReading(name: "WRITE", count: 0),
      ])
  }

  @Test func countersAreOneLineEachTheExpensiveFirst() throws {
    #expect(
      try report().lines == [
        "store: sessions 0, messages 0 (refused 0), requests 7, kicks 0, calls 0, faults 0",
        "store: READ 2, errors 1, mean 2.5 us, p50 0.7 us, p99 4.3 us, longest 4.3 us",
        "store: LOOKUP 5, errors 0",
      ])
  }

  @Test func latenciesAreATable() throws {
    #expect(
      try report().latencyText == """
        operation  count  errors  mean us  p50 us  p99 us  p99.9 us  longest us
        READ           2       1      2.5     0.7     4.3       4.3         4.3
        LOOKUP         5       0        -       -       -         -           -

        """)
  }

  @Test func latenciesOfEachQueueAreInTheJSON() throws {
    let read =
      #""operations":[{"name":"READ","count":2,"errors":1,"latency_ns":"#
      + #"{"mean":2500,"p50":703,"p99":4321,"p99.9":4321,"longest":4321},"queues":["#
      + #"{"queue":1,"count":1,"errors":0,"latency_ns":"#
      + #"{"mean":679,"p50":679,"p99":679,"p99.9":679,"longest":679}},{"queue":2,"#
    #expect(JSON.object([try report().latencyMember]).line.contains(read))
    let lookup = #"{"name":"LOOKUP","count":5,"errors":0,"latency_ns":null,"queues":["#
    #expect(JSON.object([try report().latencyMember]).line.contains(lookup))
  }

  @Test func capabilitiesAreJSON() {
    let program = Program(name: "p", version: "1", deviceType: "fs", features: ["a", "b"])
    #expect(program.capabilitiesJSON == "{\n  \"type\": \"fs\",\n  \"features\": [\n    \"a\",\n    \"b\"\n  ]\n}\n")
    let plain = Program(name: "p", version: "1", deviceType: "fs", features: [])
    #expect(plain.capabilitiesJSON == "{\n  \"type\": \"fs\",\n  \"features\": []\n}\n")
  }
}
