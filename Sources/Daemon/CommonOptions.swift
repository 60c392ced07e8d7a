// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The options that every daemon has. The spellings are those of virtiofsd and of QEMU's backend conventions where
// these have one. A repeated option: the last one wins.

public import ArgumentParser
public import Linux
public import VhostUser

/// What happens when a frontend leaves.
public enum OnDisconnect: String, Sendable, CaseIterable {
  case exit
  case relisten

  public var policy: Endpoint.DisconnectPolicy { self == .exit ? .exit : .relisten }
}

// Options take their words in any case, as virtiofsd does.
extension SandboxMode: ExpressibleByArgument {
  public init?(argument: String) { self.init(rawValue: argument.lowercased()) }
}

extension SeccompMode: ExpressibleByArgument {
  public init?(argument: String) { self.init(rawValue: argument.lowercased()) }
}

extension LogThreshold: ExpressibleByArgument {
  public init?(argument: String) { self.init(rawValue: argument.lowercased()) }
}

extension OnDisconnect: ExpressibleByArgument {
  public init?(argument: String) { self.init(rawValue: argument.lowercased()) }
}

public struct CommonOptions: ParsableArguments {
  @Option(
    name: .customLong("socket-path"),
    help: ArgumentHelp("Listen on this socket file; a stale one is replaced.", valueName: "path"))
  public var socketPath: String?

  @Option(name: .customLong("socket"), help: ArgumentHelp("Old name of --socket-path.", visibility: .hidden))
  public var deprecatedSocket: String?

  @Option(
    name: .customLong("fd"),
    help: ArgumentHelp(
      "Serve this open descriptor: a listening socket, or a connected one. systemd's LISTEN_FDS works too.",
      valueName: "number"))
  public var fd: Int32?

  @Option(
    name: .customLong("socket-group"),
    help: ArgumentHelp(
      "Give the socket file to this group, with mode 0770; otherwise it is the owner's alone.", valueName: "group"))
  public var socketGroup: String?

  @Option(
    name: .customLong("control-socket"),
    help: ArgumentHelp(
      "Answer questions on this socket file, the owner's alone: counters, latencies, who is attached (martlet status).",
      valueName: "path"))
  public var controlSocket: String?

  @Flag(
    name: .customLong("latency"), inversion: .prefixedNo, exclusivity: .chooseLast,
    help: "Measure how long operations take; it costs a look at the clock for each.")
  public var latency = true

  @Flag(
    name: .customLong("print-capabilities"),
    help: "Print what this program can do, as JSON, and exit.")
  public var printCapabilities = false

  @Option(
    name: .customLong("on-disconnect"),
    help: ArgumentHelp("When the frontend leaves: exit, or relisten for the next one.", valueName: "what"))
  public var onDisconnect: OnDisconnect?

  @Option(
    name: .customLong("sandbox"),
    help: ArgumentHelp(
      "namespace: own mount, pid and network namespaces, and a user namespace when not root; chroot: for one "
        + "directory, as root; none.", valueName: "mode"))
  public var sandbox = SandboxMode.namespace

  @Option(
    name: .customLong("seccomp"),
    help: ArgumentHelp("What a system call outside of the list does: none, kill, log or trap.", valueName: "action"))
  public var seccomp = SeccompMode.kill

  @Option(
    name: .customLong("rlimit-nofile"),
    help: ArgumentHelp(
      "Most open descriptors; 0 leaves the limit alone. Default: 1000000, or what the system allows.",
      valueName: "count"))
  public var rlimitNofile: UInt64?

  @Option(
    name: .customLong("poll-us"),
    help: ArgumentHelp(
      "Longest time a queue looks for work before it sleeps; it adapts itself below that. 0 never looks.",
      valueName: "microseconds"))
  public var pollMicroseconds: Int?

  @Option(
    name: .customLong("log-level"),
    help: ArgumentHelp("error, warn, info, debug, trace or off; RUST_LOG in the environment wins.", valueName: "level"))
  public var logLevel = LogThreshold.info

  @Flag(name: .customLong("syslog"), help: "Log to the system's logger instead of standard error.")
  public var syslog = false

  @Flag(
    name: .customLong("dry-run"),
    help: "Check the options, print what would be served and how, and exit.")
  public var dryRun = false

  public init() {}

  /// The level after the environment had its say.
  public var effectiveLogLevel: LogThreshold {
    CurrentProcess.environment("RUST_LOG").flatMap { LogThreshold.parsing(environment: $0) } ?? logLevel
  }

  /// Things that only show when the options are seen together. Called by the program's own `validate`.
  public func check() throws(HumanError) {
    if fd != nil, socketPath != nil || deprecatedSocket != nil {
      throw .usage("--fd and --socket-path exclude each other; give one of them")
    }
    if socketPath != nil, deprecatedSocket != nil {
      throw .usage("--socket is the old name of --socket-path; give one of them")
    }
    if fd != nil, socketGroup != nil {
      throw .usage("--socket-group is for a socket that this program makes; leave it out with --fd")
    }
    if controlSocket == "" { throw .usage("--control-socket needs a path") }
    if let controlSocket, controlSocket == socketPath ?? deprecatedSocket {
      throw .usage("--control-socket and --socket-path cannot be the same; give each its own path")
    }
    if let fd, fd < 0 { throw .usage("--fd needs a descriptor number of at least 0, not \(fd)") }
    if let pollMicroseconds, !(0...10_000).contains(pollMicroseconds) {
      throw .usage("--poll-us needs a number from 0 to 10000, not \(pollMicroseconds)")
    }
  }
}
