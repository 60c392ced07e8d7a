// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

extension Mounts {
  /// Invariants: however a mount ends, afterwards no process hangs in it, the directory is a plain one again, and the
  /// exit code says whether the end was wanted.
  @Suite(.enabled(if: Programs.canMount, Programs.cannotMount), .timeLimit(.minutes(30)))
  struct MountEndTests {
    private func expectGone(_ mount: MountedShare) async throws {
      #expect(!mount.isMounted)
      let outcome = try await shell("ls -A", in: mount.tree)
      #expect(outcome.status == 0 && outcome.output.isEmpty, "\(outcome.output)")
    }

    @Test(arguments: [SIGTERM, SIGINT, SIGHUP]) func aSignalUnmounts(_ signal: Int32) async throws {
      let mount = try await MountedShare(options: ["--writeback"])
      try await shell("head -c 5000000 /dev/urandom > a; sha256sum a > ../sum", in: mount.tree)
      mount.mount.send(signal)
      let outcome = try await mount.mount.wait()
      #expect(outcome.status == 0)
      #expect(outcome.errorLines.count == 1, "\(outcome.errors)")
      try await expectGone(mount)
      // What was in the kernel's cache has arrived.
      #expect(try await shell("sha256sum -c ../sum", in: mount.share).status == 0)
    }

    @Test(arguments: ShareBackend.all) func unmountingEndsTheProgram(_ kind: ShareBackend) async throws {
      let mount = try await MountedShare(kind)
      #expect(try await shell("umount '\(mount.tree)'", in: "/").status == 0)
      let outcome = try await mount.mount.wait()
      #expect(outcome.status == 0, "\(outcome.errors)")
      try await expectGone(mount)
    }

    @Test func aMountInUseIsCutOff() async throws {
      let mount = try await MountedShare()
      let go = mount.folder.place.file("go")
      let user = try RunningProgram(
        ["sh", "-c", "cd '\(mount.tree)' && echo > ../in; until test -e \(go); do sleep 0.05; done; ls 2>&1"],
        in: mount.folder.place)
      try await user.waitUntil("inside") { FileManager.default.fileExists(atPath: mount.folder.place.file("in")) }
      let outcome = try await mount.end()
      #expect(outcome.status == 0)
      #expect(outcome.errors.contains("was in use; what was open in it is cut off"), "\(outcome.errors)")
      try await expectGone(mount)
      _ = FileManager.default.createFile(atPath: go, contents: nil)
      #expect(try await user.wait().output.contains("not connected"))
    }

    @Test func theBackendServesTheNextMount() async throws {
      let folder = try await SharedFolder(options: ["--on-disconnect=relisten"])
      let tree = try folder.place.makeDirectory("m")
      defer { detach(tree) }
      for round in 0..<3 {
        let mount = try RunningProgram([Programs.martlet, "mount", "--socket", folder.socket, tree], in: folder.place)
        try await mount.waitUntil("mounted") { mount.log.contains("is mounted on") }
        #expect(try await shell("echo \(round) > a; cat a", in: tree).output == "\(round)\n")
        mount.send(SIGTERM)
        #expect(try await mount.wait().status == 0)
      }
      #expect(folder.backend.isRunning)
    }

    @Test(arguments: ShareBackend.all) func pendingCallsFailWhenTheBackendDies(_ kind: ShareBackend) async throws {
      let mount = try await MountedShare(kind)
      let writer = try RunningProgram(
        [
          "timeout", "240", "sh", "-c",
          """
          for i in 1 2 3 4; do dd if=/dev/zero of='\(mount.tree)/f'$i bs=64k count=100000 conv=fsync & done
          wait
          """,
        ], in: mount.folder.place)
      let share = mount.share
      try await writer.waitUntil("writing") {
        (1...4).allSatisfy { FileManager.default.fileExists(atPath: "\(share)/f\($0)") }
      }
      mount.folder.backend.send(SIGKILL)
      let outcome = try await mount.mount.wait()
      #expect(outcome.status == 1)
      #expect(outcome.errorLines.count == 2, "\(outcome.errors)")
      let sentence = try #require(outcome.errorLines.last)
      #expect(sentence.contains("was unmounted: the backend at '\(mount.folder.socket)' is gone"), "\(sentence)")
      // Four dd and the shell end: nobody waits for an answer that never comes.
      let written = try await writer.wait()
      #expect(written.errors.contains("error") || written.errors.contains("connected"), "\(written.errors)")
      try await expectGone(mount)
    }

    @Test(.enabled(if: Programs.isSlow, Programs.slowOnly))
    func aBackendThatStopsDoesNotKeepTheMount() async throws {
      let mount = try await MountedShare()
      mount.folder.backend.send(SIGSTOP)
      let reader = try RunningProgram(["timeout", "240", "ls", mount.tree], in: mount.folder.place)
      try await Task.sleep(for: .milliseconds(200))
      mount.mount.send(SIGTERM)
      try await Task.sleep(for: .milliseconds(200))
      // The second signal is for those who do not want to wait until it wakes up.
      mount.mount.send(SIGTERM)
      let outcome = try await mount.mount.wait()
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(try await reader.wait().status != 124)
      mount.folder.backend.send(SIGCONT)
      try await expectGone(mount)
    }

    @Test(.enabled(if: Programs.isSlow, Programs.slowOnly))
    func anAbortedConnectionIsCleanedUp() async throws {
      let mount = try await MountedShare()
      // The connection's number is the minor number of the mount's device.
      let outcome = try await shell(
        """
        minor=$(stat -c %d '\(mount.tree)'); minor=$((minor & 255 | (minor >> 12) & 1048320))
        mountpoint -q /sys/fs/fuse/connections || mount -t fusectl none /sys/fs/fuse/connections
        echo 1 > /sys/fs/fuse/connections/$minor/abort
        """, in: "/")
      guard outcome.status == 0 else {
        print("no way to abort a connection here: \(outcome.output)")
        _ = try await mount.end()
        return
      }
      let ended = try await mount.mount.wait()
      #expect(ended.status == 1)
      #expect(ended.errors.contains("was unmounted: somebody aborted its connection"), "\(ended.errors)")
      try await expectGone(mount)
    }
  }
}
