// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// libblkio's virtio-blk-vhost-user driver, the one behind QEMU's block driver and fio's engine of that name, without a
// guest: it maps memory of odd sizes, connects twice, and asks for the protocol features by name.

import Foundation
import Support
import Testing

/// Invariants: see Tests/Guests/blkio/blkiocheck.c, which says "ok" to each.
@Suite(.serialized, .enabled(if: VolumeRig.hasLibblkio, VolumeRig.noLibblkio))
struct LibblkioTests {
  @Test(
    "libblkio reads back what it wrote, zeroed and discarded", .timeLimit(.minutes(30)),
    arguments: [
      [], ["--direct=prefer"], ["--engine=threads"], ["--engine=threads", "--direct=prefer"], ["--cache=writethrough"],
    ])
  func libblkio(options: [String]) async throws {
    let place = try Support.Workplace()
    try VolumeRig.resize(place.file("disk.img"), to: 16 * VolumeRig.mebibyte)
    let daemon = try await VolumeDaemon(
      ["--blk-file=disk.img", "--socket-path=disk.sock", "--num-queues=2"] + options, sockets: ["disk.sock"], in: place)
    let client = try RunningProgram(
      [try VolumeRig.prepared("blkiocheck"), "disk.sock", "disk.img", "\(GuestRig.seed)"], in: place)
    let outcome = try await client.wait()
    print("libblkio \(options.joined(separator: " ")):\n\(outcome.output)", terminator: "")
    #expect(outcome.code == 0, "seed \(GuestRig.seed): \(outcome.output)\(outcome.errors)\(daemon.program.log)")
    #expect(outcome.output.split(separator: "\n").count { $0.hasPrefix("ok blkio: ") } == 4)
    #expect(try await daemon.stop() == nil)
  }
}
