// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// One run: daemon up, guest through its job, daemon down, and everything both left behind held against each other.

import Foundation
import Testing

/// What posixcheck and the job printed, taken apart.
struct GuestReport: Sendable {
  var status: Int32
  var lines: [Substring]

  init(status: Int32, console: String) {
    self.status = status
    lines = console.split(separator: "\n", omittingEmptySubsequences: false)
  }

  var passed: Int { lines.count { $0.hasPrefix("ok ") } }
  var failures: [Substring] { lines.filter { $0.hasPrefix("not ok ") } }
  var skips: [Substring] { lines.filter { $0.hasPrefix("skip ") } }
  var kernelComplaints: [Substring] {
    lines.filter { line in ["BUG:", "WARNING:", "Oops", "hung_task", "Call Trace"].contains { line.contains($0) } }
  }

  /// The listing between the job's marks of this name.
  func listing(_ name: String) -> [Substring]? {
    guard let start = lines.firstIndex(of: "\(name)-BEGIN"), let end = lines.firstIndex(of: "\(name)-END"), start < end
    else { return nil }
    return Array(lines[(start + 1)..<end])
  }
}

/// The daemon under test, from its start to its end.
final class RunningDaemon {
  private let process: Process
  private let log: URL

  /// Returns when it serves. A socket's file alone would not do: it is there a moment before anybody listens, and a
  /// guest does not try again.
  init(arguments: [String], in home: URL, log: URL) async throws {
    let programs = try #require(GuestRig.programs)
    self.log = log
    process = try makeProcess("\(programs)/martlet-fs", arguments, in: home, output: log)
    try start(process)
    for _ in 0..<6000 where process.isRunning && !logged.contains("] serving ") {
      try await Task.sleep(for: .milliseconds(50))
    }
    if !logged.contains("] serving ") {
      process.terminate()
      throw GuestTrouble("martlet-fs does not serve: \(logged)")
    }
  }

  var logged: String { (try? String(contentsOf: log, encoding: .utf8)) ?? "" }

  /// Ends it if the end of the guest's connection has not, and says how it ended.
  func stop() async throws -> String {
    try await waitForEnd(milliseconds: 1000)
    if process.isRunning { process.terminate() }
    try await waitForEnd(milliseconds: 300_000)
    guard !process.isRunning else {
      kill(process.processIdentifier, SIGKILL)
      return "does not end when asked to (SIGTERM)"
    }
    switch process.terminationReason {
    case .exit: return process.terminationStatus == 0 ? "ended well" : "exit status \(process.terminationStatus)"
    case .uncaughtSignal where process.terminationStatus == 15: return "ended well"
    default: return "ended by signal \(process.terminationStatus)"
    }
  }

  private func waitForEnd(milliseconds: Int) async throws {
    for _ in 0..<(milliseconds / 50) where process.isRunning {
      try await Task.sleep(for: .milliseconds(50))
    }
  }
}

struct GuestTrouble: Error, CustomStringConvertible {
  var description: String
  init(_ description: String) { self.description = description }
}

/// Trusted attributes need a daemon that kept CAP_SYS_ADMIN, which martlet-fs, like virtiofsd, gives up.
let skipsEverywhere = ["trusted attributes may not be set here"]

/// Runs one case and records what is wrong as issues of the calling test.
func check(_ row: GuestCase, on kind: GuestKind, socket: String = "share.sock") async throws {
  let place = try Workplace()
  defer { place.remove() }
  let arguments = ["--socket-path=\(socket)", "--shared-dir=\(place.share.path)"] + row.options
  let daemon = try await RunningDaemon(arguments: arguments, in: place.home, log: place.daemonLog)
  let start = ContinuousClock.now
  let report: GuestReport
  do {
    report = try await runGuest(row, on: kind, socket: socket, in: place)
  } catch {
    _ = try await daemon.stop()
    throw error
  }
  let seconds = (ContinuousClock.now - start).components.seconds
  let end = try await daemon.stop()

  var problems = problems(in: report, of: row)
  problems += try await differences(report, in: place, isRandom: !row.randomRuns(on: kind).isEmpty)
  if end != "ended well" { problems.append("martlet-fs \(end): \(daemon.logged.suffix(2000))") }
  for line in report.lines where line.hasPrefix("ok fsx:") || line.hasPrefix("ok stress:") { print(line) }
  print("\(kind.rawValue) \(row.name): \(report.passed) checks passed, \(report.skips.count) skipped, \(seconds) s")
  if !problems.isEmpty { problems.append("logs: \(place.keepLogs(as: "\(kind.rawValue)-\(row.name)"))") }
  for problem in problems { Issue.record("\(problem)") }
}

private func problems(in report: GuestReport, of row: GuestCase) -> [String] {
  var problems = report.failures.map(String.init) + report.kernelComplaints.map(String.init)
  let allowed = skipsEverywhere + row.expectedSkips
  problems += report.skips.filter { skip in !allowed.contains { skip.contains($0) } }.map { "unexpected: \($0)" }
  if report.passed == 0 { problems.append("not one check passed") }
  if report.status != 0 {
    let tail = report.lines.suffix(12).joined(separator: "\n")
    problems.append("the guest's job ended with \(report.status), its console with:\n\(tail)")
  }
  return problems
}

private func runGuest(
  _ row: GuestCase, on kind: GuestKind, socket: String, in place: Workplace
) async throws -> GuestReport {
  var arguments = ["--share", socket, "--timeout", "1500"] + row.runner
  if !row.words.isEmpty {
    let words = place.home.appending(path: "words")
    try Data(row.words.joined(separator: "\n").utf8).write(to: words)
    arguments += ["--add", "\(words.path):words"]
  }
  let random = row.randomRuns(on: kind)
  if !random.isEmpty {
    let file = place.home.appending(path: "random")
    try Data(random.map { $0 + "\n" }.joined().utf8).write(to: file)
    arguments += ["--add", "\(file.path):random"]
  }
  arguments.append(GuestRig.rig.appending(path: "jobs/check").path)
  let status = try await runToEnd(
    GuestRig.rig.appending(path: "run-\(kind.rawValue)").path, arguments, in: place.home, output: place.console)
  let console = try String(decoding: Data(contentsOf: place.console), as: UTF8.self)
  return GuestReport(status: status, console: console)
}

/// The guest's view of the tree, and what it wrote, against the host's own eyes.
private func differences(_ report: GuestReport, in place: Workplace, isRandom: Bool) async throws -> [String] {
  guard let seen = report.listing("TREE") else { return ["the guest showed no tree"] }
  var problems: [String] = []
  func compare(_ name: String, _ seen: [Substring], _ options: [String] = []) async throws {
    let own = try await listing(name, in: place, options)
    let odd = Set(own).symmetricDifference(seen).sorted()
    if !odd.isEmpty { problems.append("host and guest differ over \(name): \(odd.prefix(10).joined(separator: "\n"))") }
  }
  for name in ["tree", "copy"] { try await compare(name, seen) }
  if isRandom {
    guard let stressed = report.listing("STRESS") else { return problems + ["the guest showed no tree of stress"] }
    // One file system seen from both sides: link counts and attributes are the same too.
    try await compare("stress", stressed, ["--links"])
  }
  let written = try? String(contentsOf: place.share.appending(path: "from-guest.txt"), encoding: .utf8)
  if written != "written by the guest\n" { problems.append("the guest's file reads \(written ?? "not at all")") }
  if FileManager.default.fileExists(atPath: place.share.appending(path: "checks").path) {
    problems.append("the checks' directory is still there")
  }
  return problems
}

private func listing(_ name: String, in place: Workplace, _ options: [String]) async throws -> [Substring] {
  let guests = try #require(GuestRig.guests)
  let output = place.home.appending(path: "listing")
  let path = place.share.appending(path: name).path
  let status = try await runToEnd("\(guests)/posixcheck", ["tree"] + options + [path], in: place.home, output: output)
  let text = try String(decoding: Data(contentsOf: output), as: UTF8.self)
  guard status == 0 else { throw GuestTrouble("posixcheck tree \(name): \(text)") }
  return text.split(separator: "\n")
}

/// Guest images of another Debian suite, beside the given ones; fetched when they are not there.
func prepareGuests(suite: String) async throws -> String {
  let guests = try #require(GuestRig.guests) + "-\(suite)"
  let log = FileManager.default.temporaryDirectory.appending(path: "martlet-prepare-\(UUID().uuidString.prefix(8))")
  defer { try? FileManager.default.removeItem(at: log) }
  let words = ["MARTLET_GUEST_SUITE=\(suite)", "MARTLET_GUEST_DIR=\(guests)"]
  let arguments = words + [GuestRig.rig.appending(path: "prepare").path, "--no-uml"]
  let status = try await runToEnd("/usr/bin/env", arguments, in: GuestRig.rig, output: log)
  guard status == 0 else { throw GuestTrouble((try? String(contentsOf: log, encoding: .utf8)) ?? "prepare failed") }
  return guests
}
