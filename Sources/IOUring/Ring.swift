// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A thin layer over liburing: one submission and completion ring, owned by one thread at a time. The ring is restricted
// to the operations it is made for before anybody can submit to it: what io_uring does for a process does not pass that
// process's seccomp filter. It starts no threads and waits for nothing; its descriptor becomes readable when there are
// completions.

internal import CLiburing
public import Linux
public import Wire

/// One finished operation.
public struct Completion: Sendable {
  /// What the operation was submitted with.
  public let token: UInt64
  /// Bytes transferred, or a negative errno. Guest memory that is gone (EFAULT) is told as EIO, as `File.read` does.
  public let result: Int32

  init(token: UInt64, result: Int32) {
    self.token = token
    self.result = result == -Errno.badAddress.rawValue ? -Errno.inputOutput.rawValue : result
  }
}

/// Sendable because it may move to another thread; its type cannot be copied, so one thread uses it at a time.
@safe
public struct Ring: ~Copyable, @unchecked Sendable {
  // liburing keeps pointers into the struct's own mappings only, but its address must not change between calls that
  // cache it, so it lives on the heap.
  private let ring: UnsafeMutablePointer<io_uring>
  /// Most operations prepared before a `submit`.
  public let capacity: Int

  /// A ring of `capacity` entries (a power of two) that can read and write files and do nothing else. Throws what the
  /// kernel says: EPERM or ENOSYS where io_uring is forbidden or missing, EINVAL before Linux 5.10.
  public init(capacity: Int) throws(Errno) {
    self.capacity = capacity
    unsafe ring = UnsafeMutablePointer<io_uring>.allocate(capacity: 1)
    unsafe ring.initialize(to: io_uring())
    let result = unsafe io_uring_queue_init(UInt32(capacity), ring, UInt32(IORING_SETUP_R_DISABLED))
    if result < 0 {
      unsafe ring.deallocate()
      throw Errno(-result)
    }
    let restricted = unsafe Ring.restrict(ring)
    if restricted < 0 {
      unsafe io_uring_queue_exit(ring)
      unsafe ring.deallocate()
      throw Errno(-restricted)
    }
  }

  deinit {
    unsafe io_uring_queue_exit(ring)
    unsafe ring.deallocate()
  }

  /// Allows READV and WRITEV on any descriptor, then enables the ring: nothing can be registered or allowed later.
  private static func restrict(_ ring: UnsafeMutablePointer<io_uring>) -> Int32 {
    var rules = [io_uring_restriction](repeating: io_uring_restriction(), count: 2)
    for (index, operation) in [IORING_OP_READV, IORING_OP_WRITEV].enumerated() {
      rules[index].opcode = UInt16(IORING_RESTRICTION_SQE_OP)
      rules[index].sqe_op = UInt8(operation.rawValue)
    }
    // By the bare call: liburing 2.3 declares its functions for these two and does not export them.
    let descriptor = unsafe UInt32(bitPattern: ring.pointee.ring_fd)
    let result = unsafe io_uring_register(
      descriptor, UInt32(IORING_REGISTER_RESTRICTIONS), &rules, UInt32(rules.count))
    if result < 0 { return result }
    return io_uring_register(descriptor, UInt32(IORING_REGISTER_ENABLE_RINGS), nil, 0)
  }

  /// Readable when there are completions.
  public var file: File { unsafe File(raw: ring.pointee.ring_fd) }

  /// Prepares a vectored read; false if the ring is full until the next `submit`. The segment list must stay as it is
  /// until `submit` returns, the memory behind it until the completion.
  public func prepareRead(_ file: File, _ segments: Segments, at offset: Int64, flags: Int32, token: UInt64) -> Bool {
    guard let entry = unsafe io_uring_get_sqe(ring) else { return false }
    unsafe segments.start.withMemoryRebound(to: iovec.self, capacity: segments.count) { vectors in
      unsafe io_uring_prep_readv2(
        entry, file.raw, vectors, UInt32(segments.count), UInt64(bitPattern: offset), flags)
    }
    unsafe io_uring_sqe_set_data64(entry, token)
    return true
  }

  /// As `prepareRead`, for writing.
  public func prepareWrite(_ file: File, _ segments: Segments, at offset: Int64, flags: Int32, token: UInt64) -> Bool {
    guard let entry = unsafe io_uring_get_sqe(ring) else { return false }
    unsafe segments.start.withMemoryRebound(to: iovec.self, capacity: segments.count) { vectors in
      unsafe io_uring_prep_writev2(
        entry, file.raw, vectors, UInt32(segments.count), UInt64(bitPattern: offset), flags)
    }
    unsafe io_uring_sqe_set_data64(entry, token)
    return true
  }

  /// Hands what was prepared to the kernel: one system call. What the kernel cannot take now stays prepared.
  public func submit() {
    while true {
      let result = unsafe io_uring_submit(ring)
      // EAGAIN and EBUSY: short of memory or of room for completions; the caller reaps and submits again.
      if result != -Errno.interrupted.rawValue { return }
    }
  }

  /// Operations prepared and not yet taken by the kernel.
  public var unsubmitted: Int { unsafe Int(io_uring_sq_ready(ring)) }

  /// Takes one completion; nil if there is none. No system call.
  public func takeCompletion() -> Completion? {
    var entry: UnsafeMutablePointer<io_uring_cqe>?
    guard unsafe io_uring_peek_cqe(ring, &entry) == 0, let entry = unsafe entry else { return nil }
    let completion = unsafe Completion(token: entry.pointee.user_data, result: entry.pointee.res)
    unsafe io_uring_cqe_seen(ring, entry)
    return completion
  }

  /// Waits for a completion and takes it.
  public func waitForCompletion() throws(Errno) -> Completion {
    var entry: UnsafeMutablePointer<io_uring_cqe>?
    while true {
      let result = unsafe io_uring_wait_cqe(ring, &entry)
      if result == -Errno.interrupted.rawValue { continue }
      if result < 0 { throw Errno(-result) }
      guard let entry = unsafe entry else { continue }
      let completion = unsafe Completion(token: entry.pointee.user_data, result: entry.pointee.res)
      unsafe io_uring_cqe_seen(ring, entry)
      return completion
    }
  }
}
