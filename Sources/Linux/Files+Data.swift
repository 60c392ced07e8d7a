// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Contents: reading, writing, syncing, locking. Offsets and lengths are in bytes. These act on what a guest opened
// as it opened it, so no error of theirs is this program's fault (`answered`).

internal import CLinux
internal import Glibc
public import Wire

/// Flags of preadv2(2) and pwritev2(2) (RWF_*).
public enum TransferFlags {
  public static let dataSync: Int32 = 2
  public static let sync: Int32 = 4
  public static let noWait: Int32 = 8
  public static let append: Int32 = 16
}

/// The most segments that one vectored call takes (UIO_MAXIOV).
public let mostVectors = 1024

/// A byte-range lock as fcntl(2) describes it.
public struct RangeLock: Sendable {
  public enum Kind: Int16, Sendable {
    case read = 0
    case write = 1
    case unlock = 2
  }
  public var kind: Kind
  public var start: Int64
  /// 0 means to the end of the file.
  public var length: Int64
  public var pid: Int32

  public init(kind: Kind, start: Int64, length: Int64, pid: Int32 = 0) {
    self.kind = kind
    self.start = start
    self.length = length
    self.pid = pid
  }
}

extension File {
  /// preadv2(2); at most `mostVectors` segments. Returns the bytes read, 0 at the end of the file.
  public func read(_ vectors: Segments, at offset: Int64, flags: Int32 = 0) throws(Errno) -> Int {
    if vectors.count == 1, flags == 0 {
      // Saves the kernel the copy and the check of the list.
      let only = vectors[0]
      return try moved { unsafe clinux_pread(raw, only.base, only.count, offset) }
    }
    return try moved { unsafe clinux_preadv2(raw, vectors.start, Int32(vectors.count), offset, flags) }
  }

  /// pwritev2(2); at most `mostVectors` segments. Returns the bytes written.
  public func write(_ vectors: Segments, at offset: Int64, flags: Int32 = 0) throws(Errno) -> Int {
    if vectors.count == 1, flags == 0 {
      let only = vectors[0]
      return try moved { unsafe clinux_pwrite(raw, only.base, only.count, offset) }
    }
    return try moved { unsafe clinux_pwritev2(raw, vectors.start, Int32(vectors.count), offset, flags) }
  }

  /// As `answered`, for calls on guest memory: what the guest asks for is right, and its memory is gone (EFAULT). That
  /// is as if the disk had lost it.
  @inline(__always)
  private func moved(_ call: () -> Int) throws(Errno) -> Int {
    do throws(Errno) { return try answered(call) } catch { throw error == .badAddress ? .inputOutput : error }
  }

  /// read(2) at the file's own position.
  public func read(into buffer: Segment) throws(Errno) -> Int {
    try answered { unsafe clinux_read(raw, buffer.base, buffer.count) }
  }

  /// write(2) at the file's own position.
  public func write(_ buffer: Segment) throws(Errno) -> Int {
    try answered { unsafe clinux_write(raw, buffer.base, buffer.count) }
  }

  /// write(2) of what is left of `bytes` from `start` on; returns how many were taken.
  public func write(_ bytes: [UInt8], from start: Int) throws(Errno) -> Int {
    try answered {
      unsafe bytes.withUnsafeBytes {
        unsafe clinux_write(raw, $0.baseAddress.map { unsafe $0 + start }, $0.count - start)
      }
    }
  }

  /// write(2) of a text, whole.
  public func write(_ text: String) throws(Errno) {
    var bytes = Array(text.utf8)
    var done = 0
    while done < bytes.count {
      let count = bytes.count - done
      done += try answered {
        unsafe bytes.withUnsafeMutableBytes { unsafe clinux_write(raw, $0.baseAddress.map { unsafe $0 + done }, count) }
      }
    }
  }

  /// getdents64(2): raw linux_dirent64 records into `buffer`; returns the bytes, 0 at the end.
  public func readDirectory(into buffer: Segment) throws(Errno) -> Int {
    try answered { unsafe clinux_getdents(raw, buffer.base, buffer.count) }
  }

  /// lseek(2); `whence` is SEEK_SET 0, SEEK_CUR 1, SEEK_END 2, SEEK_DATA 3 or SEEK_HOLE 4.
  @discardableResult
  public func seek(_ offset: Int64, whence: Int32) throws(Errno) -> Int64 {
    try answered { clinux_lseek(raw, offset, whence) }
  }

  public func sync(dataOnly: Bool) throws(Errno) {
    try answered { clinux_fsync(raw, dataOnly ? 1 : 0) }
  }

  /// posix_fadvise(2), POSIX_FADV_DONTNEED: the kernel forgets the clean pages that it keeps of this file. A wish.
  public func dropCachedPages() {
    _ = posix_fadvise(raw, 0, 0, POSIX_FADV_DONTNEED)
  }

  /// syncfs(2): the whole file system this file is on.
  public func syncFileSystem() throws(Errno) {
    try answered { clinux_syncfs(raw) }
  }

  /// fallocate(2); `mode` is FALLOC_FL_*.
  public func allocate(mode: Int32, offset: Int64, length: Int64) throws(Errno) {
    try answered { clinux_fallocate(raw, mode, offset, length) }
  }

  /// copy_file_range(2). Returns the bytes copied.
  public func copyRange(
    from offset: Int64, to target: File, at targetOffset: Int64, length: Int, flags: UInt32
  ) throws(Errno) -> Int {
    try answered { clinux_copy_file_range(raw, offset, target.raw, targetOffset, length, flags) }
  }

  /// flock(2) without waiting; `operation` is LOCK_SH, LOCK_EX or LOCK_UN.
  public func lockWhole(_ operation: Int32) throws(Errno) {
    try answered { clinux_flock(raw, operation | LOCK_NB) }
  }

  /// F_OFD_SETLK: a range lock that belongs to this open file. Never waits.
  public func lockRange(_ lock: RangeLock) throws(Errno) {
    var raw = clinux_lock(type: lock.kind.rawValue, start: lock.start, length: lock.length, pid: 0)
    try answered { unsafe clinux_ofd_lock(self.raw, 0, &raw) }
  }

  /// F_OFD_GETLK: the lock that is in the way of `lock`, or one of kind `unlock`.
  public func testRange(_ lock: RangeLock) throws(Errno) -> RangeLock {
    var raw = clinux_lock(type: lock.kind.rawValue, start: lock.start, length: lock.length, pid: 0)
    try answered { unsafe clinux_ofd_lock(self.raw, 1, &raw) }
    return RangeLock(
      kind: RangeLock.Kind(rawValue: raw.type) ?? .unlock, start: raw.start, length: raw.length, pid: raw.pid)
  }

  /// ioctl(2) with a block of memory as its argument: only for requests whose size the caller knows.
  public func control(_ request: UInt, _ argument: Segment) throws(Errno) {
    try answered { unsafe clinux_ioctl(raw, request, argument.base) }
  }
}
