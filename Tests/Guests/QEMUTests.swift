// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// QEMU as the frontend: Debian's stock kernel, its virtiofs driver, vhost-user-fs-pci.

import Foundation
import Testing

/// All guests, one after the other, whichever frontend they use: two at once starve each other on a small machine.
@Suite(.serialized) struct Guests {}

extension Guests {
  /// Invariants: every POSIX check that passes on a plain directory passes in the guest; both sides see one tree; the
  /// daemon ends well when the guest goes.
  @Suite(.serialized, .enabled(if: GuestRig.hasGuest(.qemu), GuestRig.unavailable)) struct QEMUTests {
    private static let attributes = ["--tag=share", "--xattr", "--posix-acl"]

    @Test(
      "a share holds the POSIX checks", .timeLimit(.minutes(30)),
      arguments: [
        GuestCase(name: "cache-auto", options: attributes + ["--cache=auto"])
      ])
    func share(row: GuestCase) async throws {
      try await check(row, on: .qemu)
    }

    /// As microvm.nix's virtiofsd-run calls it: a socket relative to the unit's folder, values in words of their own
    /// beside values after an equals sign.
    @Test("the command line of microvm.nix is understood", .timeLimit(.minutes(30)))
    func microvmCommandLine() async throws {
      let row = GuestCase(
        name: "microvm-nix",
        options: [
          "--socket-group=root", "--rlimit-nofile", "1048576", "--thread-pool-size", "2", "--posix-acl", "--xattr",
          "--cache=auto", "--inode-file-handles=prefer",
        ],
        runner: ["--numa"], words: ["open", "rename", "permission", "acl"])
      try await check(row, on: .qemu, socket: "guest-virtiofs-share.sock")
    }

    @Test(
      "every other way to serve a share holds the POSIX checks too",
      .enabled(if: GuestRig.isSlow, GuestRig.slowOnly), .timeLimit(.minutes(30)),
      arguments: [
        GuestCase(
          name: "cache-never", options: attributes + ["--cache=never"],
          // Without a cache there are no shared mappings before Linux 6.6.
          expectedSkips: ["no shared mappings here"]),
        GuestCase(name: "cache-always", options: attributes + ["--cache=always"]),
        GuestCase(
          name: "cache-metadata", options: attributes + ["--cache=metadata"],
          expectedSkips: ["no shared mappings here"]),
        GuestCase(name: "writeback", options: attributes + ["--writeback"]),
        GuestCase(name: "handles-never", options: attributes + ["--inode-file-handles=never"]),
        GuestCase(name: "handles-mandatory", options: attributes + ["--inode-file-handles=mandatory"]),
        GuestCase(name: "two-queues", options: attributes + ["--num-request-queues=2"], runner: ["--queues", "2"]),
        GuestCase(
          name: "packed-rings", options: attributes + ["--packed-ring", "--num-request-queues=2"],
          runner: ["--packed", "--queues", "2"]),
        GuestCase(name: "sandbox-chroot", options: attributes + ["--sandbox=chroot"]),
        GuestCase(name: "sandbox-none", options: attributes + ["--sandbox=none"]),
        GuestCase(name: "virtio-mmio", options: attributes, runner: ["--machine", "microvm"]),
      ])
    func everyOtherWay(row: GuestCase) async throws {
      try await check(row, on: .qemu)
    }

    /// Debian 13's kernel: newer FUSE, so other requests (supplementary groups, O_TMPFILE, statx).
    @Test(
      "a newer kernel holds the POSIX checks", .enabled(if: GuestRig.isSlow, GuestRig.slowOnly),
      .timeLimit(.minutes(30)))
    func newerKernel() async throws {
      let guests = try await prepareGuests(suite: "trixie")
      let row = GuestCase(name: "trixie-kernel", options: Self.attributes, runner: ["--guests", guests])
      try await check(row, on: .qemu)
    }
  }
}
