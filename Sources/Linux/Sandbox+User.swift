// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The user namespace of a daemon that is not root: inside it may mount and pivot, outside it is who it was. By
// default the own user and group alone are mapped, to themselves; ranges need newuidmap(1) and newgidmap(1), which
// have to be run by somebody outside of the namespace.

internal import CLinux
internal import Wire

extension Sandbox {
  func enterUserNamespace() throws(SandboxError) {
    let user = CurrentProcess.effectiveUser
    let group = CurrentProcess.effectiveGroup
    let ownUser = IdentifierRange(inside: user, outside: user, count: 1)
    let ownGroup = IdentifierRange(inside: group, outside: group, count: 1)
    let users = userMap.isEmpty ? [ownUser] : userMap
    let groups = groupMap.isEmpty ? [ownGroup] : groupMap

    // A single own id may be written by the process itself, to whatever number inside.
    let isOwn =
      users.count == 1 && groups.count == 1 && users[0].count == 1 && groups[0].count == 1
      && users[0].outside == user && groups[0].outside == group
    if isOwn {
      try Sandbox.unshareUser()
      try Sandbox.writeMap("setgroups", "deny")
      try Sandbox.writeMap("uid_map", "\(users[0].inside) \(user) 1")
      try Sandbox.writeMap("gid_map", "\(groups[0].inside) \(group) 1")
    } else {
      try mapThroughHelper(users, groups)
    }
  }

  /// The process that serves becomes root of the namespace where there is one: it owns what the namespace owns. The one
  /// that waits stays who it was, because the socket file is that user's.
  func becomeRootOfUserNamespace() throws(SandboxError) {
    guard userMap.contains(where: { $0.inside == 0 }), groupMap.contains(where: { $0.inside == 0 }) else { return }
    // Refused where setgroups had to be denied to map the own group alone.
    _ = clinux_supplementary_groups_clear()
    let result = clinux_become(0, 0)
    if result < 0 { throw Sandbox.refused("become root of the user namespace", result) }
  }

  private static func unshareUser() throws(SandboxError) {
    let result = clinux_unshare_user()
    if result >= 0 { return }
    throw SandboxError(
      message: "cannot create a user namespace (\(Errno(-result).message)); allow unprivileged user namespaces "
        + "(sysctl user.max_user_namespaces), start as root, or choose --sandbox=none")
  }

  private static func writeMap(_ file: String, _ text: String) throws(SandboxError) {
    do {
      let map = try Path("/proc/self/\(file)").open(flags: OpenFlags.writeOnly)
      try map.file.write(text)
    } catch {
      throw SandboxError(
        message: "cannot write /proc/self/\(file) (\(error.message)); start as root or choose --sandbox=none")
    }
  }

  /// A child that stays outside waits until this process has its namespace, then runs the two programs on it.
  private func mapThroughHelper(_ users: [IdentifierRange], _ groups: [IdentifierRange]) throws(SandboxError) {
    let process = CurrentProcess.identifier
    let helper: ChildProcess
    do {
      let pipe = try Pipe()
      guard let child = try ChildProcess.fork() else {
        Sandbox.runHelper(pipe, process, users, groups)
      }
      helper = child
      var failure: SandboxError?
      do {
        try Sandbox.unshareUser()
      } catch {
        failure = error
      }
      // Anything but "y" sends the helper away.
      try pipe.writing.file.write(failure == nil ? "y" : "n")
      let status = try helper.wait()
      if let failure { throw failure }
      guard status == .code(0) else {
        throw SandboxError(
          message: "newuidmap or newgidmap refused the ranges of --uid-map and --gid-map; install the package uidmap "
            + "and list the ranges in /etc/subuid and /etc/subgid")
      }
    } catch let error as SandboxError {
      throw error
    } catch {
      throw SandboxError(message: "cannot start a helper for --uid-map (\(error)); start as root or leave it out")
    }
  }

  private static func runHelper(
    _ pipe: Pipe, _ process: Int32, _ users: [IdentifierRange], _ groups: [IdentifierRange]
  ) -> Never {
    let scratch = Scratch(byteCount: 1)
    let answer = try? pipe.reading.file.read(into: scratch.segment)
    guard answer == 1, scratch.segment.load(UInt8.self) == UInt8(ascii: "y") else { CurrentProcess.exit(1) }
    for (program, ranges) in [("newuidmap", users), ("newgidmap", groups)] {
      var arguments = [program, "\(process)"]
      for range in ranges { arguments += ["\(range.inside)", "\(range.outside)", "\(range.count)"] }
      // Its own complaint would be a second sentence: the caller's says what to do.
      let ended = try? ChildProcess.spawn(arguments, files: [nil, nil, nil]).wait()
      guard ended == .code(0) else { CurrentProcess.exit(1) }
    }
    CurrentProcess.exit(0)
  }
}
