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
      .enabled(if: VolumeRig.hasGuest(.qemu), VolumeRig.unavailable), .timeLimit(.minutes(12)))
    func qemu() async throws {
      try await VolumeLife(.qemu).run()
    }

    @Test(
      "a guest in User-mode Linux lives on its volumes",
      .enabled(if: VolumeRig.hasGuest(.uml), VolumeRig.unavailable), .timeLimit(.minutes(12)))
    func userModeLinux() async throws {
      try await VolumeLife(.uml).run()
    }
  }
}

/// One guest's life, and the host's part in it.
private struct VolumeLife {
  let kind: GuestKind
  let place: Support.Workplace
  private static let grown = 192 * VolumeRig.mebibyte
  /// The image holds file systems' own data and a few small files then, and the guest has written much more.
  private static let mostAfterTrim = 24 * VolumeRig.mebibyte

  init(_ kind: GuestKind) throws {
    self.kind = kind
    place = try Support.Workplace()
  }

  /// QEMU resets and reboots its machine; User-mode Linux has a single queue and one life.
  private var isWholeMachine: Bool { kind == .qemu }
  private var queueCount: Int { isWholeMachine ? 2 : 1 }

  func run() async throws {
    try await makeReadOnlyImage()
    let daemon = try await VolumeDaemon(
      try volumeOptions(), sockets: ["root.sock", "data.sock", "read-only.sock", "raw.sock"], in: place)
    let start = ContinuousClock.now
    let guest = try VolumeGuest(kind, try guestOptions(), job: "volume", in: place)
    var problems: [String] = []
    do {
      problems += try await playTheHost(guest, daemon)
      let report = try await guest.waitForEnd()
      problems += report.problems
      let seconds = (ContinuousClock.now - start).components.seconds
      print("\(kind.rawValue) volumes: \(report.passed) checks passed, \(seconds) s")
    } catch {
      guest.end()
      problems.append("\(error)")
    }
    if let trouble = try await daemon.stop() { problems.append(trouble) }
    if problems.isEmpty { problems += try await lookAtImages(guest) }
    record(
      problems, of: "\(kind.rawValue)-volumes",
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
    return volumes.flatMap { volume in
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
      reboots=\(isWholeMachine ? "yes" : "no")
      seed=\(GuestRig.seed)

      """)
    let root = try place.write("root-serial", "ROOT-1\n")
    var options = ["--add", "\(settings):settings", "--add", "\(root):root"]
    for name in ["root", "data", "read-only", "raw"] {
      let queues = ["data", "raw"].contains(name) ? queueCount : 1
      // Both kinds of rings in one machine.
      let properties = ",num-queues=\(queues),packed=\(name == "data" ? "on" : "off")"
      options += ["--volume", "\(name).sock" + (isWholeMachine ? properties : "")]
    }
    return options + (isWholeMachine ? ["--reboots", "--monitor", place.file("monitor")] : [])
  }

  /// What happens to the guest from outside.
  private func playTheHost(_ guest: VolumeGuest, _ daemon: VolumeDaemon) async throws -> [String] {
    var problems: [String] = []
    try await guest.wait(for: "STEP trimmed")
    let image = place.file("data.img")
    let allocated = try VolumeRig.allocatedBytes(image)
    if allocated > Self.mostAfterTrim { problems.append("the image takes \(allocated) bytes after it was trimmed") }
    try VolumeRig.resize(image, to: Self.grown)
    // The process that is told passes it on; without it the daemon looks once a second.
    if isWholeMachine { daemon.program.send(SIGHUP) }
    guard isWholeMachine else { return problems }
    // The second boot writes until it is reset in the middle of that.
    try await guest.runner.waitUntil("writing after the reboot", seconds: 500) {
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
    guard isWholeMachine else { return problems }
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
    ).wait(seconds: 120)
    return outcome.code == 0 ? [] : [outcome.output + outcome.errors]
  }
}
