// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// What a running daemon tells through the tool. Invariants: text and JSON say the same; what was done to the share
/// through a mount is what is counted and timed; what is wrong is one sentence and exit code 1.
@Suite(.enabled(if: Programs.isThere, Programs.missing), .timeLimit(.minutes(30)))
struct StatusTests {
  private let control = "/tmp/mtt-control-\(UInt32.random(in: .min ... .max))"

  private func folder(_ more: String...) async throws -> SharedFolder {
    try await SharedFolder(options: ["--on-disconnect=relisten", "--control-socket=\(control)"] + more)
  }

  private func status(_ words: String...) async throws -> Outcome {
    try await RunningProgram.martlet(["status", "--control-socket", control] + words)
  }

  private func object(_ outcome: Outcome) throws -> [String: Any] {
    try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
  }

  @Test func tellsWhatWasDoneToTheShare() async throws {
    let folder = try await folder()
    let before = try await status()
    #expect(before.status == 0 && before.errors.isEmpty)
    #expect(before.output.hasPrefix("martlet-fs "))
    #expect(before.output.contains("\ndata: socket \(folder.socket), frontend none\n"))
    #expect(before.output.contains("\nno operation yet\n"))
    // A frontend comes and goes.
    let inspected = try await RunningProgram.martlet(["inspect", "--socket", folder.socket])
    #expect(inspected.status == 0)
    let json = try object(try await status("data", "--json"))
    #expect(json["program"] as? String == "martlet-fs")
    #expect(json["log_level"] as? String == "info")
    let endpoints = try #require(json["endpoints"] as? [[String: Any]])
    #expect(endpoints.count == 1)
    #expect(endpoints[0]["name"] as? String == "data")
    #expect(endpoints[0]["sessions"] as? Int == 1)
    #expect((endpoints[0]["messages"] as? Int ?? 0) > 2)
    #expect((endpoints[0]["operations"] as? [Any])?.isEmpty == true)
  }

  @Test(.enabled(if: Programs.canMount, Programs.cannotMount)) func operationsHaveTheirTimes() async throws {
    let mounted = try await MountedShare(options: ["--control-socket=\(control)"])
    for number in 0..<5 { try "text".write(toFile: "\(mounted.tree)/\(number)", atomically: false, encoding: .utf8) }
    let json = try object(try await status("--json"))
    let endpoints = try #require(json["endpoints"] as? [[String: Any]])
    let operations = try #require(endpoints[0]["operations"] as? [[String: Any]])
    #expect(operations.first { $0["name"] as? String == "create" }?["count"] as? Int == 5)
    for operation in operations {
      let times = try #require(operation["latency_ns"] as? [String: Int])
      let ordered = [times["p50"], times["p99"], times["p99.9"], times["longest"]].map { $0 ?? -1 }
      #expect(ordered == ordered.sorted() && ordered[0] >= 0, "\(operation)")
      let queues = try #require(operation["queues"] as? [[String: Any]])
      let counts = queues.compactMap { $0["count"] as? Int }
      #expect(counts.reduce(0, +) == operation["count"] as? Int)
    }
    let text = try await status()
    #expect(text.output.contains("\ncreate "), "\(text.output)")
    let other = try await RunningProgram.martlet(["control", "--control-socket", control, "log-level", "debug"])
    #expect(other.status == 0 && other.output == "debug\n")
    #expect(try await mounted.end().status == 0)
  }

  @Test func whatIsWrongIsOneSentence() async throws {
    let folder = try await folder()
    let unknown = try await status("nothing")
    #expect(unknown.status == 1 && unknown.output.isEmpty)
    #expect(unknown.errors == "martlet: there is no endpoint 'nothing'; ask for 'list'\n")
    let json = try await status("nothing", "--json")
    #expect(json.status == 1)
    #expect(try object(json)["error"] as? String == "there is no endpoint 'nothing'; ask for 'list'")
    let absent = try await RunningProgram.martlet(["status", "--control-socket", control + "x"])
    #expect(absent.status == 1 && absent.errorLines.count == 1)
    #expect(absent.errors.contains("there is no socket '\(control)x'; start the daemon with --control-socket"))
    let missing = try await RunningProgram.martlet(["status"])
    #expect(missing.status == 2 && missing.errorLines.count == 1)
    // A vhost-user socket is no control socket: it says nothing.
    let wrong = try await RunningProgram.martlet(["status", "--control-socket", folder.socket, "--timeout=1"])
    #expect(wrong.status == 1 && wrong.errorLines.count == 1)
  }
}
