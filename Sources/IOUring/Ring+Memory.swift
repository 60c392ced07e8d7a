// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Memory that is registered with a ring: its pages are looked up and pinned once, and not for each operation
// (io_uring_register(2), IORING_REGISTER_BUFFERS2). All of it stays in the host's memory for as long.

internal import CLiburing
public import Linux
public import Wire

/// The runs of memory that a ring has registered, by the numbers under which the kernel knows them.
@safe
struct RegisteredMemory: ~Copyable {
  /// The kernel takes no more in one piece (io_buffer_validate in io_uring/rsrc.c).
  private static let mostBytes = 1 << 30

  /// Empty ones are free.
  private var runs: Table<Segment>
  /// Behind the last that is not free.
  private var end = 0

  init(slotCount: Int) {
    runs = Table(count: max(slotCount, 1)) { _ in .empty }
  }

  /// The number of the run in which all segments lie; nil if there is none.
  @inline(__always)
  func number(of segments: Segments) -> UInt16? {
    var number = 0
    while number < end {
      if holds(number, segments[0]) { return holdsRest(number, segments) ? UInt16(truncatingIfNeeded: number) : nil }
      number &+= 1
    }
    return nil
  }

  @inline(__always)
  private func holds(_ number: Int, _ segment: Segment) -> Bool {
    let run = runs[number]
    let offset = unsafe UInt(bitPattern: segment.base) &- UInt(bitPattern: run.base)
    return offset <= UInt(run.count) && UInt(segment.count) <= UInt(run.count) &- offset
  }

  @inline(__always)
  private func holdsRest(_ number: Int, _ segments: Segments) -> Bool {
    var index = 1
    while index < segments.count {
      if !holds(number, segments[index]) { return false }
      index &+= 1
    }
    return true
  }

  /// The pieces of memory as they can be registered.
  static func cut(_ memory: [Segment]) -> [Segment] {
    memory.flatMap { whole in
      stride(from: 0, to: whole.count, by: mostBytes).map { whole.dropFirst($0).prefix(mostBytes) }
    }
  }

  private static func isSame(_ one: Segment, _ other: Segment) -> Bool {
    unsafe one.base == other.base && one.count == other.count
  }

  /// Numbers of what is registered and not wanted any more.
  func leftOver(of wanted: [Segment]) -> [Int] {
    (0..<end).filter { number in
      runs[number].count > 0 && !wanted.contains { RegisteredMemory.isSame($0, runs[number]) }
    }
  }

  func missing(of wanted: [Segment]) -> [Segment] {
    wanted.filter { piece in !(0..<end).contains { RegisteredMemory.isSame(runs[$0], piece) } }
  }

  /// A number that is free; nil if all are taken.
  var freeNumber: Int? { (0..<runs.count).first { runs[$0].count == 0 } }

  mutating func note(_ number: Int, _ run: Segment) {
    runs[number] = run
    end = ((0..<runs.count).last { runs[$0].count > 0 } ?? -1) + 1
  }
}

extension Ring {
  /// Makes `memory` what is registered, and nothing else: what was before is let go or kept. Nothing may be in flight,
  /// and all of it has to stay mapped until it is let go: another mapping at the same address would be taken for it.
  /// Throws what the kernel refused for the first piece that it did not take; the others are registered.
  public mutating func register(_ memory: [Segment]) throws(Errno) {
    let wanted = RegisteredMemory.cut(memory)
    for number in registered.leftOver(of: wanted) {
      _ = update(number, .empty)
      registered.note(number, .empty)
    }
    var refusal: Errno?
    for piece in registered.missing(of: wanted) {
      guard let number = registered.freeNumber else { throw refusal ?? .noSpace }
      let result = update(number, piece)
      if result < 0 { refusal = refusal ?? Errno(-result) } else { registered.note(number, piece) }
    }
    if let refusal { throw refusal }
  }

  /// One number of the kernel's table; an empty run frees it.
  private func update(_ number: Int, _ run: Segment) -> Int32 {
    var vector = unsafe iovec(iov_base: run.count == 0 ? nil : run.base, iov_len: run.count)
    return unsafe io_uring_register_buffers_update_tag(ring, UInt32(number), &vector, nil, 1)
  }

  /// Operations on registered memory that a ring may need, as far as this kernel has them: vectored ones came with
  /// Linux 6.15, and liburing 2.3 has no names for them. First asked for before anything is forbidden.
  static let memoryOperations: [UInt8] = {
    let plain = [UInt8(IORING_OP_READ_FIXED.rawValue), UInt8(IORING_OP_WRITE_FIXED.rawValue)]
    guard let probe = unsafe io_uring_get_probe() else { return plain }
    defer { unsafe io_uring_free_probe(probe) }
    let vectored = [MARTLET_OP_READV_FIXED, MARTLET_OP_WRITEV_FIXED].map { UInt8($0) }
    return plain + vectored.filter { unsafe io_uring_opcode_supported(probe, Int32($0)) != 0 }
  }()
}
