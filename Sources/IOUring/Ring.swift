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
  /// True if this operation goes on and will be heard of again (a standing poll).
  public let goesOn: Bool
}

/// What a ring may be used for.
public enum RingOperation: Sendable, CaseIterable {
  case readVectored
  case writeVectored
  case read
  case write
  case sync
  case poll
  case endPoll

  /// Reading and writing, in one piece or several.
  public static let transfers: [RingOperation] = [.readVectored, .writeVectored, .read, .write]

  var code: io_uring_op {
    switch self {
    case .readVectored: IORING_OP_READV
    case .writeVectored: IORING_OP_WRITEV
    case .read: IORING_OP_READ
    case .write: IORING_OP_WRITE
    case .sync: IORING_OP_FSYNC
    case .poll: IORING_OP_POLL_ADD
    case .endPoll: IORING_OP_POLL_REMOVE
    }
  }
}

/// How a ring is made.
public struct RingPlan: Sendable {
  /// Most operations prepared before a `submit`; a power of two.
  public var capacity: Int
  /// Most completions that wait to be taken; nil is twice the capacity.
  public var completionCapacity: Int?
  /// All that it can be used for.
  public var operations: [RingOperation]
  /// Files that operations name by their index here, which spares the kernel the look-up.
  public var files: [File] = []
  /// Pieces of memory, of a GiB at most, that may be registered with the ring at once (Linux 5.19).
  public var memorySlotCount = 0
  /// Completions are finished when the owner enters the kernel the next time instead of interrupting it (Linux 5.19);
  /// `hasNews` tells that there are some.
  public var isCooperative = false

  public init(capacity: Int, operations: [RingOperation]) {
    self.capacity = capacity
    self.operations = operations
  }

  /// Whether a kernel that says that it has these features (IORING_FEAT_*) does what the plan needs. One before 5.13
  /// takes a standing poll for an ordinary one, which ends after its first completion, and says nothing; the nearest
  /// feature that tells its version is IORING_FEAT_RSRC_TAGS.
  public func isPossible(withFeatures features: UInt32) -> Bool {
    !operations.contains(.poll) || features & UInt32(IORING_FEAT_RSRC_TAGS) != 0
  }
}

/// Sendable because it may move to another thread; its type cannot be copied, so one thread uses it at a time.
@safe
public struct Ring: ~Copyable, @unchecked Sendable {
  // liburing keeps pointers into the struct's own mappings only, but its address must not change between calls that
  // cache it, so it lives on the heap.
  let ring: UnsafeMutablePointer<io_uring>
  /// Most operations prepared before a `submit`.
  public let capacity: Int
  var registered: RegisteredMemory
  /// Of registered memory several segments can be read or written at once.
  let takesRegisteredVectors: Bool

  /// A ring of `capacity` entries (a power of two) that can read and write files and do nothing else.
  public init(capacity: Int) throws(Errno) {
    try self.init(RingPlan(capacity: capacity, operations: RingOperation.transfers))
  }

  /// A ring that can do what the plan says and nothing else. Throws what the kernel says: EPERM or ENOSYS where
  /// io_uring is forbidden or missing, EINVAL before Linux 5.10; ENOSYS also before 5.13 for a plan with polls.
  public init(_ plan: RingPlan) throws(Errno) {
    // A value that is whole when its init throws is destroyed, so nothing is assigned before all has gone well.
    unsafe ring = try Ring.make(plan)
    capacity = plan.capacity
    registered = RegisteredMemory(slotCount: plan.memorySlotCount)
    takesRegisteredVectors = plan.memorySlotCount > 0 && Ring.memoryOperations.count == 4
  }

  private static func make(_ plan: RingPlan) throws(Errno) -> UnsafeMutablePointer<io_uring> {
    let ring = UnsafeMutablePointer<io_uring>.allocate(capacity: 1)
    unsafe ring.initialize(to: io_uring())
    var result = unsafe Ring.create(plan, ring)
    if result < 0 {
      unsafe ring.deallocate()
      throw Errno(-result)
    }
    result = unsafe Ring.restrict(ring, to: plan)
    if result < 0 {
      unsafe io_uring_queue_exit(ring)
      unsafe ring.deallocate()
      throw Errno(-result)
    }
    return unsafe ring
  }

  private static func create(_ plan: RingPlan, _ ring: UnsafeMutablePointer<io_uring>) -> Int32 {
    var flags = UInt32(IORING_SETUP_R_DISABLED)
    if plan.completionCapacity != nil { flags |= UInt32(IORING_SETUP_CQSIZE) }
    // One operation that cannot be prepared must not hold back those behind it (Linux 5.18).
    let wished = UInt32(IORING_SETUP_SUBMIT_ALL | IORING_SETUP_COOP_TASKRUN | IORING_SETUP_TASKRUN_FLAG)
    for extra in plan.isCooperative ? [wished, 0] : [0] {
      var parameters = io_uring_params()
      parameters.flags = flags | extra
      parameters.cq_entries = UInt32(plan.completionCapacity ?? 0)
      let result = unsafe io_uring_queue_init_params(UInt32(plan.capacity), ring, &parameters)
      if result == 0, !plan.isPossible(withFeatures: parameters.features) {
        unsafe io_uring_queue_exit(ring)
        return -Errno.notImplemented.rawValue
      }
      if result != -Errno.invalid.rawValue || extra == 0 { return result }
    }
    return -Errno.invalid.rawValue
  }

  deinit {
    unsafe io_uring_queue_exit(ring)
    unsafe ring.deallocate()
  }

  /// Registers the files, allows the operations, then enables the ring: nothing can be registered or allowed later.
  private static func restrict(_ ring: UnsafeMutablePointer<io_uring>, to plan: RingPlan) -> Int32 {
    if !plan.files.isEmpty {
      let result = unsafe io_uring_register_files(ring, plan.files.map { $0.raw }, UInt32(plan.files.count))
      if result < 0 { return result }
    }
    if plan.memorySlotCount > 0 {
      let result = unsafe io_uring_register_buffers_sparse(ring, UInt32(plan.memorySlotCount))
      if result < 0 { return result }
    }
    var rules = plan.operations.map { operation in
      var rule = io_uring_restriction()
      rule.opcode = UInt16(IORING_RESTRICTION_SQE_OP)
      rule.sqe_op = UInt8(operation.code.rawValue)
      return rule
    }
    if !plan.files.isEmpty {
      var rule = io_uring_restriction()
      rule.opcode = UInt16(IORING_RESTRICTION_SQE_FLAGS_ALLOWED)
      rule.sqe_flags = Ring.fixedFile
      rules.append(rule)
    }
    if plan.memorySlotCount > 0 {
      for code in memoryOperations {
        var rule = io_uring_restriction()
        rule.opcode = UInt16(IORING_RESTRICTION_SQE_OP)
        rule.sqe_op = code
        rules.append(rule)
      }
      var rule = io_uring_restriction()
      rule.opcode = UInt16(IORING_RESTRICTION_REGISTER_OP)
      rule.register_op = UInt8(IORING_REGISTER_BUFFERS_UPDATE)
      rules.append(rule)
    }
    // By the bare call: liburing 2.3 declares its functions for these two and does not export them.
    let descriptor = unsafe UInt32(bitPattern: ring.pointee.ring_fd)
    let result = unsafe io_uring_register(
      descriptor, UInt32(IORING_REGISTER_RESTRICTIONS), &rules, UInt32(rules.count))
    if result < 0 { return result }
    return io_uring_register(descriptor, UInt32(IORING_REGISTER_ENABLE_RINGS), nil, 0)
  }

  /// IOSQE_FIXED_FILE
  static let fixedFile: UInt8 = 1

  /// Readable when there are completions.
  public var file: File { unsafe File(raw: ring.pointee.ring_fd) }

  /// Prepares a vectored read; false if the ring is full until the next `submit`. The segment list must stay as it is
  /// until `submit` returns, the memory behind it until the completion.
  public func prepareRead(_ file: File, _ segments: Segments, at offset: Int64, flags: Int32, token: UInt64) -> Bool {
    guard let entry = unsafe io_uring_get_sqe(ring) else { return false }
    unsafe describe(entry, file.raw, segments, at: offset, isWrite: false)
    unsafe entry.pointee.rw_flags = flags
    unsafe entry.pointee.user_data = token
    return true
  }

  /// As `prepareRead`, for writing.
  public func prepareWrite(_ file: File, _ segments: Segments, at offset: Int64, flags: Int32, token: UInt64) -> Bool {
    guard let entry = unsafe io_uring_get_sqe(ring) else { return false }
    unsafe describe(entry, file.raw, segments, at: offset, isWrite: true)
    unsafe entry.pointee.rw_flags = flags
    unsafe entry.pointee.user_data = token
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
    let completion = unsafe Completion(entry)
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
      let completion = unsafe Completion(entry)
      unsafe io_uring_cqe_seen(ring, entry)
      return completion
    }
  }
}

extension Completion {
  init(_ entry: UnsafeMutablePointer<io_uring_cqe>) {
    token = unsafe entry.pointee.user_data
    let told = unsafe entry.pointee.res
    result = told == -Errno.badAddress.rawValue ? -Errno.inputOutput.rawValue : told
    goesOn = unsafe entry.pointee.flags & UInt32(IORING_CQE_F_MORE) != 0
  }
}
