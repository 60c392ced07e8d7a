// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Support
import Testing

/// Invariants: whatever is wrong, a person reads exactly one sentence that says what to do; 2 is for a command line
/// that makes no sense, 1 for a host or a backend that refuses; it ends soon; nothing is left mounted.
@Suite(.enabled(if: Programs.isThere, Programs.missing), .timeLimit(.minutes(30)))
struct BadInputTests {
  typealias Row = WrongLine

  static let rows: [Row] = [
    Row("inspekt", 2, "unexpected argument 'inspekt'"),
    Row("inspect", 2, "missing expected argument '--socket <path>'"),
    Row("inspect --socket", 2, "missing value for '--socket <path>'"),
    Row("inspect --socket s --device=net", 2, "give one of 'fs', 'blk' or 'gpu'"),
    Row("inspect --socket s --timeout=0", 2, "--timeout needs a number from 1 to 3600, not 0"),
    Row("inspect --socket s --jsno", 2, "unknown option '--jsno', did you mean '--json'"),
    Row("inspect --socket s stray", 2, "unexpected argument 'stray'"),
    Row("mount /tmp", 2, "missing expected argument '--socket <path>'"),
    Row("mount --socket s", 2, "missing expected argument '<directory>'"),
    Row("mount --socket s /tmp --queues=0", 2, "--queues needs a number from 1 to 64, not 0"),
    Row("mount --socket s /tmp --queues=many", 2, "the value 'many' is invalid for '--queues <count>'"),
    Row("mount --socket s /tmp -o max_read=4096", 2, "-o max_read cannot be chosen"),
    Row("bench share --rival virtiofsd", 2, "the value 'virtiofsd' is invalid for '--rival <name=program>'"),
    Row("bench share --modes quick", 2, "\"quick\" is no mode; give default, microvm or never"),
    Row("bench share --modes ,", 2, "--modes names no mode"),
    Row("bench share --quick --all", 2, "--quick and --all exclude each other"),
    Row("bench share --minutes=0", 2, "--minutes needs a number from 1 to 1440"),
    Row("bench share --minutes=5 --milliseconds=5", 2, "--milliseconds and --minutes exclude each other"),
    Row("bench share --filter nothing-of-this", 2, "no work has such a name (nothing-of-this); --list shows them"),
    Row("bench share --resume --dir /tmp", 2, "--resume needs --json"),
    Row("bench share --tree /tmp", 2, "give --through mount with it"),
    Row("bench share --file-mib=1", 2, "--file-mib needs a number from 4"),
    Row("bench share --rival a=/x --rival a=/y", 2, "two backends are called a"),
    Row("bench share --plot p.svg --quick --filter getattr", 2, "a picture needs a --rival to compare with"),
    Row("bench share --dir /nowhere/at/all", 1, "cannot make a directory in /nowhere/at/all"),
    Row("bench share --ours /nowhere/at/all --filter getattr", 1, "cannot start /nowhere/at/all"),
    Row("bench rings --ours /bin/false", 1, "martlet-fs ended at its start (1)"),
    Row("bench rings --socket /nowhere/at/all", 1, "nobody listens on /nowhere/at/all"),
    Row(
      "bench volume --modes quick", 2,
      "\"quick\" is no mode; give some of direct, pinned, cached, tmpfs, null, threads"),
    Row("bench volume --limit fio", 2, "the value 'fio' is invalid for '--limit <name=program>'"),
    Row("bench volume --queues=0", 2, "--queues needs a number from 1 to 8"),
    Row("bench volume --file-mib=4 --ours /nowhere/at/all", 1, "cannot start /nowhere/at/all"),
    Row("bench volume --dir /nowhere/at/all --ours /bin/false", 1, "cannot make a directory in /nowhere/at/all"),
    Row("bench rings --device=net", 2, "give one of 'fs' and 'blk'"),
    Row("bench report /etc/hostname", 1, "/etc/hostname is no report of this version"),
    Row("bench report /nowhere/at/all", 1, "cannot read /nowhere/at/all"),
  ]

  func expect(_ outcome: Outcome, _ code: Int32, _ sentence: String) {
    #expect(WrongLine.faults(of: "martlet", in: outcome, code, sentence) == [])
  }

  @Test(arguments: rows) func isOneSentence(_ row: Row) async throws {
    expect(try await RunningProgram.martlet(row.arguments), row.code, row.sentence)
  }

  /// Sockets at which there is no backend, made by a script in an empty directory, and what is said about them.
  static let strangers: [(String, String)] = [
    ("true", "there is no socket 's'; start the backend first, or mend --socket"),
    ("echo > s", "'s' is not the socket of a vhost-user backend"),
    ("mkdir s", "'s' is not the socket of a vhost-user backend"),
    ("ln -s nowhere s", "there is no socket 's'"),
    ("mkfifo s", "'s' is not the socket of a vhost-user backend"),
    (
      // Bound, and closed again: what a backend leaves behind that was killed.
      "perl -MSocket -e 'socket(S, PF_UNIX, SOCK_STREAM, 0); bind(S, sockaddr_un(\"s\")) or die'",
      "nobody listens on 's'; start the backend again"
    ),
    (
      """
      perl -MSocket -e 'socket(S, PF_UNIX, SOCK_DGRAM, 0); bind(S, sockaddr_un("s")); sleep 600' &
      until test -S s; do sleep 0.05; done
      """,
      "'s' is not the socket of a vhost-user backend"
    ),
  ]

  @Test(arguments: ["inspect", "mount"], strangers)
  func aSocketWithoutABackendIsNamed(_ command: String, _ stranger: (script: String, sentence: String)) async throws {
    if command == "mount", !Programs.canMount { return }
    let place = try Workplace()
    let tree = try place.makeDirectory("m")
    // In a group of processes of its own, so that what the script leaves running is ended.
    let outcome = try await RunningProgram.martlet(
      [], in: place,
      wrapper: [
        "setsid", "sh", "-c",
        """
        { \(stranger.script)
        } > /dev/null 2>&1
        "$0" \(command) --socket s \(command == "mount" ? "m" : ""); status=$?
        kill $(jobs -p) 2> /dev/null; exit $status
        """,
      ])
    expect(outcome, 1, stranger.sentence)
    #expect(!isMountPoint(tree))
  }

  @Test(arguments: ["inspect", "mount"]) func aPathThatNoSocketCanHaveIsNamed(_ command: String) async throws {
    let place = try Workplace()
    let path = "/tmp/\(String(repeating: "x", count: 120))"
    let tree = try place.makeDirectory("m")
    expect(
      try await RunningProgram.martlet([command, "--socket", path] + (command == "mount" ? [tree] : [])), 1,
      "longer than the 107 bytes")
  }

  static let inspected: [(FakeBackend.Manner, String)] = [
    (.takesNobody, "took no connection within a second"),
    (.silent, "did not answer within a second"),
    (.hangsUp, "closed the connection"),
    (.babbles, "does not speak vhost-user: its answer to a message is wrong"),
    (.confused, "does not speak vhost-user: its answer to GET_FEATURES is wrong"),
    (.diesAtTheSecond, "closed the connection"),
  ]

  @Test(arguments: inspected) func inspectingABadBackendEnds(_ manner: FakeBackend.Manner, _ sentence: String)
    async throws
  {
    let place = try Workplace()
    let fake = try FakeBackend(manner, at: place.file("s"))
    expect(
      try await RunningProgram.martlet(
        ["inspect", "--timeout=\(manner.patience)", "--socket", fake.path]), 1, sentence)
  }

  @Test func anUnknownDeviceIsInspected() async throws {
    let place = try Workplace()
    let fake = try FakeBackend(.hasOneQueue, at: place.file("s"))
    let outcome = try await RunningProgram.martlet(["inspect", "--timeout=50", "--socket", fake.path])
    #expect(outcome.status == 0)
    #expect(outcome.output.contains("device             unknown; say it with --device"), "\(outcome.output)")
  }

  static let mounted =
    inspected + [
      (.hasOneQueue, "is no file system: it has 1 of the 2 queues"),
      (.isOld, "is older than VIRTIO 1.0"),
      (.servesNoRing, "did not answer within a second"),
      (.hasTooManyQueues, "did not answer within a second"),
      (.diesWithItsRings, "is gone"),
    ]

  @Test(.enabled(if: Programs.canMount, Programs.cannotMount), arguments: mounted)
  func mountingABadBackendEnds(_ manner: FakeBackend.Manner, _ sentence: String) async throws {
    let place = try Workplace()
    let fake = try FakeBackend(manner, at: place.file("s"))
    let tree = try place.makeDirectory("m")
    let outcome = try await RunningProgram.martlet(
      ["mount", "--timeout=\(manner.patience)", "--socket", fake.path, tree], in: place)
    expect(outcome, 1, sentence)
    #expect(!isMountPoint(tree))
    #expect(try await shell("ls -A", in: tree).output.isEmpty)
  }

  static let measured: [(FakeBackend.Manner, String)] = [
    (.takesNobody, "took no connection within 10 seconds"),
    (.silent, "did not answer within 10 seconds"),
    (.hangsUp, "closed the connection"),
    (.babbles, "does not speak vhost-user: its answer to a message is wrong"),
    (.confused, "does not speak vhost-user: its answer to GET_FEATURES is wrong"),
    (.diesAtTheSecond, "closed the connection"),
    (.hasOneQueue, "is no file system: it has 1 of the 2 queues"),
    (.isOld, "is older than VIRTIO 1.0"),
    (.servesNoRing, "did not answer within 10 seconds"),
    (.hasTooManyQueues, "did not answer within 10 seconds"),
    (.diesWithItsRings, "closed the connection"),
  ]

  @Test(arguments: measured) func measuringABadBackendEnds(_ manner: FakeBackend.Manner, _ sentence: String)
    async throws
  {
    let place = try Workplace()
    let fake = try FakeBackend(manner, at: place.file("s"))
    let outcome = try await RunningProgram.martlet(["bench", "rings", "--socket", fake.path], in: place)
    expect(outcome, 1, "socket cannot be measured: ")
    #expect(outcome.errors.contains(sentence), "'\(sentence)' is not in: \(outcome.errors)")
  }

  /// A backend that goes wrong when it is measured already.
  @Test(arguments: NonsenseBackend.Manner.allCases) func measuringNonsenseEnds(_ manner: NonsenseBackend.Manner)
    async throws
  {
    let place = try Workplace()
    let backend = try NonsenseBackend(manner, at: place.file("s"))
    let outcome = try await RunningProgram.martlet(
      ["bench", "rings", "--rounds=1", "--milliseconds=5", "--filter=empty d1", "--socket", backend.socket], in: place)
    // A line before says which work it is.
    let last = outcome.errorLines.last ?? ""
    #expect(outcome.status == 1 && last.hasPrefix("martlet: socket"), "\(outcome)")
    #expect(last.contains(manner == .none ? "stopped answering" : "answered with"), "\(outcome)")
  }

  /// Places that cannot be mounted on, made by a script in an empty directory.
  static let places: [(String, String)] = [
    ("true", "there is no directory 'm' to mount on; create it first"),
    ("echo > m", "'m' is not a directory"),
    ("mkdir m; echo > m/file", "'m' is not empty; mount on an empty directory"),
    ("mkdir m; mount -t tmpfs none m", "'m' is in use: something is mounted there already"),
  ]

  @Test(.enabled(if: Programs.canMount, Programs.cannotMount), arguments: places)
  func aBadMountPointIsRefused(_ preparation: String, _ sentence: String) async throws {
    let folder = try await SharedFolder(options: ["--on-disconnect=relisten"])
    // In a mount namespace of its own, so that what the script mounts is gone with it.
    let outcome = try await RunningProgram.martlet(
      [], in: folder.place,
      wrapper: [
        "unshare", "-m", "sh", "-c", "\(preparation)\nexec \"$0\" mount --socket '\(folder.socket)' m",
      ])
    expect(outcome, 1, sentence)
  }

  @Test(.enabled(if: Programs.canMount, Programs.cannotMount))
  func aMachineWithoutFuseIsExplained() async throws {
    let folder = try await SharedFolder(options: ["--on-disconnect=relisten"])
    let tree = try folder.place.makeDirectory("m")
    let outcome = try await RunningProgram.martlet(
      [], in: folder.place,
      wrapper: [
        "unshare", "-m", "sh", "-c",
        "mount -t tmpfs none /dev\nexec \"$0\" mount --socket '\(folder.socket)' '\(tree)'",
      ])
    expect(outcome, 1, "there is no /dev/fuse; load the kernel's fuse module")
  }

  @Test(.enabled(if: Programs.canMount, Programs.cannotMount))
  func whatTheHostRefusesIsSaid() async throws {
    let folder = try await SharedFolder(options: ["--on-disconnect=relisten"])
    let tree = try folder.place.makeDirectory("m")
    let base = ["mount", "--socket", folder.socket, tree]
    expect(
      try await RunningProgram.martlet(base + ["-o", "surprise"]), 2, "-o is wrong (unknown option(s): `-o surprise'")
    expect(try await RunningProgram.martlet(base + ["--queues=9"]), 1, "has 2 request queues, --queues asks for 9")
    #expect(!isMountPoint(tree))
    #expect(folder.backend.isRunning)
  }

  @Test(.enabled(if: Programs.canMount, Programs.cannotMount))
  func aDeadMountInTheWayIsNamed() async throws {
    let first = try await MountedShare(options: ["--on-disconnect=relisten"])
    first.mount.send(SIGKILL)
    _ = try await first.mount.wait()
    let outcome = try await RunningProgram.martlet(["mount", "--socket", first.folder.socket, first.tree])
    expect(outcome, 1, "a mount whose server is gone is in the way; remove it with umount -l")
  }
}
