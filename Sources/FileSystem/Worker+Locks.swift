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
    let open = try share.handles.acquire(arguments.fh)
    defer { share.handles.release(open) }
    let found = try open.file.testRange(rangeLock(arguments.lk))
    let start = UInt64(bitPattern: found.start)
    let end = found.length == 0 ? UInt64(Int64.max) : start &+ UInt64(bitPattern: found.length) &- 1
    // An open file description's lock belongs to no process (pid -1): the guest sees 0.
    let lock = FuseFileLock(start: start, end: end, type: UInt32(found.kind.rawValue), pid: UInt32(max(found.pid, 0)))
    return answer(FuseLkOut(lk: lock))
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
        try open.file.lockRange(lock)
      }
    } catch .tryAgain {
      throw wait ? .notSupported : .tryAgain
    }
    return .payload(0)
  }
}
