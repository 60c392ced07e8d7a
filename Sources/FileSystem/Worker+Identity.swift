// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Creating files as the guest's user, and the two ways in which a write takes setuid bits away. The changes are to
// the calling thread alone and are undone before the next request: if that fails, going on would serve other users
// with the wrong identity, so the process stops.

internal import FuseProtocol
internal import Linux
internal import Wire

extension Worker {
  /// Runs `body` with the caller's user, group and supplementary groups.
  func asCaller<Result: ~Copyable>(
    _ request: Request, _ body: () throws(Errno) -> Result
  ) throws(Errno) -> Result {
    let user = try share.options.userMap.toHost(request.header.uid)
    let group = try share.options.groupMap.toHost(request.header.gid)
    // A daemon that is not root cannot become anybody: the guest's root then creates as the daemon.
    let switchesUser = user != share.owner.user && user != 0
    let switchesGroup = group != share.owner.group && (group != 0 || share.owner.user == 0)
    if !switchesUser, !switchesGroup { return try body() }
    let groups = try supplementaryGroups(of: request)
    if let groups { try ThreadIdentity.setSupplementaryGroups(groups) }
    defer { if groups != nil { must { () throws(Errno) in try ThreadIdentity.setSupplementaryGroups(.empty) } } }
    if switchesGroup { try ThreadIdentity.setGroup(group) }
    defer { if switchesGroup { must { () throws(Errno) in try ThreadIdentity.setGroup(share.owner.group) } } }
    if switchesUser { try ThreadIdentity.setUser(user) }
    defer { if switchesUser { must { () throws(Errno) in try ThreadIdentity.setUser(share.owner.user) } } }
    if switchesUser, !share.features.contains(.createSuppGroup) {
      // The guest has checked the directory's permissions with groups that it does not tell us.
      _ = try? ThreadIdentity.setEffective(.dacOverride, true)
      // From Linux 6.1 on (FUSE 7.37) it has also taken S_ISGID away where the user is not of the directory's group.
      if share.guestMinor >= 37 { _ = try? ThreadIdentity.setEffective(.fsetid, true) }
    }
    return try body()
  }

  /// As `asCaller`, with the umask that the guest leaves to us when ACLs are on (FUSE_DONT_MASK).
  func creating<Result: ~Copyable>(
    _ request: Request, umask: UInt32, _ body: () throws(Errno) -> Result
  ) throws(Errno) -> Result {
    guard share.features.contains(.dontMask) else { return try asCaller(request, body) }
    ThreadIdentity.setFileModeMask(umask & 0o777)
    defer { ThreadIdentity.setFileModeMask(0) }
    return try asCaller(request, body)
  }

  /// The caller's groups from the request's extension, as many as it carries; nil if it carries none.
  private func supplementaryGroups(of request: Request) throws(Errno) -> Segment? {
    guard share.features.contains(.createSuppGroup),
      let payload = try request.extension({ $0 == FuseExtensionType.groups }, in: request.extensions)
    else { return nil }
    guard let header = payload.load(FuseSuppGroups.self), header.nrGroups <= 65536,
      payload.count >= FuseSuppGroups.byteCount + 4 * Int(header.nrGroups)
    else { throw .invalid }
    let ids = payload.dropFirst(FuseSuppGroups.byteCount).prefix(4 * Int(header.nrGroups))
    if share.options.groupMap.isIdentity { return ids }
    var offset = 0
    while offset < ids.count {
      ids.store(try share.options.groupMap.toHost(ids.load(UInt32.self, at: offset) ?? 0), at: offset)
      offset += 4
    }
    return ids
  }

  /// Runs `body` without CAP_FSETID if `kill`: the host's kernel then clears setuid and setgid as it would for the
  /// guest's unprivileged user (FUSE_HANDLE_KILLPRIV_V2).
  func clearingSetuid<Result: ~Copyable>(_ kill: Bool, _ body: () throws(Errno) -> Result) throws(Errno) -> Result {
    guard kill, (try? ThreadIdentity.setEffective(.fsetid, false)) == true else { return try body() }
    defer { must { () throws(Errno) in try ThreadIdentity.setEffective(.fsetid, true) } }
    return try body()
  }

  private func must(_ restore: () throws(Errno) -> Void) {
    do throws(Errno) {
      try restore()
    } catch {
      preconditionFailure("a thread cannot take its own identity back: \(error.message)")
    }
  }
}
