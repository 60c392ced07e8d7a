// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The host loses its power while a guest writes: the guest, martlet-blk and the page cache are gone at once. The image
// lies on a disk that has then forgotten what was not synced (Tests/FaultDisk).

import Foundation
import Support
import Testing

/// One row: how the daemon is started, and how often the lights go out.
struct HostLoss: Sendable, CustomTestStringConvertible {
  var name: String
  var options: [String]
  var rounds: Int
  var testDescription: String { name }
}

extension Guests {
  /// Invariants: what the guest has flushed is on the disk; a sector holds what was written to it once, and nothing
  /// older than what was flushed.
  @Suite(
    .serialized, .enabled(if: VolumeRig.hasGuest(.qemu), VolumeRig.unavailable),
    .enabled(if: FaultDisk.isThere, Comment(rawValue: FaultDisk.why)))
  struct HostLossTests {
    @Test(
      "nothing flushed is lost when the host loses its power", .timeLimit(.minutes(30)),
      arguments: [HostLoss(name: "cached", options: [], rounds: 1)])
    func powerIsLost(row: HostLoss) async throws {
      for round in 1...row.rounds { try await HostLossRun(row, round).run() }
    }

    @Test(
      "nothing flushed is lost when the host loses its power again and again",
      .enabled(if: GuestRig.isSlow, GuestRig.slowOnly), .timeLimit(.minutes(30)),
      arguments: [
        HostLoss(name: "direct-5", options: ["--direct"], rounds: 5),
        HostLoss(name: "threads-5", options: ["--engine=threads"], rounds: 5),
        HostLoss(name: "writethrough-5", options: ["--cache=writethrough"], rounds: 5),
      ])
    func powerIsLostAgain(row: HostLoss) async throws {
      for round in 1...row.rounds { try await HostLossRun(row, round).run() }
    }
  }
}

private struct HostLossRun {
  let row: HostLoss
  let round: Int
  let place: Support.Workplace
  private static let threads = 8

  init(_ row: HostLoss, _ round: Int) throws {
    self.row = row
    self.round = round
    place = try Support.Workplace()
  }

  func run() async throws {
    let seed = "--seed \(GuestRig.seed) --threads \(Self.threads)"
    let disk = try FaultDisk(byteCount: 16 * VolumeRig.mebibyte)
    let options = try place.write("options", seed + "\n")
    let daemon = try await VolumeDaemon(
      ["--blk-file=\(disk.image)", "--socket-path=raw.sock", "--serial=RAW-1", "--num-queues=2"] + row.options,
      sockets: ["raw.sock"], in: place)
    let guest = try VolumeGuest(
      .qemu, ["--volume", "raw.sock,num-queues=2", "--add", "\(options):options"], job: "powercut", in: place)
    var problems: [String] = []
    do {
      for _ in 0..<3 { try await guest.waitForProgress(of: Self.threads) }
      try await Task.sleep(for: .milliseconds(Int.random(in: 0...700)))
      for process in daemon.processes.reversed() { _ = Glibc.kill(process, SIGKILL) }
      _ = try await daemon.program.wait()
      guest.end()
      try disk.losePower(seed: GuestRig.seed &+ UInt64(round))
      problems += try await VolumeCheck.verify(disk.medium, seed, guest, in: place)
    } catch {
      guest.end()
      problems.append("\(error)")
    }
    let flushed = guest.console.split(separator: "\n").count { $0.hasPrefix("ACK ") }
    print("power of the host \(row.name), round \(round): \(flushed) flushed batches")
    record(
      problems, of: "host-loss-\(row.name)",
      logs: ["console": guest.console, "runner": guest.runner.log, "daemon.log": daemon.program.log])
  }
}
