// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The backend of a volume is killed in the middle of its work, again and again, while a guest in QEMU writes, flushes
// and reads back. QEMU comes back to the next one with the requests that the last one left (INFLIGHT_SHMFD).

import Foundation
import Support
import Testing

/// One row: how the daemon is started, and how often it dies.
struct PowerCut: Sendable, CustomTestStringConvertible {
  var name: String
  var options: [String]
  var queueCount = 2
  /// Properties of QEMU's device.
  var properties = ""
  var rounds: Int
  /// Under the newest QEMU that there is, not the system's.
  var isNewest = false
  var testDescription: String { name }
}

extension Guests {
  /// Invariants: what the guest has flushed is in the image, whenever the backend dies; the guest reads what it wrote
  /// last, nothing older and nothing else; it sees no error and does not stop.
  @Suite(.serialized, .enabled(if: VolumeRig.hasGuest(.qemu), VolumeRig.unavailable)) struct PowerCutTests {
    @Test(
      "nothing flushed is lost when the backend is killed", .timeLimit(.minutes(30)),
      arguments: [
        PowerCut(name: "direct", options: ["--direct=prefer"], rounds: 5),
        // Whatever is held back by the limit is in flight at every kill.
        PowerCut(name: "packed-limited", options: ["--iops=100"], properties: ",packed=on", rounds: 5),
      ])
    func killed(row: PowerCut) async throws {
      try await PowerCutRun(row).run()
    }

    @Test(
      "nothing flushed is lost when the backend is killed fifty times",
      .enabled(if: GuestRig.isSlow, GuestRig.slowOnly), .timeLimit(.minutes(30)),
      arguments: [
        PowerCut(name: "cached-50", options: [], rounds: 50),
        PowerCut(name: "direct-50", options: ["--direct"], rounds: 50),
        PowerCut(name: "limited-50", options: ["--direct", "--iops=100"], rounds: 50),
        PowerCut(name: "packed-50", options: ["--direct"], properties: ",packed=on", rounds: 50),
        PowerCut(name: "threads-50", options: ["--engine=threads", "--direct"], queueCount: 1, rounds: 50),
      ])
    func killedFiftyTimes(row: PowerCut) async throws {
      try await PowerCutRun(row).run()
    }

    @Test(
      "nor is it under the newest QEMU", .enabled(if: VolumeRig.newestQEMU != nil, VolumeRig.noNewestQEMU),
      .enabled(if: GuestRig.isSlow, GuestRig.slowOnly), .timeLimit(.minutes(30)),
      arguments: [
        PowerCut(name: "newest", options: ["--direct"], rounds: 20, isNewest: true),
        PowerCut(name: "newest-packed", options: [], properties: ",packed=on", rounds: 20, isNewest: true),
      ])
    func killedUnderTheNewest(row: PowerCut) async throws {
      try await PowerCutRun(row).run()
    }
  }
}

private struct PowerCutRun {
  let row: PowerCut
  let place: Support.Workplace
  private static let bytes = 16 * VolumeRig.mebibyte
  private static let endBytes = 24 * VolumeRig.mebibyte
  private static let threads = 8

  init(_ row: PowerCut) throws {
    self.row = row
    place = try Support.Workplace()
  }

  private var seed: String { "--seed \(GuestRig.seed) --threads \(Self.threads)" }

  private func startDaemon() async throws -> VolumeDaemon {
    try await VolumeDaemon(
      [
        "--blk-file=raw.img", "--socket-path=raw.sock", "--serial=RAW-1", "--num-queues=\(row.queueCount)",
        "--log-level=info",
      ] + row.options, sockets: ["raw.sock"], in: place)
  }

  func run() async throws {
    try VolumeRig.resize(place.file("raw.img"), to: Self.bytes)
    let options = try place.write("options", "\(seed) --until-size \(Self.endBytes)\n")
    var daemon = try await startDaemon()
    let start = ContinuousClock.now
    let guest = try VolumeGuest(
      .qemu,
      [
        "--reconnect", "--volume", "raw.sock,num-queues=\(row.queueCount)\(row.properties)", "--add",
        "\(options):options",
      ] + (row.isNewest ? ["--qemu", try #require(VolumeRig.newestQEMU)] : []),
      job: "powercut", in: place)
    var (problems, logs, left) = ([String](), "", 0)
    do {
      for round in 1...row.rounds {
        try await guest.waitForProgress(of: Self.threads)
        try await Task.sleep(for: .milliseconds(Int.random(in: 0...700)))
        try await kill(daemon, round)
        let log = daemon.program.log
        left += requestsTakenOver(log)
        logs += "--- \(round)\n\(log)"
        problems += try await VolumeCheck.verify("raw.img", seed, guest, in: place).map { "round \(round): \($0)" }
        if !problems.isEmpty { break }
        daemon = try await startDaemon()
      }
      if problems.isEmpty {
        try await guest.waitForProgress(of: Self.threads)
        try VolumeRig.resize(place.file("raw.img"), to: Self.endBytes)
        let report = try await guest.waitForEnd()
        problems += report.problems
        problems += try await VolumeCheck.verify("raw.img", "--exact \(seed)", guest, in: place)
      }
    } catch {
      problems.append("\(error)")
    }
    guest.end()
    left += requestsTakenOver(daemon.program.log)
    if let trouble = try await daemon.stop(), problems.isEmpty { problems.append(trouble) }
    // A few kills may all come between two requests of a slow guest.
    let mustLeave = row.rounds >= 50 || row.options.contains("--iops=100")
    if left == 0, mustLeave { problems.append("no request was in flight at any of \(row.rounds) kills") }
    let seconds = (ContinuousClock.now - start).components.seconds
    print(
      "power cut \(row.name): \(row.rounds) kills, \(left) requests done again, \(reports(guest)) flushed batches, "
        + "\(seconds) s")
    record(
      problems, of: "power-cut-\(row.name)",
      logs: ["console": guest.console, "runner": guest.runner.log, "daemon.log": logs + daemon.program.log])
  }

  private func reports(_ guest: VolumeGuest) -> Int {
    guest.console.split(separator: "\n").count { $0.hasPrefix("ACK ") }
  }

  /// The serving process crashes, both do, or the waiting one does and takes the other with it.
  private func kill(_ daemon: VolumeDaemon, _ round: Int) async throws {
    let processes = daemon.processes
    let victims =
      switch round % 3 {
      case 0: Array(processes.prefix(1))
      case 1: Array(processes.dropFirst())
      default: processes
      }
    for victim in victims.reversed() { _ = Glibc.kill(victim, SIGKILL) }
    _ = try await daemon.program.wait()
    for _ in 0..<30_000 where processes.contains(where: { Glibc.kill($0, 0) == 0 }) {
      try await Task.sleep(for: .milliseconds(10))
    }
  }

  private func requestsTakenOver(_ log: String) -> Int {
    log.split(separator: "\n").reduce(0) { sum, line in
      guard line.contains("left are done again") else { return sum }
      return sum + (line.split(separator: " ").compactMap { Int($0) }.last ?? 0)
    }
  }
}
