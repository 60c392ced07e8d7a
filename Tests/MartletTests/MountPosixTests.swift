// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Support
import Testing

extension Mounts {
  /// The POSIX checks of the guests, without a guest.
  /// Invariant: over our backend none fails; over the others those fail that they are known for, so that a failure of
  /// the mount itself shows on all.
  @Suite(.enabled(if: Programs.canMount, Programs.cannotMount), .timeLimit(.minutes(30)))
  struct MountPosixTests {
    /// Titles of checks that the others fail. In C it keeps set-id bits on fallocate and knows no supplementary groups;
    /// in Rust it leaves set-id bits to the guest, and an open that truncates keeps them.
    static let knownFailures: [ShareBackend: [String]] = [
      .rival: [
        "fallocate by another user clears the set-id bits", "supplementary groups open files and directories",
        "a set-group-id directory of a supplementary group",
      ],
      .rust: ["O_TRUNC by another user clears the set-id bits"],
    ]

    @Test(arguments: ShareBackend.all) func posixChecksPass(_ kind: ShareBackend) async throws {
      let check = try await PosixCheck.program.value
      let mount = try await MountedShare(kind, mountOptions: ["-o", "dev,suid"])
      let outcome = try await shell("'\(check)' .", in: mount.tree, seconds: 400)
      let lines = outcome.output.split(separator: "\n")
      let passed = lines.count { $0.hasPrefix("ok ") }
      let failures = lines.filter { $0.hasPrefix("not ok ") }
      let expected = Self.knownFailures[kind] ?? []
      let surprises = failures.filter { line in !expected.contains { line.contains($0) } }
      #expect(surprises.isEmpty, "\(surprises.joined(separator: "\n"))")
      #expect(passed > 150, "\(outcome.output.suffix(2000))")
      print("posixcheck over a mount of \(kind.rawValue): \(passed) passed, \(failures.count) failed")
      #expect(try await mount.end().status == 0)
    }
  }
}
