// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The command line: every option of virtiofsd 1.14 by its own spelling, `--x=y` and `--x y`, and ours. This file
// declares; what the options mean together is decided in Options+Plan.swift.

public import ArgumentParser
internal import Daemon
public import FileSystem

extension CachePolicy: ExpressibleByArgument {
  public init?(argument: String) { self.init(rawValue: argument.lowercased()) }
}

extension InodeFileHandles: ExpressibleByArgument {
  public init?(argument: String) {
    // An old name of virtiofsd's.
    self.init(rawValue: argument.lowercased() == "fallback" ? "prefer" : argument.lowercased())
  }
}

extension Negotiation: ExpressibleByArgument {
  public init?(argument: String) { self.init(rawValue: argument.lowercased()) }
}

enum MigrationMode: String, ExpressibleByArgument, CaseIterable {
  case findPaths = "find-paths"
  case fileHandles = "file-handles"
}

enum MigrationOnError: String, ExpressibleByArgument, CaseIterable {
  case abort
  case guestError = "guest-error"
}

struct Options: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "martlet-fs",
    abstract: "Shares directories of the host with virtual machines (virtio-fs over vhost-user).",
    usage: """
      martlet-fs --shared-dir <directory> --socket-path <path> [options]
      martlet-fs --share tag=<tag>,source=<directory>,socket=<path>[,...] ... [options]
      """,
    discussion: """
      It takes virtiofsd's command line as it is. A list of shares (--share) runs in one process; options beside it \
      hold for each share unless it says otherwise. SIGTERM and SIGINT end it, SIGUSR1 writes counters to the log.
      """,
    version: "\(program.name) \(program.version)")

  @OptionGroup(title: "What to share") var what: WhatToShare
  @OptionGroup(title: "Daemon") var common: CommonOptions
  @OptionGroup(title: "Share") var share: ShareFlags
  @OptionGroup(title: "Identities and privileges") var identity: IdentityOptions
  @OptionGroup(title: "Migration") var migration: MigrationOptions

  @Option(
    name: .customShort("o"), parsing: .singleValue,
    help: ArgumentHelp("Options as a comma separated list (deprecated).", valueName: "list"))
  var compatible: [String] = []

  @Flag(name: .customShort("d"), help: "Log at level debug (deprecated).")
  var debug = false

  @Flag(name: .customShort("f"), help: ArgumentHelp("Stay in the foreground: it always does.", visibility: .hidden))
  var foreground = false

  @Flag(name: .customShort("V"), help: ArgumentHelp("Show the version.", visibility: .hidden))
  var showVersion = false
}

/// Where it is and what it is called: virtiofsd's way for one, ours for several.
struct WhatToShare: ParsableArguments {
  @Option(
    name: .customLong("shared-dir"),
    help: ArgumentHelp("Directory (or regular file) to share.", valueName: "directory"))
  var sharedDirectory: String?

  @Option(
    name: .customLong("share"),
    help: ArgumentHelp(
      """
      One of several shares: tag=T,source=DIRECTORY,socket=PATH and options of a share without their dashes, such as \
      readonly, cache=always, posix-acl, inode-file-handles=never, num-request-queues=4. A comma in a value is \
      written twice. Instead of socket: fd=N, or nothing where systemd passes a socket of the tag's name.
      """, valueName: "list"))
  var shares: [String] = []

  @Option(
    name: .customLong("tag"),
    help: ArgumentHelp("Name of the share for the guest, for frontends that ask the device (crosvm).", valueName: "tag")
  )
  var tag: String?
}

/// What one share can be told, and what --share can say differently for each.
struct ShareFlags: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "What the guest may cache: never, metadata, auto (for a second) or always (for a day).", valueName: "policy"))
  var cache = CachePolicy.auto

  @Flag(help: "Refuse everything that would change the share.")
  var readonly = false

  @Option(
    name: .customLong("thread-pool-size"),
    help: ArgumentHelp(
      """
      Number of request queues, each with its own thread: 0 and 1 mean one, nproc one per processor, 64 is the most. \
      The frontend sees one queue more, which carries no requests.
      """, valueName: "count"))
  var threadPoolSize = QueueCount.number(0)

  @Option(
    name: .customLong("num-request-queues"),
    help: ArgumentHelp("The same by the frontends' name for it, 1 to 64; wins.", valueName: "count"))
  var requestQueues: Int?

  @Flag(help: "Extended attributes.")
  var xattr = false

  @Option(
    name: .customLong("posix-acl"),
    help: ArgumentHelp(
      "POSIX ACLs: never, auto (where the guest can), or always, which is what the bare option means; with --xattr.",
      valueName: "when"))
  var posixACL = Negotiation.never

  @Option(
    name: .customLong("security-label"),
    help: ArgumentHelp("Security labels of new files, likewise.", valueName: "when"))
  var securityLabel = Negotiation.never

  @Option(
    help: ArgumentHelp(
      "Rules that rename extended attributes, as virtiofsd's; with --xattr.", valueName: "rules"))
  var xattrmap: String?

  @Option(
    name: .customLong("inode-file-handles"),
    help: ArgumentHelp(
      "Keep files by handle instead of open: never, prefer (where the file system can) or mandatory.",
      valueName: "when"))
  var inodeFileHandles = InodeFileHandles.prefer

  @Flag(
    name: .customLong("announce-submounts"), inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Let the guest see where another file system is mounted inside the share.")
  var announceSubmounts = true

  @Flag(
    name: .customLong("readdirplus"), inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Send attributes along with directory entries.")
  var readdirplus = true

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "Let the guest delay writes in its cache.")
  var writeback = false

  @Flag(
    name: .customLong("allow-direct-io"), inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Pass O_DIRECT of the guest's opens on to the host.")
  var allowDirectIO = false

  @Flag(
    name: .customLong("packed-ring"), inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Offer packed rings, for frontends that know them (QEMU with packed=on).")
  var packedRing = false

  @Flag(name: .customLong("allow-mmap"), help: "Allow shared mappings with --cache=never and metadata.")
  var allowMmap = false

  @Flag(
    name: .customLong("killpriv-v2"), inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Take set-user-id bits off in the daemon on writes. Default: where the share is on a local file system.")
  var killPrivV2: Bool?

  @Flag(name: .customLong("preserve-noatime"), help: "Pass O_NOATIME of the guest's opens on to the host.")
  var preserveNoatime = false

  @Flag(
    name: .customLong("posix-lock"), inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Make the guest's fcntl locks visible to the host and to other guests.")
  var posixLock = false

  @Flag(inversion: .prefixedNo, exclusivity: .chooseLast, help: "The same for flock.")
  var flock = false
}

struct IdentityOptions: ParsableArguments {
  @Option(
    name: .customLong("translate-uid"), parsing: .singleValue,
    help: ArgumentHelp(
      """
      The guest's users are others on the host: map:G:H:count, guest:, host:, squash-guest:, squash-host:, \
      forbid-guest:G:count; repeatable.
      """, valueName: "rule"))
  var translateUID: [String] = []

  @Option(
    name: .customLong("translate-gid"), parsing: .singleValue,
    help: ArgumentHelp("The same for groups.", valueName: "rule"))
  var translateGID: [String] = []

  @Option(
    name: .customLong("uid-map"), parsing: .singleValue,
    help: ArgumentHelp(
      "Users of the namespace when not root, through newuidmap; default: the own user.",
      valueName: ":inside:outside:count:"))
  var uidMap: [String] = []

  @Option(
    name: .customLong("gid-map"), parsing: .singleValue,
    help: ArgumentHelp("The same for groups, through newgidmap.", valueName: ":inside:outside:count:"))
  var gidMap: [String] = []

  @Option(
    parsing: .unconditional,
    help: ArgumentHelp("Keep or drop capabilities: +name or -name, separated by colons.", valueName: "list"))
  var modcaps: String?
}

struct MigrationOptions: ParsableArguments {
  @Option(name: .customLong("migration-mode"), help: ArgumentHelp(visibility: .hidden))
  var mode: MigrationMode?

  @Option(name: .customLong("migration-on-error"), help: ArgumentHelp(visibility: .hidden))
  var onError: MigrationOnError?

  @Flag(name: .customLong("migration-verify-handles"), help: ArgumentHelp(visibility: .hidden))
  var verifyHandles = false

  @Flag(name: .customLong("migration-confirm-paths"), help: ArgumentHelp(visibility: .hidden))
  var confirmPaths = false
}
