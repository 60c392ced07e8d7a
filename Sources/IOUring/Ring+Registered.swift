// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Operations on files that were registered with the ring, standing polls, and waiting: what a device needs that does
// everything through one ring, so that one system call hands over new work and brings back what is done.

internal import CLiburing
public import Linux
public import Wire

extension Ring {
  /// Prepares a read of a registered file; false if the ring is full until the next `submit`. The segment list must
  /// stay as it is until `submit` returns, the memory behind it until the completion.
  @inline(__always)
  public func prepareRead(
    registered index: Int, _ segments: Segments, at offset: Int64, flags: Int32 = 0, token: UInt64
  ) -> Bool {
    guard let entry = unsafe io_uring_get_sqe(ring) else { return false }
    unsafe describe(
      entry, Int32(truncatingIfNeeded: index), segments, at: offset, isWrite: false, in: registered.number(of: segments)
    )
    unsafe finish(entry, flags, token)
    return true
  }

  /// As above, for writing.
  @inline(__always)
  public func prepareWrite(
    registered index: Int, _ segments: Segments, at offset: Int64, flags: Int32 = 0, token: UInt64
  ) -> Bool {
    guard let entry = unsafe io_uring_get_sqe(ring) else { return false }
    unsafe describe(
      entry, Int32(truncatingIfNeeded: index), segments, at: offset, isWrite: true, in: registered.number(of: segments))
    unsafe finish(entry, flags, token)
    return true
  }

  /// Fills in what is moved: between a file, registered or not, and segments, which may lie in registered memory.
  /// Inlined with a constant `isWrite`, so that each direction has code of its own.
  @inline(__always)
  func describe(
    _ entry: UnsafeMutablePointer<io_uring_sqe>, _ file: Int32, _ segments: Segments, at offset: Int64, isWrite: Bool,
    in memory: UInt16? = nil
  ) {
    let position = UInt64(bitPattern: offset)
    if segments.count > 1 {
      unsafe segments.start.withMemoryRebound(to: iovec.self, capacity: segments.count) { vectors in
        let count = UInt32(segments.count)
        if isWrite {
          unsafe io_uring_prep_writev2(entry, file, vectors, count, position, 0)
        } else {
          unsafe io_uring_prep_readv2(entry, file, vectors, count, position, 0)
        }
      }
      let code = isWrite ? UInt8(MARTLET_OP_WRITEV_FIXED) : UInt8(MARTLET_OP_READV_FIXED)
      if let memory { unsafe useRegistered(memory, code, entry) }
      return
    }
    // One buffer spares the kernel the import of a vector.
    let segment = segments[0]
    let count = UInt32(truncatingIfNeeded: segment.count)
    switch (isWrite, memory) {
    case (false, nil): unsafe io_uring_prep_read(entry, file, segment.base, count, position)
    case (true, nil): unsafe io_uring_prep_write(entry, file, segment.base, count, position)
    case (false, let memory?):
      unsafe io_uring_prep_read_fixed(entry, file, segment.base, count, position, Int32(memory))
    case (true, let memory?):
      unsafe io_uring_prep_write_fixed(entry, file, segment.base, count, position, Int32(memory))
    }
  }

  /// Makes a vectored operation one on registered memory, where the kernel has these.
  @inline(__always)
  private func useRegistered(_ memory: UInt16, _ code: UInt8, _ entry: UnsafeMutablePointer<io_uring_sqe>) {
    if !takesRegisteredVectors { return }
    unsafe entry.pointee.opcode = code
    unsafe entry.pointee.buf_index = memory
  }

  @inline(__always)
  private func finish(_ entry: UnsafeMutablePointer<io_uring_sqe>, _ flags: Int32, _ token: UInt64) {
    unsafe entry.pointee.rw_flags = flags
    unsafe entry.pointee.flags = Ring.fixedFile
    unsafe entry.pointee.user_data = token
  }

  /// Prepares a read into, or a write from, one run of memory.
  public func prepareTransfer(
    registered index: Int, _ segment: Segment, at offset: Int64, isWrite: Bool, flags: Int32 = 0, token: UInt64
  ) -> Bool {
    guard let entry = unsafe io_uring_get_sqe(ring) else { return false }
    let (file, position) = (Int32(truncatingIfNeeded: index), UInt64(bitPattern: offset))
    let count = UInt32(truncatingIfNeeded: segment.count)
    if isWrite {
      unsafe io_uring_prep_write(entry, file, segment.base, count, position)
    } else {
      unsafe io_uring_prep_read(entry, file, segment.base, count, position)
    }
    unsafe finish(entry, flags, token)
    return true
  }

  /// Prepares fdatasync(2) of a registered file. The kernel does it in a thread of its own.
  public func prepareDataSync(registered index: Int, token: UInt64) -> Bool {
    guard let entry = unsafe io_uring_get_sqe(ring) else { return false }
    unsafe io_uring_prep_fsync(entry, Int32(truncatingIfNeeded: index), UInt32(IORING_FSYNC_DATASYNC))
    unsafe entry.pointee.flags = Ring.fixedFile
    unsafe entry.pointee.user_data = token
    return true
  }

  /// Prepares a standing poll (Linux 5.13): a completion each time that `file` is signalled, without anybody reading
  /// it. It says `goesOn` as long as it stands.
  public func preparePoll(_ file: File, token: UInt64) -> Bool {
    guard let entry = unsafe io_uring_get_sqe(ring) else { return false }
    let input: UInt32 = 1  // POLLIN
    unsafe io_uring_prep_poll_multishot(entry, file.raw, input)
    unsafe entry.pointee.user_data = token
    return true
  }

  /// Prepares the end of the poll with a token: both it and this operation complete.
  public func prepareEndOfPoll(_ poll: UInt64, token: UInt64) -> Bool {
    guard let entry = unsafe io_uring_get_sqe(ring) else { return false }
    unsafe io_uring_prep_poll_remove(entry, poll)
    unsafe entry.pointee.user_data = token
    return true
  }

  /// True if there are completions, or the kernel has some to bring when it is entered. No system call.
  @inline(__always)
  public var hasNews: Bool { unsafe martlet_ring_has_news(ring) != 0 }

  /// Hands over what was prepared and brings what is done, without waiting: one system call.
  public func submitAndLook() {
    while unsafe io_uring_submit_and_get_events(ring) == -Errno.interrupted.rawValue {}
  }

  /// Hands over what was prepared and sleeps until there is a completion: one system call. May return early.
  public func submitAndWait() {
    if unsafe io_uring_cq_ready(ring) > 0 { return submit() }
    _ = unsafe io_uring_submit_and_wait(ring, 1)
  }

  /// As above, but no longer than so many nanoseconds (Linux 5.11, for a ring with standing polls).
  public func submitAndWait(nanoseconds: Int64) {
    if unsafe io_uring_cq_ready(ring) > 0 { return submit() }
    let second: Int64 = 1_000_000_000
    var time = __kernel_timespec(tv_sec: max(nanoseconds, 0) / second, tv_nsec: max(nanoseconds, 0) % second)
    var entry: UnsafeMutablePointer<io_uring_cqe>?
    _ = unsafe io_uring_submit_and_wait_timeout(ring, &entry, 1, &time, nil)
  }
}
