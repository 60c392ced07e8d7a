// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Opening, creating and closing.

internal import FuseProtocol
internal import Linux
internal import Wire

extension Worker {
  /// The flags that a guest may pass on to the host's open(2). Everything that names, creates or follows is ours to
  /// decide; O_APPEND is done per write.
  private static let passedFlags: Int32 =
    OpenFlags.accessMode | OpenFlags.truncate | OpenFlags.direct | OpenFlags.noAccessTime | OpenFlags.sync

  /// The host's flags for a guest's open flags, by the share's options.
  private func hostFlags(_ guest: UInt32) throws(Errno) -> Int32 {
    var flags = Int32(bitPattern: guest) & Worker.passedFlags
    if flags & OpenFlags.accessMode == OpenFlags.accessMode { throw .invalid }
    if !share.options.allowDirectIO { flags &= ~OpenFlags.direct }
    if !share.options.preserveNoatime { flags &= ~OpenFlags.noAccessTime }
    if share.features.contains(.writebackCache), flags & OpenFlags.accessMode == OpenFlags.writeOnly {
      // The guest's page cache reads the rest of a page before it writes part of it.
      flags = (flags & ~OpenFlags.accessMode) | OpenFlags.readWrite
    }
    if share.options.readOnly, flags & (OpenFlags.accessMode | OpenFlags.truncate) != 0 { throw .readOnly }
    return flags
  }

  /// Opens a node's inode for real, by its descriptor's magic link. Only regular files and directories: opening
  /// anything else waits (fifos) or acts on the host's hardware (devices).
  func reopen(_ node: PinnedNode, flags: Int32) throws(Errno) -> FileDescriptor {
    let wanted: Int32 = node.type == .directory ? OpenFlags.directory : 0
    guard node.type == .regular || node.type == .directory else { throw .badDescriptor }
    return try relieving { () throws(Errno) -> FileDescriptor in
      try File.currentDirectory.open(decimal.spell(node.file), flags: flags | wanted)
    }
  }

  /// Opens something; if the process has run out of descriptors, closes cached ones and tries again.
  func relieving(_ open: () throws(Errno) -> FileDescriptor) throws(Errno) -> FileDescriptor {
    do throws(Errno) {
      return try open()
    } catch .tooManyFiles {
      share.inodes.relieve()
      return try open()
    }
  }

  func open(_ request: inout Request) throws(Errno) -> Answer {
    let arguments = try request.take(FuseOpenIn.self)
    let node = try share.inodes.acquire(request.header.nodeid)
    defer { share.inodes.release(node) }
    let flags = try hostFlags(arguments.flags)
    if let handle = try openShared(node, flags: flags) {
      return answer(FuseOpenOut(fh: handle, openFlags: replyFlags(flags, mount: node.mount)))
    }
    let kill = share.features.contains(.handleKillprivV2) && arguments.openFlags.contains(.killSuidgid)
    let descriptor = try clearingSetuid(kill) { () throws(Errno) -> FileDescriptor in
      try reopen(node, flags: flags)
    }
    if flags & OpenFlags.truncate != 0 { clearRemappedCapability(decimal.spell(node.file)) }
    let handle = try register(descriptor, flags: flags)
    return answer(FuseOpenOut(fh: handle, openFlags: replyFlags(flags, mount: node.mount)))
  }

  /// Opens a file for reading by its node's descriptor, so that one which is opened again and again costs no system
  /// call. Nil if it has to be opened for itself (contrib/decisions/0025).
  private func openShared(_ node: PinnedNode, flags: Int32) throws(Errno) -> UInt64? {
    guard flags == OpenFlags.readOnly, node.type == .regular, node.mount == 0, share.opensAlike,
      node.id != InodeTable.rootID,
      share.features.isDisjoint(with: [.posixLocks, .flockLocks])
    else { return nil }
    if !node.isReadable {
      let descriptor = try reopen(node, flags: flags)
      guard descriptor.file.raw < share.descriptorCeiling else { return try register(descriptor, flags: flags) }
      if let own = share.inodes.replace(node, with: descriptor) { return try register(own, flags: flags) }
    }
    guard let file = share.inodes.hold(node) else { return nil }
    do throws(Errno) {
      return try share.handles.insert(sharing: file, of: node.id, limit: Int(share.descriptorCeiling))
    } catch {
      share.inodes.release(node)
      throw error
    }
  }

  func openDirectory(_ request: inout Request) throws(Errno) -> Answer {
    _ = try request.take(FuseOpenIn.self)
    let node = try share.inodes.acquire(request.header.nodeid)
    defer { share.inodes.release(node) }
    guard node.type == .directory else { throw .notDirectory }
    let handle = try register(try reopen(node, flags: OpenFlags.readOnly), flags: OpenFlags.readOnly)
    var reply = FuseOpenOut(fh: handle)
    switch share.options.cache {
    case .never: reply.openFlags = .directIO
    case .auto: break
    case .metadata, .always: reply.openFlags = [.cacheDir, .keepCache]
    }
    return answer(reply)
  }

  /// Makes an open file a handle of the guest's, unless it has taken one of the last descriptors.
  private func register(_ descriptor: consuming FileDescriptor, flags: Int32) throws(Errno) -> UInt64 {
    if descriptor.file.raw < share.descriptorCeiling { return share.handles.insert(descriptor, flags: flags) }
    share.inodes.relieve()
    // dup(2) takes the lowest number that is free now.
    let moved = try descriptor.file.duplicate()
    guard moved.file.raw < share.descriptorCeiling else { throw .tooManyFilesInSystem }
    return share.handles.insert(moved, flags: flags)
  }

  /// - Parameter mount: the mount that the file is on.
  private func replyFlags(_ flags: Int32, mount: UInt32) -> FuseOpenReplyFlags {
    var reply: FuseOpenReplyFlags = []
    switch share.options.cache {
    case .never, .metadata: reply = [.directIO, .parallelDirectWrites]
    case .auto: break
    case .always: reply = .keepCache
    }
    // FLUSH tells of delayed errors and drops remote locks. A file that cannot be written has none of the former, nor
    // has one on a local file system: these have nothing to do at close(2). Mounts inside the share may be of any kind.
    let isReadOnly = flags & OpenFlags.accessMode == OpenFlags.readOnly
    let isLocal = mount == 0 && share.isLocal
    if isReadOnly || isLocal, !share.features.contains(.posixLocks), !share.features.contains(.writebackCache) {
      reply.insert(.noflush)
    }
    return reply
  }

  func create(_ request: inout Request) throws(Errno) -> Answer {
    let arguments = try request.take(FuseCreateIn.self)
    let name = try request.takeName()
    let parent = try share.inodes.acquire(request.header.nodeid)
    defer { share.inodes.release(parent) }
    let flags = try hostFlags(arguments.flags)
    let createFlags = flags | OpenFlags.create | OpenFlags.exclusive | OpenFlags.noFollow
    do throws(Errno) {
      let descriptor = try creating(request, umask: arguments.umask) { () throws(Errno) -> FileDescriptor in
        try relieving { () throws(Errno) -> FileDescriptor in
          try parent.file.open(name, flags: createFlags, mode: arguments.mode & 0o7777)
        }
      }
      return try reply(request, created: descriptor, flags: flags, in: parent, name: name)
    } catch .exists {
      if Int32(bitPattern: arguments.flags) & OpenFlags.exclusive != 0 { throw .exists }
    }
    return try openExisting(arguments, flags: flags, in: parent, name: name)
  }

  /// The name was taken by somebody else meanwhile: open what is there, as open(2) with O_CREAT does.
  private func openExisting(
    _ arguments: FuseCreateIn, flags: Int32, in parent: PinnedNode, name: CName
  ) throws(Errno) -> Answer {
    let found = try look(up: name, in: parent.file, mount: parent.mount)
    do throws(Errno) {
      let node = try share.inodes.acquire(found.id)
      defer { share.inodes.release(node) }
      if node.type == .directory { throw .isDirectory }
      let kill = share.features.contains(.handleKillprivV2) && arguments.openFlags.contains(.killSuidgid)
      let descriptor = try clearingSetuid(kill) { () throws(Errno) -> FileDescriptor in
        try reopen(node, flags: flags)
      }
      var status = found.status
      if flags & OpenFlags.truncate != 0 {
        clearRemappedCapability(decimal.spell(node.file))
        status = try descriptor.file.status()
      }
      var writer = payload
      writer.append(entry(FoundInode(id: found.id, status: status, entersMount: found.entersMount)))
      writer.append(
        FuseOpenOut(fh: try register(descriptor, flags: flags), openFlags: replyFlags(flags, mount: node.mount)))
      return .payload(writer.count)
    } catch {
      share.inodes.forget(found.id, count: 1)
      throw error
    }
  }

  /// Registers a file that was just made: entry and open handle in one reply.
  private func reply(
    _ request: Request, created descriptor: consuming FileDescriptor, flags: Int32, in parent: PinnedNode,
    name: CName?
  ) throws(Errno) -> Answer {
    var known: UInt64?
    do throws(Errno) {
      // The inode behind the open file, not behind the name: that may be another one's by now.
      let status = try descriptor.file.status()
      let (id, mount) = try adopt(created: descriptor.file, status, hasName: name != nil)
      known = id
      try label(request, node: id)
      var writer = payload
      writer.append(entry(FoundInode(id: id, status: status, entersMount: mount != parent.mount)))
      writer.append(FuseOpenOut(fh: try register(descriptor, flags: flags), openFlags: replyFlags(flags, mount: mount)))
      return .payload(writer.count)
    } catch {
      // Nothing may stay behind that the guest believes was not made.
      if let known { share.inodes.forget(known, count: 1) }
      if let name { try? parent.file.remove(name) }
      throw error
    }
  }

  /// The inode of a file that was just made. A file without a name keeps a descriptor: no handle finds it again.
  private func adopt(
    created file: File, _ status: FileStatus, hasName: Bool
  ) throws(Errno) -> (id: UInt64, mount: UInt32) {
    if hasName, let found = adopt(created: file, status: status) { return found }
    let link = decimal.spell(file)
    let path = try relieving { () throws(Errno) -> FileDescriptor in
      try File.currentDirectory.open(link, flags: OpenFlags.path)
    }
    return try adopt(path, status: status, keepOpen: !hasName)
  }

  /// TMPFILE: a file without a name in the request's directory. Its descriptor stays open: no handle finds it again.
  func createTemporary(_ request: inout Request) throws(Errno) -> Answer {
    let arguments = try request.take(FuseCreateIn.self)
    let parent = try share.inodes.acquire(request.header.nodeid)
    defer { share.inodes.release(parent) }
    // No name to make, but a context may follow it.
    _ = request.arguments.readName()
    let flags = try hostFlags(arguments.flags)
    let exclusive = Int32(bitPattern: arguments.flags) & OpenFlags.exclusive
    let descriptor = try creating(request, umask: arguments.umask) { () throws(Errno) -> FileDescriptor in
      try relieving { () throws(Errno) -> FileDescriptor in
        try parent.file.open(
          CName("."), flags: flags | OpenFlags.temporary | exclusive, mode: arguments.mode & 0o7777)
      }
    }
    return try reply(request, created: descriptor, flags: flags, in: parent, name: nil)
  }

  func close(_ request: inout Request) throws(Errno) -> Answer {
    let arguments = try request.take(FuseReleaseIn.self)
    if arguments.releaseFlags.contains(.flockUnlock), let open = try? share.handles.acquire(arguments.fh) {
      try? open.file.lockWhole(8)
      share.handles.release(open)
    }
    if share.features.contains(.posixLocks) { share.locks.drop(handle: arguments.fh) }
    try share.handles.close(arguments.fh)
    return .payload(0)
  }

  /// FLUSH: the guest closes one descriptor of the file. A duplicate's close brings up errors of delayed writes.
  func flush(_ request: inout Request) throws(Errno) -> Answer {
    let arguments = try request.take(FuseFlushIn.self)
    let open = try share.handles.acquire(arguments.fh)
    defer { share.handles.release(open) }
    if share.features.contains(.posixLocks) {
      share.locks.drop(node: request.header.nodeid, owner: arguments.lockOwner)
    }
    if open.flags & OpenFlags.accessMode == OpenFlags.readOnly { return .payload(0) }
    try File(raw: try open.file.duplicate().release()).closeChecked()
    return .payload(0)
  }
}
