// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linux
import Support
import Testing

/// The command line, through --dry-run: virtiofsd's by its own spelling, and ours.
@Suite struct OptionTests {
  struct Row: Sendable, CustomTestStringConvertible {
    let arguments: String
    let expected: [String]
    var environment: [String: String] = [:]

    init(_ arguments: String, _ expected: String..., environment: [String: String] = [:]) {
      self.arguments = arguments
      self.expected = expected
      self.environment = environment
    }

    var testDescription: String { arguments }
  }

  static let base = "--shared-dir /srv --socket-path s"

  static let rows: [Row] = [
    Row(base, "service: /srv, socket s", "source: /srv", "on disconnect: exit", "sandbox: namespace", "seccomp: kill"),
    Row(base, "queues 1, cache auto, posix-acl never", "inode-file-handles prefer", "announce-submounts, readdirplus"),
    Row(base, "capabilities: chown,dac_override,dac_read_search,fowner,fsetid,setgid,setuid,mknod,setfcap"),
    // Both forms of a value, and the last one wins.
    Row("--shared-dir=/srv --socket-path=s --cache=never", "source: /srv", "cache never"),
    Row("\(base) --cache never --cache=always", "cache always"),
    Row("--shared-dir /a --shared-dir /b --socket-path s", "source: /b"),
    Row("\(base) --cache=METADATA --sandbox=None --seccomp=LOG", "cache metadata", "sandbox: none", "seccomp: log"),
    Row("\(base) --xattr --xattr --readonly", "readonly, xattr"),
    // Options that virtiofsd takes with "=" only: bare means always, whatever follows.
    Row("\(base) --posix-acl", "posix-acl always", "xattr"),
    Row("\(base) --posix-acl --readonly", "posix-acl always", "readonly"),
    Row("--posix-acl \(base)", "posix-acl always", "source: /srv"),
    Row("\(base) --posix-acl=auto --security-label=never", "posix-acl auto", "security-label never"),
    Row("\(base) --security-label", "security-label always", "xattr"),
    Row("\(base) --posix-acl --posix-acl=never", "posix-acl never"),
    Row("\(base) --posix-acl auto --security-label AUTO", "posix-acl auto, security-label auto"),
    Row("\(base) --inode-file-handles=never", "inode-file-handles never", "capabilities: chown,dac_override,fowner"),
    Row("\(base) --inode-file-handles=mandatory", "inode-file-handles mandatory"),
    Row("\(base) --inode-file-handles=fallback", "inode-file-handles prefer"),
    // Queues.
    Row("\(base) --thread-pool-size 0", "queues 1,"),
    Row("\(base) --thread-pool-size=1", "queues 1,"),
    Row("\(base) --thread-pool-size 5", "queues 5,"),
    Row("\(base) --thread-pool-size 5000000000", "queues 64,"),
    Row("\(base) --thread-pool-size nproc", "queues \(min(Processors.usableCount, 64)),"),
    Row("\(base) --thread-pool-size 5 --num-request-queues 3", "queues 3,"),
    // The rest of a share.
    Row("\(base) --no-announce-submounts --no-readdirplus", "killpriv-v2 automatic, \n"),
    Row("\(base) --no-announce-submounts --announce-submounts", "announce-submounts"),
    Row("\(base) --writeback --allow-direct-io --allow-mmap", "writeback, allow-direct-io, allow-mmap"),
    Row("\(base) --packed-ring", "packed-ring"),
    Row("\(base) --killpriv-v2", "killpriv-v2 on"),
    Row("\(base) --killpriv-v2 --no-killpriv-v2", "killpriv-v2 off"),
    Row("\(base) --preserve-noatime --posix-lock --flock", "preserve-noatime, posix-lock, flock"),
    Row("\(base) --xattrmap :map::user.virtiofs.:", "xattr, xattrmap"),
    Row("\(base) --translate-uid map:0:1000:1 --translate-gid=squash-host,0,5,10", "translate-uid, translate-gid"),
    Row("\(base) --tag=store", "service: store", "tag store"),
    // The daemon.
    Row("\(base) --rlimit-nofile 1048576", "descriptor limit: 1048576"),
    Row("\(base) --rlimit-nofile=0", "descriptor limit: 0"),
    Row("\(base) --on-disconnect relisten", "on disconnect: relisten"),
    Row("\(base) --poll-us 20", "poll: 20 us"),
    Row("\(base) --socket-group=kvm", "socket group: kvm"),
    Row("\(base) --log-level debug --syslog", "log level: debug, syslog"),
    Row("\(base) --log-level debug", "log level: warn", environment: ["RUST_LOG": "warn"]),
    Row("\(base)", "log level: trace", environment: ["RUST_LOG": "virtiofsd=trace,vhost=info"]),
    Row("\(base)", "log level: error", environment: ["RUST_LOG": "error,virtiofsd=trace"]),
    Row("\(base)", "log level: info", environment: ["RUST_LOG": "nonsense"]),
    Row("--shared-dir /srv --socket s", "socket s", "warning: --socket is an old name"),
    Row("--shared-dir /srv --fd 3", "socket descriptor 3"),
    Row("\(base) --uid-map :0:100000:65536: --gid-map=/0/5/1/", "user map: 0 100000 65536", "group map: 0 5 1"),
    Row("\(base) --modcaps=+sys_admin:-MKNOD", "setgid,setuid,sys_admin,setfcap"),
    Row("\(base) --modcaps -mknod", "setgid,setuid,setfcap"),
    Row("\(base) --migration-mode=file-handles --migration-on-error guest-error", "does not transfer"),
    Row("\(base) --migration-verify-handles --migration-confirm-paths", "does not transfer"),
    // The deprecated list.
    Row("-o source=/srv,cache=none,xattr --socket-path=s", "source: /srv", "cache never", "xattr", "-o is deprecated"),
    Row("\(base) -o writeback,no_readdirplus -ocache=always", "cache always", "announce-submounts, writeback"),
    Row("\(base) -o no_posix_lock,no_flock,sandbox=chroot,loglevel=err", "sandbox: chroot", "log level: error"),
    Row("\(base) -o xattrmap=:ok:all:::,modcaps=-mknod,posix_acl", "posix-acl always", "setuid,setfcap"),
    Row("\(base) -o allow_direct_io,no_allow_direct_io,killpriv_v2,security_label", "killpriv-v2 on"),
    Row("\(base) -d -f", "log level: debug", "-d is deprecated", "-f is deprecated"),
    // Several shares.
    Row(
      "--share tag=a,source=/a,socket=a.sock --share tag=b,source=/b,socket=b.sock,readonly,cache=always --xattr",
      "service: a, socket a.sock", "service: b, socket b.sock", "on disconnect: relisten",
      "share: a, tag a, queues 1, cache auto", "share: b, tag b, queues 1, cache always", "readonly, xattr"),
    Row("--share tag=a,source=/x,,y,fd=7,posix-acl,num-request-queues=4", "source: /x,y", "descriptor 7", "queues 4"),
    Row("--share tag=a,source=/a,socket=s,no-xattr --xattr", "share: a", "automatic, announce-submounts"),
  ]

  @Test(arguments: rows)
  func meansWhatItSays(_ row: Row) throws {
    let arguments = row.arguments.split(separator: " ").map(String.init) + ["--dry-run"]
    let outcome = try DaemonProcess.run(arguments, environment: row.environment)
    #expect(outcome.status == .code(0), "\(outcome.standardError)")
    #expect(outcome.standardError.isEmpty)
    for expected in row.expected {
      #expect(outcome.standardOutput.contains(expected), "\(outcome.standardOutput)")
    }
  }

  /// nixos-modules/microvm/virtiofsd/default.nix of microvm.nix, as its scripts expand: for root, for a user, with
  /// every option of a share.
  static let microvmLines: [Row] = [
    Row(
      "--socket-path=vm-virtiofs-ro-store.sock --socket-group=kvm --shared-dir=/nix/store --rlimit-nofile 1048576 "
        + "--thread-pool-size 8 --posix-acl --xattr --cache=auto --inode-file-handles=prefer",
      "queues 8, cache auto, posix-acl always", "descriptor limit: 1048576", "socket group: kvm",
      "service: /nix/store, socket vm-virtiofs-ro-store.sock"),
    Row(
      "--socket-path=vm-virtiofs-ro-store.sock --socket-group=kvm --shared-dir=/nix/store "
        + "--thread-pool-size 2 --posix-acl --xattr --cache=auto --inode-file-handles=prefer --tag=ro-store --readonly",
      "queues 2, cache auto, posix-acl always", "descriptor limit: automatic", "tag ro-store", "readonly, xattr"),
    Row(
      "--socket-path=s.sock --shared-dir=/srv --thread-pool-size 2 --cache=never --inode-file-handles=never "
        + "--translate-uid=map:0:1000:1 --log-level=debug",
      "queues 2, cache never, posix-acl never", "translate-uid", "log level: debug", "on disconnect: exit"),
  ]

  @Test(arguments: microvmLines)
  func takesTheLinesOfMicrovmNix(_ row: Row) throws {
    try meansWhatItSays(row)
  }

  @Test func behavesTheSameUnderTheNameOfVirtiofsd() throws {
    let directory = try TemporaryDirectory()
    let link = directory.file("virtiofsd")
    try FileManager.default.createSymbolicLink(atPath: link, withDestinationPath: DaemonProcess.binary)
    let process = try DaemonProcess(
      ["--shared-dir=/srv", "--socket-path=s", "--dry-run"], in: directory, binary: link)
    let outcome = try process.wait()
    #expect(outcome.status == .code(0))
    #expect(outcome.standardOutput.contains("source: /srv"))
  }

  @Test(arguments: [["--print-capabilities"], ["--nonsense", "--print-capabilities", "--cache=what"]])
  func printsItsCapabilitiesWhateverElseIsThere(_ arguments: [String]) throws {
    struct Capabilities: Decodable {
      let type: String
      let features: [String]
    }
    let outcome = try DaemonProcess.run(arguments)
    #expect(outcome.status == .code(0))
    let capabilities = try JSONDecoder().decode(Capabilities.self, from: Data(outcome.standardOutput.utf8))
    #expect(capabilities.type == "fs")
    #expect(capabilities.features.contains("separate-options"))
  }

  @Test func withoutArgumentsPrintsHelpAsAnError() throws {
    let outcome = try DaemonProcess.run([])
    #expect(outcome.status == .code(2))
    #expect(outcome.standardError.contains("USAGE: martlet-fs"))
    #expect(outcome.standardOutput.isEmpty)
  }

  @Test(arguments: ["--help", "-h"])
  func helpNamesEveryOptionThatIsNotAnOldOne(_ option: String) throws {
    let outcome = try DaemonProcess.run([option])
    #expect(outcome.status == .code(0))
    for name in ["--shared-dir", "--share", "--socket-path", "--thread-pool-size", "--posix-acl <when>", "--sandbox"] {
      #expect(outcome.standardOutput.contains(name))
    }
    #expect(!outcome.standardOutput.contains("--migration"))
  }

  @Test(arguments: ["--version", "-V"])
  func saysItsVersion(_ option: String) throws {
    let outcome = try DaemonProcess.run([option])
    #expect(outcome.status == .code(0))
    #expect(outcome.standardOutput.hasPrefix("martlet-fs 0."))
  }
}
