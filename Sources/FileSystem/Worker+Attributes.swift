// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Attributes: reading, changing, checking access.

internal import FuseProtocol
internal import Linux
internal import Wire

extension Worker {
  /// A file's attributes as the guest sees them.
  func attributes(_ status: FileStatus, entersMount: Bool) -> FuseAttr {
    var attr = FuseAttr()
    attr.ino = status.inode
    attr.size = status.size
    attr.blocks = status.blocks
    attr.atime = UInt64(bitPattern: status.accessTime.seconds)
    attr.mtime = UInt64(bitPattern: status.modificationTime.seconds)
    attr.ctime = UInt64(bitPattern: status.changeTime.seconds)
    attr.atimensec = status.accessTime.nanoseconds
    attr.mtimensec = status.modificationTime.nanoseconds
    attr.ctimensec = status.changeTime.nanoseconds
    attr.mode = status.mode
    attr.nlink = status.links
    attr.uid = share.options.userMap.toGuest(status.uid)
    attr.gid = share.options.groupMap.toGuest(status.gid)
    attr.rdev = status.specialDevice
    attr.blksize = status.blockSize
    if entersMount, status.isDirectory, share.features.contains(.submounts) { attr.flags = .submount }
    return attr
  }

  /// Status of a node, through an open file if the request names one: that works for unlinked files everywhere.
  private func status(_ nodeid: UInt64, handle: UInt64?) throws(Errno) -> FileStatus {
    if let handle, let open = try? share.handles.acquire(handle) {
      defer { share.handles.release(open) }
      return try open.file.status()
    }
    let node = try share.inodes.acquire(nodeid)
    defer { share.inodes.release(node) }
    return try node.file.status()
  }

  func getAttributes(_ request: inout Request) throws(Errno) -> Answer {
    let arguments = try request.take(FuseGetattrIn.self)
    let status = try status(
      request.header.nodeid, handle: arguments.getattrFlags.contains(.fh) ? arguments.fh : nil)
    return answer(
      FuseAttrOut(
        attrValid: share.options.cache.timeoutSeconds, attr: attributes(status, entersMount: false)))
  }

  func extendedStatus(_ request: inout Request) throws(Errno) -> Answer {
    let arguments = try request.take(FuseStatxIn.self)
    let status = try status(
      request.header.nodeid, handle: arguments.getattrFlags.contains(.fh) ? arguments.fh : nil)
    var reply = FuseStatxOut()
    reply.attrValid = share.options.cache.timeoutSeconds
    // STATX_BASIC_STATS, and STATX_BTIME where there is one (linux/stat.h).
    reply.stat.mask = 0x7ff
    reply.stat.blksize = status.blockSize
    reply.stat.nlink = status.links
    reply.stat.uid = share.options.userMap.toGuest(status.uid)
    reply.stat.gid = share.options.groupMap.toGuest(status.gid)
    reply.stat.mode = UInt16(truncatingIfNeeded: status.mode)
    reply.stat.ino = status.inode
    reply.stat.size = status.size
    reply.stat.blocks = status.blocks
    reply.stat.atime = time(status.accessTime)
    reply.stat.mtime = time(status.modificationTime)
    reply.stat.ctime = time(status.changeTime)
    if let birth = status.birthTime {
      reply.stat.mask |= 0x800
      reply.stat.btime = time(birth)
    }
    reply.stat.rdevMajor = status.specialMajor
    reply.stat.rdevMinor = status.specialMinor
    reply.stat.devMajor = status.deviceMajor
    reply.stat.devMinor = status.deviceMinor
    return answer(reply)
  }

  private func time(_ timestamp: Timestamp) -> FuseSxTime {
    FuseSxTime(tvSec: timestamp.seconds, tvNsec: timestamp.nanoseconds)
  }

  /// SETATTR: mode, owner, size, times, in this order, as one request may carry all.
  func setAttributes(_ request: inout Request) throws(Errno) -> Answer {
    let change = try request.take(FuseSetattrIn.self)
    let node = try share.inodes.acquire(request.header.nodeid)
    defer { share.inodes.release(node) }
    let path = decimal.spell(node.file)
    if change.valid.contains(.mode) {
      // A symlink has no mode of its own to change; the path of anything else is its magic link.
      if node.type == .symlink { throw .notSupported }
      try File.currentDirectory.setMode(of: path, change.mode & 0o7777)
    }
    if change.valid.contains(.uid) || change.valid.contains(.gid) {
      let uid = change.valid.contains(.uid) ? try share.options.userMap.toHost(change.uid) : UInt32.max
      let gid = change.valid.contains(.gid) ? try share.options.groupMap.toHost(change.gid) : UInt32.max
      try node.file.setOwner(of: CName(""), uid: uid, gid: gid, flags: AtFlags.emptyPath | AtFlags.symlinkNoFollow)
      clearRemappedCapability(path)
    }
    if change.valid.contains(.size) { try setSize(change, node, path) }
    try setTimes(change, path)
    let status = try node.file.status()
    return answer(
      FuseAttrOut(
        attrValid: share.options.cache.timeoutSeconds, attr: attributes(status, entersMount: false)))
  }

  private func setSize(_ change: FuseSetattrIn, _ node: PinnedNode, _ path: CName) throws(Errno) {
    guard node.type == .regular else { throw node.type == .directory ? .isDirectory : .invalid }
    guard let size = Int64(exactly: change.size) else { throw .fileTooLarge }
    let mustKill =
      share.features.contains(.handleKillprivV2) && change.valid.contains(.killSuidgid)
    try clearingSetuid(mustKill) { () throws(Errno) in
      if change.valid.contains(.fh), let open = try? share.handles.acquire(change.fh) {
        defer { share.handles.release(open) }
        try open.file.setSize(size)
      } else {
        try PathAttributes.setSize(path, size)
      }
    }
    clearRemappedCapability(path)
  }

  private func setTimes(_ change: FuseSetattrIn, _ path: CName) throws(Errno) {
    let access: TimeChange =
      change.valid.contains(.atimeNow)
      ? .now : change.valid.contains(.atime) ? .to(timestamp(change.atime, change.atimensec)) : .keep
    let modification: TimeChange =
      change.valid.contains(.mtimeNow)
      ? .now : change.valid.contains(.mtime) ? .to(timestamp(change.mtime, change.mtimensec)) : .keep
    if case .keep = access, case .keep = modification { return }
    try File.currentDirectory.setTimes(of: path, access: access, modification: modification, flags: 0)
  }

  private func timestamp(_ seconds: UInt64, _ nanoseconds: UInt32) -> Timestamp {
    Timestamp(seconds: Int64(bitPattern: seconds), nanoseconds: min(nanoseconds, 999_999_999))
  }

  /// A guest's file capabilities live under another name if the attribute map says so; then the host's kernel does not
  /// clear them when the file changes, and we must.
  func clearRemappedCapability(_ path: CName) {
    guard let map = share.options.xattrMap, map.remapsCapability else { return }
    if case .name(let name) = map.toHost(CName("security.capability"), scratch: xattrScratch) {
      try? PathAttributes.remove(path, name)
    }
  }

  func access(_ request: inout Request) throws(Errno) -> Answer {
    let mask = try request.take(FuseAccessIn.self).mask
    let node = try share.inodes.acquire(request.header.nodeid)
    defer { share.inodes.release(node) }
    let useEffectiveIDs: Int32 = 0x200
    try asCaller(request) { () throws(Errno) in
      try node.file.access(CName(""), mode: Int32(mask & 7), flags: AtFlags.emptyPath | useEffectiveIDs)
    }
    return .payload(0)
  }

  func statistics(_ request: inout Request) throws(Errno) -> Answer {
    let node = try share.inodes.acquire(request.header.nodeid)
    defer { share.inodes.release(node) }
    let status = try node.file.fileSystemStatus()
    return answer(
      FuseStatfsOut(
        st: FuseKstatfs(
          blocks: status.blocks, bfree: status.blocksFree, bavail: status.blocksAvailable, files: status.files,
          ffree: status.filesFree, bsize: UInt32(clamping: status.blockSize), namelen: status.longestName,
          frsize: UInt32(clamping: status.fragmentSize))))
  }
}
