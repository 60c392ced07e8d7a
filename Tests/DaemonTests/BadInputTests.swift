// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Linux
import Support
import Testing

/// Whatever is wrong, a person reads exactly one sentence that says what to do, on standard error; 2 is for a command
/// line that makes no sense, 1 for a host that refuses.
/// Serialized: every row looks for the socket that another may be about to make and remove.
@Suite(.serialized) struct BadInputTests {
  typealias Row = WrongLine

  /// This run's own: another one on the same machine must not get in the way.
  static let socket = "/tmp/mt-never-\(CurrentProcess.identifier).sock"
  static let base = "--shared-dir /usr --socket-path \(socket)"

  static let rows: [Row] = [
    Row("--nonsense", 2, "unknown option '--nonsense'"),
    Row("\(base) --sharde-dir=/x", 2, "unknown option '--sharde-dir', did you mean '--shared-dir'"),
    Row("\(base) stray", 2, "unexpected argument 'stray'"),
    Row("--shared-dir", 2, "missing value for '--shared-dir <directory>'"),
    Row("\(base) --cache=sometimes", 2, "give one of 'never', 'metadata', 'auto' or 'always'"),
    Row("\(base) --thread-pool-size=many", 2, "the value 'many' is invalid for '--thread-pool-size <count>'"),
    Row("\(base) --rlimit-nofile=-5", 2, "'-5'"),
    Row("\(base) --num-request-queues 65", 2, "from 1 to 64, not 65"),
    Row("\(base) --num-request-queues 0", 2, "from 1 to 64, not 0"),
    Row("\(base) --poll-us 99999", 2, "from 0 to 10000"),
    Row("\(base) --readonly=yes", 2, "does not take any value"),
    Row("\(base) --posix-acl=perhaps", 2, "the value 'perhaps' is invalid for '--posix-acl"),
    Row("\(base) --sandbox=jail", 2, "give one of 'namespace', 'chroot' or 'none'"),
    Row("--shared-dir=/usr", 2, "no socket to listen on"),
    Row("--socket-path=s", 2, "nothing to share"),
    Row("\(base) --fd=3", 2, "exclude each other"),
    Row("--shared-dir=/usr --fd=3 --socket-group=kvm", 2, "leave it out with --fd"),
    Row("--shared-dir=/usr --fd=-1", 2, "at least 0, not -1"),
    Row("\(base) --socket=t", 2, "the old name of --socket-path"),
    Row("\(base) --tag=1234567890123456789012345678901234567", 2, "has 37 bytes"),
    Row("\(base) --posix-acl --translate-uid=map:0:1:1", 2, "--posix-acl cannot be used with --translate-uid"),
    Row("\(base) --translate-uid=map:0:1", 2, "needs 3 numbers"),
    Row("\(base) --translate-gid=nothing", 2, "--translate-gid 'nothing' is no rule"),
    Row("\(base) --xattrmap=:prefix:all:x", 2, "ends in its key"),
    Row("\(base) --xattrmap=:ok:client:::", 2, "does not say what happens to every name"),
    Row("\(base) --modcaps=mknod", 2, "does not know 'mknod'"),
    Row("\(base) --modcaps=-dac_read_search", 2, "use --inode-file-handles=never"),
    Row("\(base) --uid-map=0:1:2", 2, "is no range"),
    Row("\(base) --uid-map=:0:1:0:", 2, "is no range"),
    Row("\(base) --migration-mode=file-handles --migration-confirm-paths", 2, "need --migration-mode=find-paths"),
    Row("\(base) -o surprise", 2, "-o does not know 'surprise'"),
    Row("\(base) -o cache=what", 2, "cache in -o cannot be 'what'"),
    Row("--share tag=a,source=/usr", 2, "has no socket"),
    Row("--share source=/usr,socket=s", 2, "has no tag"),
    Row("--share tag=a,socket=s", 2, "has no directory"),
    Row("--share tag=a,source=/usr,socket=s,colour=red", 2, "does not know 'colour=red'"),
    Row("--share tag=a,source=/usr,socket=s --share tag=a,source=/usr,socket=t", 2, "two shares have the tag 'a'"),
    Row("--share tag=a,source=/usr,socket=s --share tag=b,source=/usr,socket=s", 2, "two shares have the socket 's'"),
    Row("--share tag=a,source=/usr,socket=s --shared-dir=/usr", 2, "leave out --shared-dir"),
    // The host.
    Row("--shared-dir=/nowhere/at/all --socket-path=\(socket)", 1, "does not exist"),
    Row(
      "--shared-dir=/dev/null --socket-path=\(socket)", 1, "neither a directory nor a regular file"),
    Row("--shared-dir=/usr --socket-path=/nowhere/at/all/s.sock", 1, "create '/nowhere/at/all' first"),
    Row("--shared-dir=/usr --socket-path=/etc/passwd", 1, "exists and is not a socket"),
    Row("--shared-dir=/usr --socket-path=/tmp/\(String(repeating: "x", count: 103))", 1, "the kernel takes 107"),
    Row("\(base) --socket-group=nobody-has-this-group", 1, "there is no group 'nobody-has-this-group'"),
    Row("--shared-dir=/usr --fd=700", 1, "--fd 700 is not open"),
    Row("--shared-dir=/usr --fd=0", 1, "--fd 0 is not a socket"),
    Row("\(base) --rlimit-nofile=99999999999", 1, "more than the kernel's fs.nr_open"),
    Row("\(base) --rlimit-nofile=100", 1, "too few"),
  ]

  @Test(arguments: rows)
  func isOneSentence(_ row: Row) throws {
    let process = try DaemonProcess(row.arguments, in: TemporaryDirectory())
    #expect(row.faults(of: "martlet-fs", in: try process.child.waitBlocking()) == [])
    #expect((try? Path(Self.socket).status()) == nil)
  }

  @Test(.enabled(if: DaemonProcess.isRoot))
  func mapsOfTheUserNamespaceAreNotForRoot() throws {
    let row = Row("\(Self.base) --uid-map=:0:100000:10:", 1, "need --sandbox=namespace and a user other than root")
    try isOneSentence(row)
  }

  @Test func aLineBreakInAPathDoesNotMakeTwoLines() throws {
    let outcome = try DaemonProcess.run(["--shared-dir=/no\nwhere", "--socket-path=\(Self.socket)"])
    #expect(outcome.status == .code(1))
    #expect(outcome.errorLines.count == 1)
  }
}
