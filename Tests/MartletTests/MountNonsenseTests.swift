// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

extension Mounts {
  /// A backend that goes wrong when the share is mounted already. Invariants: whoever uses the mount gets an error and
  /// does not hang; the mount can be ended in order, and is ended when the backend does not let that happen; nothing is
  /// left mounted.
  @Suite(.enabled(if: Programs.canMount, Programs.cannotMount), .timeLimit(.minutes(30)))
  struct MountNonsenseTests {
    private func mount(_ backend: NonsenseBackend, at tree: String, in place: Workplace) async throws -> RunningProgram
    {
      let mount = try RunningProgram([Programs.martlet, "mount", "--socket", backend.socket, tree], in: place)
      try await mount.waitUntil("mounted") { mount.log.contains("is mounted on") }
      return mount
    }

    @Test(arguments: NonsenseBackend.Manner.allCases.filter { $0 != .none })
    func nonsenseForAnAnswerIsAnError(_ manner: NonsenseBackend.Manner) async throws {
      let place = try Workplace()
      let tree = try place.makeDirectory("m")
      let backend = try NonsenseBackend(manner, at: place.file("s"))
      let mount = try await mount(backend, at: tree, in: place)
      defer { detach(tree) }
      for command in ["stat '\(tree)'", "ls '\(tree)'", "cat '\(tree)/a'", "touch '\(tree)/b'", "mkdir '\(tree)/c'"] {
        let outcome = try await shell(command, in: "/")
        #expect((1...2).contains(outcome.status), "\(command): \(outcome.status) \(outcome.output)")
      }
      mount.send(SIGTERM)
      let outcome = try await mount.wait()
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(!isMountPoint(tree))
    }

    @Test func whatIsNeverAnsweredDoesNotKeepTheMount() async throws {
      let place = try Workplace()
      let tree = try place.makeDirectory("m")
      let backend = try NonsenseBackend(.none, at: place.file("s"))
      let mount = try await mount(backend, at: tree, in: place)
      defer { detach(tree) }
      let reader = try RunningProgram(["stat", "\(tree)/a"], in: place)
      try await reader.waitUntil("waiting for its answer") { backend.heldCount > 0 }
      mount.send(SIGTERM)
      let outcome = try await mount.wait()
      #expect(outcome.status == 1)
      let sentence = try #require(outcome.errorLines.last)
      #expect(sentence.contains("did not take what was written within 10 seconds"), "\(sentence)")
      #expect(try await reader.wait().status == 1)
      #expect(!isMountPoint(tree))
    }
  }
}
