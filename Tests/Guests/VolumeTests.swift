// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Debian's kernel and its virtio-blk driver on volumes of martlet-blk, the guest's own root among them. One boot does
// many checks, because emulation is slow; the guest's part is rig/jobs/volume.

import Foundation
import Support
import Testing

extension Guests {
  /// Invariants: a guest that lives on its volumes finds in them what it wrote, over a reboot and over a reset in the
  /// middle of its writing; what it trims the host gets back; what the host adds the guest sees; file systems are whole
  /// from both sides; what was flushed is in the image; the daemon ends well.
  @Suite(.serialized) struct VolumeTests {
    @Test(
      "a guest in QEMU lives on its volumes",
      .enabled(if: VolumeRig.hasGuest(.qemu), VolumeRig.unavailable), .timeLimit(.minutes(30)))
    func qemu() async throws {
      try await VolumeLife(.qemu).run()
    }

    @Test(
      "a guest in User-mode Linux lives on its volumes",
      .enabled(if: VolumeRig.hasGuest(.uml), VolumeRig.unavailable), .timeLimit(.minutes(30)))
    func userModeLinux() async throws {
      try await VolumeLife(.uml).run()
    }

    @Test(
      "volumes behind virtio-mmio are as good",
      .enabled(if: VolumeRig.hasGuest(.qemu), VolumeRig.unavailable),
      .enabled(if: GuestRig.isSlow, GuestRig.slowOnly), .timeLimit(.minutes(30)))
    func microvm() async throws {
      try await VolumeLife(.qemu, name: "microvm", runner: ["--machine", "microvm"], reboots: false).run()
    }

    @Test(
      "a newer kernel lives on its volumes", .enabled(if: VolumeRig.hasGuest(.qemu), VolumeRig.unavailable),
      .enabled(if: GuestRig.isSlow, GuestRig.slowOnly), .timeLimit(.minutes(30)))
    func newerKernel() async throws {
      let guests = try await prepareGuests(suite: "trixie")
      try await VolumeLife(.qemu, name: "trixie", runner: ["--guests", guests]).run()
    }

    @Test(
      "the newest QEMU lives on its volumes, through packed rings all",
      .enabled(if: VolumeRig.newestQEMU != nil, VolumeRig.noNewestQEMU),
      .enabled(if: GuestRig.isSlow, GuestRig.slowOnly), .timeLimit(.minutes(30)))
    func newestQEMU() async throws {
      let qemu = try #require(VolumeRig.newestQEMU)
      try await VolumeLife(.qemu, name: "newest-qemu", runner: ["--qemu", qemu, "--packed"]).run()
    }
  }
}

/// One guest's life, and the host's part in it.
private struct VolumeLife {
  let kind: GuestKind
  let name: String
  let runner: [String]
  /// The guest has three lives: a reboot and a reset lie between them.
  let reboots: Bool
  let place: Support.Workplace
  private static let grown = 192 * VolumeRig.mebibyte
  /// The image holds file systems' own data and a few small files then, and the guest has written much more.
  private static let mostAfterTrim = 24 * VolumeRig.mebibyte

  /// - Parameter runner: more options of the rig's script.
  init(_ kind: GuestKind, name: String = "volumes", runner: [String] = [], reboots: Bool? = nil) throws {
    self.kind = kind
    self.name = name
    self.runner = runner
    // User-mode Linux has one life, and volumes with one queue.
    self.reboots = reboots ?? (kind == .qemu)
    place = try Support.Workplace()
  }

  private var queueCount: Int { kind == .qemu ? 2 : 1 }

  func run() async throws {
    try await makeReadOnlyImage()
    let daemon = try await VolumeDaemon(
      try volumeOptions(), sockets: ["root.sock", "data.sock", "read-only.sock", "raw.sock", "control.sock"], in: place)
    let start = ContinuousClock.now
    let guest = try VolumeGuest(kind, try guestOptions(), job: "volume", in: place)
    var problems: [String] = []
    do {
      problems += try await playTheHost(guest)
      let report = try await guest.waitForEnd()
      problems += report.problems
      let seconds = (ContinuousClock.now - start).components.seconds
      print("\(kind.rawValue) \(name): \(report.passed) checks passed, \(seconds) s")
    } catch {
      guest.end()
      problems.append("\(error)")
    }
    if let trouble = try await daemon.stop() { problems.append(trouble) }
    if problems.isEmpty { problems += try await lookAtImages(guest) }
    record(
      problems, of: "\(kind.rawValue)-\(name)",
      logs: ["console": guest.console, "runner": guest.runner.log, "daemon.log": daemon.program.log])
  }

  private func makeReadOnlyImage() async throws {
    try place.makeDirectory("content")
    try place.write("content/from-host", "written by the host\n")
    let image = place.file("read-only.img")
    try VolumeRig.resize(image, to: 16 * VolumeRig.mebibyte)
    try await VolumeRig.run(["/sbin/mkfs.ext4", "-q", "-d", place.file("content"), image], in: place)
  }

  /// Four volumes in one process, each another way; the daemon itself makes the root's file system.
  private func volumeOptions() throws -> [String] {
    let tree = try VolumeRig.prepared("root")
    let volumes = [
      "root,serial=ROOT-1,create,size=320M,fs-type=ext4,label=martlet-root,mkfs-arg=-d,mkfs-arg=\(tree)",
      "data,serial=DATA-1,create,size=128M,direct,num-queues=\(queueCount)",
      "read-only,serial=READ-ONLY-1,read-only,engine=threads",
      "raw,serial=RAW-1,create,size=32M,direct,num-queues=\(queueCount)",
    ]
    return ["--control-socket", "control.sock"]
      + volumes.flatMap { volume in
        let name = volume.split(separator: ",")[0]
        return ["--volume", "image=\(name).img,socket=\(name).sock\(volume.dropFirst(name.count))"]
      }
  }

  private func guestOptions() throws -> [String] {
    let settings = try place.write(
      "settings",
      """
      queues=\(queueCount)
      grown=\(Self.grown)
      reboots=\(reboots ? "yes" : "no")
      seed=\(GuestRig.seed)

      """)
    let root = try place.write("root-serial", "ROOT-1\n")
    var options = ["--add", "\(settings):settings", "--add", "\(root):root"]
    for name in ["root", "data", "read-only", "raw"] {
      let queues = ["data", "raw"].contains(name) ? queueCount : 1
      // Both kinds of rings in one machine.
      let properties = ",num-queues=\(queues),packed=\(name == "data" ? "on" : "off")"
      options += ["--volume", "\(name).sock" + (kind == .qemu ? properties : "")]
    }
    return options + runner + (reboots ? ["--reboots", "--monitor", place.file("monitor")] : [])
  }

  /// What happens to the guest from outside.
  private func playTheHost(_ guest: VolumeGuest) async throws -> [String] {
    var problems: [String] = []
    try await guest.wait(for: "STEP trimmed")
    let image = place.file("data.img")
    let allocated = try VolumeRig.allocatedBytes(image)
    if allocated > Self.mostAfterTrim { problems.append("the image takes \(allocated) bytes after it was trimmed") }
    guard reboots else {
      // Nobody is told: the daemon looks for itself once a second.
      try VolumeRig.resize(image, to: Self.grown)
      return problems
    }
    try await VolumeRig.run(
      [
        BuildFolder.program("martlet"), "control", "--control-socket", "control.sock", "resize", "data.img",
        "\(Self.grown / VolumeRig.mebibyte)M",
      ], in: place)
    // The second boot writes until it is reset in the middle of that.
    try await guest.runner.waitUntil("writing after the reboot", seconds: 1400) {
      guest.console.split(separator: "\n").count { $0.hasPrefix("ACK ") } >= 64
    }
    let monitor = try FileHandle(forWritingTo: URL(filePath: place.file("monitor.in")))
    try monitor.write(contentsOf: Data(#"{"execute":"qmp_capabilities"}{"execute":"system_reset"}"#.utf8))
    try monitor.close()
    return problems
  }

  private func lookAtImages(_ guest: VolumeGuest) async throws -> [String] {
    for name in ["root.img", "data.img"] {
      // Replays a journal, and changes nothing else where nothing is wrong.
      try await VolumeRig.run(["/sbin/e2fsck", "-fy", name], in: place)
      try await VolumeRig.run(["/sbin/e2fsck", "-fn", name], in: place)
    }
    let text = try await VolumeRig.run(["/sbin/debugfs", "-R", "cat /from-guest", "data.img"], in: place)
    var problems = text == "written by the guest\n" ? [] : ["the guest's file reads '\(text)'"]
    guard reboots else { return problems }
    problems += try await VolumeCheck.verify("raw.img", "--seed \(GuestRig.seed)", guest, in: place)
    return problems
  }
}

/// The image against the writer's reports.
enum VolumeCheck {
  /// What is wrong.
  static func verify(
    _ image: String, _ options: String, _ guest: VolumeGuest, in place: Support.Workplace
  ) async throws -> [String] {
    let check = try VolumeRig.prepared("volumecheck")
    let outcome = try await RunningProgram(
      ["/bin/sh", "-c", "exec \(check) verify \(options) \(image) <\(guest.runner.outputFile)"], in: place
    ).wait()
    return outcome.code == 0 ? [] : [outcome.output + outcome.errors]
  }
}
