// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Remote locks, if the share was given --posix-lock or --flock: then locks of one guest hold against the host and
// against other guests. Without, the guest's kernel keeps its locks to itself and nothing comes here.

internal import FuseProtocol
internal import Linux
internal import Wire

extension Worker {
  private func rangeLock(_ lock: FuseFileLock) throws(Errno) -> RangeLock {
    guard let kind = RangeLock.Kind(rawValue: Int16(truncatingIfNeeded: lock.type)), lock.type <= 2,
      let start = Int64(exactly: lock.start), lock.end >= lock.start
    else { throw .invalid }
    // OFFSET_MAX as the end means to the end of the file, which fcntl spells as length 0.
    let length = lock.end >= UInt64(Int64.max) ? 0 : Int64(lock.end - lock.start) + 1
    return RangeLock(kind: kind, start: start, length: length)
  }

  func testLock(_ request: inout Request) throws(Errno) -> Answer {
    guard share.features.contains(.posixLocks) else { throw .notImplemented }
    let arguments = try request.take(FuseLkIn.self)
    let lock = try rangeLock(arguments.lk)
    let owned = share.locks.descriptor(node: request.header.nodeid, owner: arguments.owner)
    // Without locks of its own the owner sees what any other open file sees.
    let descriptor: SharedDescriptor
    if let owned { descriptor = owned } else { descriptor = SharedDescriptor(try openForLocks(request.header.nodeid)) }
    let found = try descriptor.file.testRange(lock)
    let start = UInt64(bitPattern: found.start)
    let end = found.length == 0 ? UInt64(Int64.max) : start &+ UInt64(bitPattern: found.length) &- 1
    // An open file description's lock belongs to no process (pid -1): the guest sees 0.
    return answer(
      FuseLkOut(
        lk: FuseFileLock(
          start: start, end: end, type: UInt32(found.kind.rawValue), pid: UInt32(max(found.pid, 0)))))
  }

  /// Another open file of a node, for locks to be on.
  private func openForLocks(_ nodeid: UInt64) throws(Errno) -> FileDescriptor {
    let node = try share.inodes.acquire(nodeid)
    defer { share.inodes.release(node) }
    guard node.type == .regular else { throw .badDescriptor }
    let descriptor = try reopen(
      node, flags: share.options.readOnly ? OpenFlags.readOnly : OpenFlags.readWrite)
    guard descriptor.file.raw < share.descriptorCeiling else { throw .tooManyFilesInSystem }
    return descriptor
  }

  /// SETLK, and SETLKW if nobody holds the lock: waiting would stop the queue, and Linux's virtiofs has no way to
  /// interrupt it (FUSE_INTERRUPT is never sent), so a lock that would have to wait is refused as C virtiofsd does.
  func setLock(_ request: inout Request, wait: Bool) throws(Errno) -> Answer {
    let arguments = try request.take(FuseLkIn.self)
    let whole = arguments.lkFlags.contains(.flock)
    guard share.features.contains(whole ? .flockLocks : .posixLocks) else { throw .notImplemented }
    let lock = try rangeLock(arguments.lk)
    let open = try share.handles.acquire(arguments.fh)
    defer { share.handles.release(open) }
    do throws(Errno) {
      if whole {
        // LOCK_SH, LOCK_EX, LOCK_UN (sys/file.h).
        try open.file.lockWhole(lock.kind == .read ? 1 : lock.kind == .write ? 2 : 8)
      } else {
        try lockRange(lock, request.header.nodeid, arguments)
      }
    } catch .tryAgain {
      throw wait ? .notSupported : .tryAgain
    }
    return .payload(0)
  }

  private func lockRange(_ lock: RangeLock, _ nodeid: UInt64, _ arguments: FuseLkIn) throws(Errno) {
    if lock.kind == .unlock {
      try share.locks.descriptor(node: nodeid, owner: arguments.owner)?.file.lockRange(lock)
      return
    }
    let descriptor = try share.locks.descriptor(
      node: nodeid, owner: arguments.owner, handle: arguments.fh
    ) { () throws(Errno) -> FileDescriptor in try openForLocks(nodeid) }
    try descriptor.file.lockRange(lock)
  }
}
