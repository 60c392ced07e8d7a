// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Making, moving and removing names. Every name was checked by `takeName`.

internal import FuseProtocol
internal import Linux
internal import Wire

extension Worker {
  func readLink(_ request: inout Request) throws(Errno) -> Answer {
    let node = try share.inodes.acquire(request.header.nodeid)
    defer { share.inodes.release(node) }
    // The guest's kernel takes at most a page; a longer target cannot exist (PATH_MAX).
    let count = try node.file.readLink(CName(""), into: payload.target.prefix(4096))
    return .payload(count)
  }

  func makeSymlink(_ request: inout Request) throws(Errno) -> Answer {
    let name = try request.takeName()
    let target = try request.takeTarget()
    return try make(request, name, umask: 0) { (directory) throws(Errno) in
      try directory.makeSymlink(name, target: target)
    }
  }

  func makeDirectory(_ request: inout Request) throws(Errno) -> Answer {
    let arguments = try request.take(FuseMkdirIn.self)
    let name = try request.takeName()
    return try make(request, name, umask: arguments.umask, isDirectory: true) { (directory) throws(Errno) in
      try directory.makeDirectory(name, mode: arguments.mode & 0o7777)
    }
  }

  func makeNode(_ request: inout Request) throws(Errno) -> Answer {
    let arguments = try request.take(FuseMknodIn.self)
    let name = try request.takeName()
    // Only the kinds that mknod(2) makes; a directory or a symlink by this door is a malformed request.
    switch FileType(mode: arguments.mode) {
    case .regular, .fifo, .socket, .character, .block: break
    default: throw .invalid
    }
    return try make(request, name, umask: arguments.umask) { (directory) throws(Errno) in
      try directory.makeNode(name, mode: arguments.mode, device: arguments.rdev)
    }
  }

  /// Runs `body` as the caller in the request's directory, labels what it made, and looks it up.
  private func make(
    _ request: Request, _ name: CName, umask: UInt32, isDirectory: Bool = false,
    _ body: (File) throws(Errno) -> Void
  ) throws(Errno) -> Answer {
    let parent = try share.inodes.acquire(request.header.nodeid)
    defer { share.inodes.release(parent) }
    try creating(request, umask: umask) { () throws(Errno) in try body(parent.file) }
    do throws(Errno) {
      let found = try look(up: name, in: parent.file, mount: parent.mount)
      do throws(Errno) {
        try label(request, node: found.id)
      } catch {
        share.inodes.forget(found.id, count: 1)
        throw error
      }
      return answer(entry(found))
    } catch {
      // Nothing may stay behind that the guest believes was not made.
      try? parent.file.remove(name, flags: isDirectory ? AtFlags.removeDirectory : 0)
      throw error
    }
  }

  /// Sets the security context that came with the request, if one did (FUSE_SECURITY_CTX).
  func label(_ request: Request, node id: UInt64) throws(Errno) {
    guard share.features.contains(.securityCtx), let context = try securityContext(of: request) else { return }
    let node = try share.inodes.acquire(id)
    defer { share.inodes.release(node) }
    try PathAttributes.set(decimal.spell(node.file), context.name, value: context.value, flags: 0)
  }

  private func securityContext(of request: Request) throws(Errno) -> (name: CName, value: Segment)? {
    let isContext = { (type: UInt32) in type <= FuseExtensionType.maximumSecurityContexts }
    // Linux 5.17 to 6.2 put the same record behind the names; the header had no length of extensions then.
    let records = share.guestMinor < 38 ? request.arguments.remainder : request.extensions
    guard let payload = try request.extension(isContext, in: records) else { return nil }
    var reader = ByteReader(payload)
    guard let context = reader.read(FuseSecctx.self), let name = reader.readName(), !name.isEmpty,
      let value = reader.readBytes(Int(context.size))
    else { return nil }
    return (name, value)
  }

  func makeLink(_ request: inout Request) throws(Errno) -> Answer {
    let arguments = try request.take(FuseLinkIn.self)
    let name = try request.takeName()
    let parent = try share.inodes.acquire(request.header.nodeid)
    defer { share.inodes.release(parent) }
    let source = try share.inodes.acquire(arguments.oldnodeid)
    defer { share.inodes.release(source) }
    try parent.file.makeLink(
      name, to: decimal.spell(source.file), in: .currentDirectory, flags: AtFlags.symlinkFollow)
    return answer(entry(try look(up: name, in: parent.file, mount: parent.mount)))
  }

  func remove(_ request: inout Request, flags: Int32) throws(Errno) -> Answer {
    let name = try request.takeName()
    let parent = try share.inodes.acquire(request.header.nodeid)
    defer { share.inodes.release(parent) }
    if flags == 0 { keepBeforeRemoval(name, in: parent) }
    try parent.file.remove(name, flags: flags)
    return .payload(0)
  }

  /// With a write-back cache the guest writes times back by node id, also after the file's last name has gone (a file
  /// that somebody has open for reading). A handle finds nothing then, so the inode is held open from here on.
  private func keepBeforeRemoval(_ name: CName, in parent: PinnedNode) {
    guard share.usesHandles, share.features.contains(.writebackCache),
      let found = try? look(up: name, in: parent.file, mount: parent.mount)
    else { return }
    if found.status.links == 1, !found.status.isDirectory {
      share.inodes.keepOpen(found.id, below: share.descriptorCeiling)
    }
    share.inodes.forget(found.id, count: 1)
  }

  func rename(_ request: inout Request, extended: Bool) throws(Errno) -> Answer {
    let target: UInt64
    var flags: UInt32 = 0
    if extended {
      let arguments = try request.take(FuseRename2In.self)
      target = arguments.newdir
      flags = arguments.flags
      // RENAME_NOREPLACE, RENAME_EXCHANGE, RENAME_WHITEOUT (linux/fs.h).
      if flags & ~7 != 0 { throw .invalid }
    } else {
      target = try request.take(FuseRenameIn.self).newdir
    }
    let name = try request.takeName()
    let newName = try request.takeName()
    let parent = try share.inodes.acquire(request.header.nodeid)
    defer { share.inodes.release(parent) }
    let newParent = try share.inodes.acquire(target)
    defer { share.inodes.release(newParent) }
    if flags == 0 { keepBeforeRemoval(newName, in: newParent) }
    try parent.file.rename(name, to: newParent.file, newName, flags: flags)
    return .payload(0)
  }
}
