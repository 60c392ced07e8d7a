// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// User-mode Linux as the frontend: virtio_uml sends a memory table longer than its count says, offers no queue count,
// asks the tag through GET_CONFIG, and may kick in-band. Quick, so it has the fuller set of options.

import Foundation
import Testing

extension Guests {
  /// Invariants: those of QEMUTests.
  @Suite(.serialized, .enabled(if: GuestRig.hasGuest(.uml), GuestRig.unavailable)) struct UserModeLinuxTests {
    private static let attributes = ["--tag=share", "--xattr", "--posix-acl"]

    @Test("a share holds the POSIX checks", .timeLimit(.minutes(30)))
    func share() async throws {
      try await check(GuestCase(name: "default", options: Self.attributes), on: .uml)
    }

    @Test(
      "other ways to serve a share hold the POSIX checks too",
      .timeLimit(.minutes(30)),
      arguments: [
        GuestCase(
          name: "cache-never", options: attributes + ["--cache=never"], expectedSkips: ["no shared mappings here"]),
        GuestCase(name: "handles-never", options: attributes + ["--inode-file-handles=never"]),
      ])
    func otherWays(row: GuestCase) async throws {
      try await check(row, on: .uml)
    }

    @Test(
      "a share with a write-back cache holds the POSIX checks",
      .enabled(if: GuestRig.isSlow, GuestRig.slowOnly), .timeLimit(.minutes(30)))
    func writeback() async throws {
      try await check(GuestCase(name: "writeback", options: Self.attributes + ["--writeback"]), on: .uml)
    }
  }
}
