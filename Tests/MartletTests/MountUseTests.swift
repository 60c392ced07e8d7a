// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

extension Mounts {
  /// Invariants: what is done through the mount is what the share's directory shows, and the other way round; nothing
  /// of it depends on whose backend it is.
  @Suite(.enabled(if: Programs.canMount, Programs.cannotMount), .timeLimit(.minutes(30)))
  struct MountUseTests {
    /// Runs a script in the mount and expects it to go through.
    private func run(_ script: String, in mount: MountedShare) async throws {
      let outcome = try await shell("set -e\n" + script, in: mount.tree)
      #expect(outcome.status == 0, "\(outcome.output)\n\(mount.mount.log)")
    }

    private func finish(_ mount: MountedShare) async throws {
      let outcome = try await mount.end()
      #expect(outcome.status == 0, "\(outcome.errors)")
      #expect(!mount.isMounted)
    }

    private static let checksum = "find . -type f -exec sha256sum {} + | LC_ALL=C sort | sha256sum"

    @Test(arguments: ShareBackend.all) func filesGoBothWays(_ kind: ShareBackend) async throws {
      let mount = try await MountedShare(kind)
      try await run(
        """
        echo from the mount > a && test "$(cat '\(mount.share)/a')" = 'from the mount'
        echo from the host > '\(mount.share)/b' && test "$(cat b)" = 'from the host'
        printf more >> a && test "$(cat '\(mount.share)/a')" = "from the mount
        more"
        mv a c && test -e '\(mount.share)/c' && test ! -e '\(mount.share)/a'
        ln -s c d && test "$(readlink '\(mount.share)/d')" = c
        mkdir e && rmdir e && rm c d b && test -z "$(ls -A)"
        stat -f . > /dev/null && df . > /dev/null
        """, in: mount)
      try await finish(mount)
    }

    @Test(arguments: ShareBackend.all) func aTreeHasTheSameChecksums(_ kind: ShareBackend) async throws {
      let mount = try await MountedShare(kind)
      try await run(
        """
        mkdir -p deep/er/still many
        head -c 3000001 /dev/urandom > large
        head -c 70000 /dev/urandom > deep/er/still/file
        i=0; while [ $i -lt 400 ]; do echo $i > many/$i; i=$((i + 1)); done
        test "$(\(Self.checksum))" = "$(cd '\(mount.share)' && \(Self.checksum))"
        cp -a . ../copy && test "$(\(Self.checksum))" = "$(cd ../copy && \(Self.checksum))"
        cp -a ../copy again && test "$(cd again && \(Self.checksum))" = "$(cd ../copy && \(Self.checksum))"
        test "$(ls many | wc -l)" = 400
        rm -rf ../copy again deep many large && test -z "$(ls -A '\(mount.share)')"
        """, in: mount)
      try await finish(mount)
    }

    @Test(arguments: ShareBackend.all) func manyReadAndWriteAtATime(_ kind: ShareBackend) async throws {
      let mount = try await MountedShare(kind)
      try await run(
        """
        head -c 8388608 /dev/urandom > ../source
        for i in 1 2 3 4 5 6 7 8 9 10 11 12; do
          (dd if=../source of=f$i bs=$((i * 4096 + i)) status=none && cmp ../source f$i &&
            dd if=f$i of=/dev/null bs=1M iflag=direct status=none) & pids="$pids $!"
        done
        for p in $pids; do wait $p; done
        cmp ../source '\(mount.share)/f7'
        """, in: mount)
      try await finish(mount)
    }

    @Test(arguments: ShareBackend.all) func aMappedFileShowsWhatWasWritten(_ kind: ShareBackend) async throws {
      let mount = try await MountedShare(kind)
      try await run("head -c 1000000 /dev/urandom > mapped", in: mount)
      let mapped = try Data(contentsOf: URL(filePath: mount.tree + "/mapped"), options: .alwaysMapped)
      let plain = try Data(contentsOf: URL(filePath: mount.share + "/mapped"))
      #expect(mapped == plain)
      try await finish(mount)
    }

    static let interrupted: [(ShareBackend, [String])] =
      ShareBackend.all.map { ($0, []) } + [(.ours, ["--interrupts"])]

    /// Each killed process leaves a request that the kernel interrupts; none may be lost and none may end the backend.
    @Test(.enabled(if: Programs.isSlow, Programs.slowOnly), arguments: interrupted)
    func killedProcessesDoNoHarm(_ kind: ShareBackend, _ options: [String]) async throws {
      let mount = try await MountedShare(kind, mountOptions: options)
      try await run(
        """
        head -c 50000000 /dev/zero > large
        i=0
        while [ $i -lt 60 ]; do
          (cat large > copy$i; sync copy$i) & p=$!
          sleep 0.0$((i % 10))
          kill -9 $p || true; wait $p || true
          i=$((i + 1))
        done
        rm -f copy* && test "$(ls)" = large
        """, in: mount)
      #expect(mount.folder.backend.isRunning, "\(mount.folder.backend.log)")
      try await finish(mount)
    }

    @Test func readOnlyMeansThatNothingChanges() async throws {
      let mount = try await MountedShare(mountOptions: ["--read-only"])
      try "before".write(toFile: mount.share + "/a", atomically: false, encoding: .utf8)
      try await run(
        """
        test "$(cat a)" = before
        ! (echo after > a) 2> ../why && grep -q 'Read-only file system' ../why
        ! mkdir b 2> /dev/null && ! rm a 2> /dev/null && test "$(cat '\(mount.share)/a')" = before
        """, in: mount)
      try await finish(mount)
    }

    @Test func optionsOfTheMountAreTheKernels() async throws {
      let mount = try await MountedShare(
        mountOptions: ["-o", "noexec,noatime", "-o", "fsname=a\\,b", "--no-allow-other", "--queues=1"])
      let mounts = try String(contentsOfFile: "/proc/self/mounts", encoding: .utf8).split(separator: "\n")
      let line = try #require(mounts.first { $0.contains(mount.tree) })
      #expect(line.hasPrefix("a,b "), "\(line)")
      for word in ["fuse.martlet", "noexec", "noatime", "nosuid", "nodev", "default_permissions", "max_read=1048576"] {
        #expect(line.contains(word), "\(word) in \(line)")
      }
      #expect(!line.contains("allow_other"))
      try await finish(mount)
    }
  }
}
