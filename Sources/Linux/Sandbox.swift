// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The walls around a daemon. In namespace mode two processes result: the parent stays outside, waits and tidies up;
// the child is process 1 of its own pid namespace, has no network, and its root is a small read-only tmpfs on which
// the shares are mounted at /0, /1, ... so that several of them fit into one process. Called from one place in the
// start order (Daemon/Lifecycle.swift): `prepare` before the fork, `enter` after it.

internal import CLinux
internal import Wire

public enum SandboxMode: String, Sendable, CaseIterable {
  /// Own user (unless root), mount, pid and network namespaces.
  case namespace
  /// The root directory is the share; only root can do this.
  case chroot
  /// Nothing: the checks on names alone keep the guest inside.
  case none

  /// True if a parent process stays outside of the walls.
  public var hasParent: Bool { self != .none }
}

/// One line of a uid_map or gid_map (user_namespaces(7)).
public struct IdentifierRange: Equatable, Sendable {
  public let inside: UInt32
  public let outside: UInt32
  public let count: UInt32

  public init(inside: UInt32, outside: UInt32, count: UInt32) {
    self.inside = inside
    self.outside = outside
    self.count = count
  }
}

/// What went wrong, as one sentence that says what to do.
public struct SandboxError: Error, Sendable {
  public let message: String

  public init(message: String) {
    self.message = message
  }
}

/// What the daemon works with afterwards.
public struct SandboxRoots: Sendable {
  /// An O_PATH descriptor of each source, in order.
  public let roots: [SharedDescriptor]
  /// /proc/self/fd of this process: the way to reopen an O_PATH descriptor.
  public let descriptorDirectory: SharedDescriptor
}

/// How the walls are to be built.
public struct Sandbox: Sendable {
  public let mode: SandboxMode
  /// Directories or regular files that stay reachable.
  public let sources: [String]
  /// For namespace mode without root; empty means the own id only.
  public let userMap: [IdentifierRange]
  public let groupMap: [IdentifierRange]

  public init(
    mode: SandboxMode, sources: [String], userMap: [IdentifierRange] = [], groupMap: [IdentifierRange] = []
  ) {
    self.mode = mode
    self.sources = sources
    self.userMap = userMap
    self.groupMap = groupMap
  }

  /// What can be said before anything is done; called before the socket exists.
  public func check() throws(SandboxError) {
    for source in sources { try Sandbox.checkSource(source) }
    if mode == .chroot {
      if CurrentProcess.effectiveUser != 0 {
        throw SandboxError(message: "--sandbox=chroot needs root; use --sandbox=namespace or --sandbox=none")
      }
      if sources.count > 1 {
        throw SandboxError(
          message: "--sandbox=chroot can hold one share only, not \(sources.count); use --sandbox=namespace")
      }
      if let source = sources.first, let status = try? Path(source).status(), status.isRegular {
        throw SandboxError(message: "--sandbox=chroot cannot hold the regular file '\(source)'; use another sandbox")
      }
    }
    if !(userMap.isEmpty && groupMap.isEmpty) && (mode != .namespace || CurrentProcess.effectiveUser == 0) {
      throw SandboxError(
        message: "--uid-map and --gid-map need --sandbox=namespace and a user other than root; leave them out")
    }
  }

  private static func checkSource(_ source: String) throws(SandboxError) {
    let status: FileStatus
    do {
      status = try Path(source).status()
    } catch {
      let what = error == .noEntry ? "does not exist" : "cannot be looked at (\(error.message))"
      throw SandboxError(message: "the shared directory '\(source)' \(what); give an existing directory")
    }
    guard status.isDirectory || status.isRegular else {
      throw SandboxError(message: "'\(source)' is neither a directory nor a regular file; give one of these to share")
    }
    guard Path(source).isReadable else {
      throw SandboxError(
        message: "no permission to read '\(source)'; change its mode or start the daemon as a user who may read it")
    }
  }

  /// The part that the process that will be the parent does, before it forks.
  public func prepare() throws(SandboxError) {
    guard mode == .namespace else { return }
    if CurrentProcess.effectiveUser != 0 {
      try enterUserNamespace()
    }
    let result = clinux_unshare_pids()
    if result < 0 {
      throw Sandbox.refused("create a pid namespace", result)
    }
  }

  /// The part that the process that serves does.
  public func enter() throws(SandboxError) -> SandboxRoots {
    switch mode {
    case .namespace:
      try becomeRootOfUserNamespace()
      return try enterMountNamespace()
    case .chroot: return try enterChroot()
    case .none: return SandboxRoots(roots: try openRoots(), descriptorDirectory: try Sandbox.openDescriptorDirectory())
    }
  }

  static func refused(_ what: String, _ result: Int32) -> SandboxError {
    SandboxError(
      message: "cannot \(what) for the sandbox (\(Errno(-result).message)); "
        + "start as root with CAP_SYS_ADMIN, or choose --sandbox=chroot or --sandbox=none")
  }

  private func openRoots() throws(SandboxError) -> [SharedDescriptor] {
    var roots: [SharedDescriptor] = []
    for source in sources {
      do {
        roots.append(SharedDescriptor(try Path(source).open(flags: OpenFlags.path)))
      } catch {
        throw SandboxError(message: "cannot open '\(source)' (\(error.message)); give a directory that can be opened")
      }
    }
    return roots
  }

  private static func openDescriptorDirectory() throws(SandboxError) -> SharedDescriptor {
    do {
      return SharedDescriptor(try Path("/proc/self/fd").open(flags: OpenFlags.path | OpenFlags.directory))
    } catch {
      throw SandboxError(message: "cannot open /proc/self/fd (\(error.message)); mount proc on /proc")
    }
  }

  /// For a daemon that needs no directory: one that nobody can reach any more, and so nobody can put anything into.
  private static func emptyDirectory() throws(SandboxError) -> SharedDescriptor? {
    let path = "/tmp/martlet-root-\(CurrentProcess.identifier)"
    do throws(Errno) {
      try checked(unsafe path.withCString { unsafe clinux_mkdirat(File.currentDirectory.raw, $0, 0o500) })
      defer { _ = unsafe path.withCString { unsafe clinux_unlinkat(File.currentDirectory.raw, $0, 0x200) } }
      return SharedDescriptor(try Path(path).open(flags: OpenFlags.readOnly | OpenFlags.directory))
    } catch {
      throw SandboxError(
        message: "cannot make an empty root directory in /tmp (\(error.message)); choose --sandbox=namespace")
    }
  }

  private func enterChroot() throws(SandboxError) -> SandboxRoots {
    let roots = try openRoots()
    let descriptorDirectory = try Sandbox.openDescriptorDirectory()
    let directory: SharedDescriptor?
    if let root = roots.first { directory = root } else { directory = try Sandbox.emptyDirectory() }
    if let root = directory {
      var result = clinux_fchdir(root.file.raw)
      if result >= 0 { result = unsafe clinux_chroot(CName(".").base) }
      if result < 0 {
        throw SandboxError(
          message: "cannot change the root directory (\(Errno(-result).message)); start with CAP_SYS_CHROOT "
            + "or choose --sandbox=none")
      }
    }
    return SandboxRoots(roots: roots, descriptorDirectory: descriptorDirectory)
  }
}
