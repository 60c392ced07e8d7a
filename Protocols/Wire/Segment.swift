// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Runs of memory as values. A device gets the buffers of a chain as `Segments`: the addresses were translated and
// bounds-checked when the chain was popped, and the memory stays mapped until the chain is completed. That is why
// these types are `@safe`: whoever makes one vouches for the range, whoever uses one cannot leave it.

/// One run of bytes that stays mapped as long as its maker says. Same layout as `struct iovec` of <sys/uio.h>.
@frozen @safe
public struct Segment: BitwiseCopyable {
  public let base: UnsafeMutableRawPointer
  /// Length in bytes.
  public let count: Int

  /// - Parameter base: start of `count` mapped bytes; the caller vouches for them.
  @inlinable @inline(__always)
  public init(base: UnsafeMutableRawPointer, count: Int) {
    unsafe self.base = base
    self.count = count
  }

  /// No bytes at all.
  @inlinable
  public static var empty: Segment {
    guard let somewhere = unsafe UnsafeMutableRawPointer(bitPattern: 16) else { preconditionFailure("16 is not null") }
    return unsafe Segment(base: somewhere, count: 0)
  }

  /// The part from `offset` on; empty when `offset` is past the end.
  @inlinable
  public func dropFirst(_ offset: Int) -> Segment {
    let skipped = min(max(offset, 0), count)
    return unsafe Segment(base: base + skipped, count: count - skipped)
  }

  /// At most the first `limit` bytes.
  @inlinable
  public func prefix(_ limit: Int) -> Segment {
    unsafe Segment(base: base, count: min(max(limit, 0), count))
  }

  /// This run and `next` as one; nil if `next` does not lie right behind this one.
  @inlinable @inline(__always)
  public func joined(with next: Segment) -> Segment? {
    guard unsafe base + count == next.base else { return nil }
    return unsafe Segment(base: base, count: count + next.count)
  }

  /// True if the first byte's address is a multiple of `address` and the length one of `count`, both powers of two.
  @inlinable @inline(__always)
  public func isAligned(address: Int, count: Int) -> Bool {
    unsafe (Int(bitPattern: base) & (address &- 1)) | (self.count & (count &- 1)) == 0
  }

  /// Reads a value at `offset`, or nil when it does not fit. One load of the whole value: what is read is a copy.
  @inlinable @inline(__always)
  public func load<Value: WireValue>(_: Value.Type = Value.self, at offset: Int = 0) -> Value? {
    guard offset >= 0, offset <= count, MemoryLayout<Value>.size <= count - offset else { return nil }
    return unsafe base.loadUnaligned(fromByteOffset: offset, as: Value.self)
  }

  /// Writes a value at `offset`; false when it does not fit.
  @inlinable @inline(__always) @discardableResult
  public func store<Value: WireValue>(_ value: Value, at offset: Int = 0) -> Bool {
    guard offset >= 0, offset <= count, MemoryLayout<Value>.size <= count - offset else { return false }
    unsafe base.storeBytes(of: value, toByteOffset: offset, as: Value.self)
    return true
  }

  /// Copies `source` to `offset`; false (and nothing copied) when it does not fit.
  @inlinable @discardableResult
  public func copy(from source: Segment, at offset: Int = 0) -> Bool {
    guard offset >= 0, offset <= count, source.count <= count - offset else { return false }
    unsafe (base + offset).copyMemory(from: source.base, byteCount: source.count)
    return true
  }

  /// Fills the whole run with zeroes.
  @inlinable
  public func zero() {
    unsafe base.initializeMemory(as: UInt8.self, repeating: 0, count: count)
  }

  /// A copy as an array: for tests, logs and control messages, not for the data path.
  public func bytes() -> [UInt8] {
    unsafe [UInt8](UnsafeRawBufferPointer(start: base, count: count))
  }
}

/// A borrowed list of segments: the readable or the writable half of a chain. Valid until its owner (the chain's
/// buffer) is refilled. Same layout as an `iovec` array.
@frozen @safe
public struct Segments: BitwiseCopyable {
  public let start: UnsafeMutablePointer<Segment>
  /// Number of segments.
  public let count: Int

  /// - Parameter start: `count` initialized segments that outlive this value; the caller vouches for them.
  @inlinable @inline(__always)
  public init(start: UnsafeMutablePointer<Segment>, count: Int) {
    unsafe self.start = start
    self.count = count
  }

  /// No segments at all.
  @inlinable
  public static var none: Segments {
    guard let somewhere = unsafe UnsafeMutablePointer<Segment>(bitPattern: 16) else {
      preconditionFailure("16 is not null")
    }
    return unsafe Segments(start: somewhere, count: 0)
  }

  @inlinable @inline(__always)
  public subscript(index: Int) -> Segment {
    precondition(index >= 0 && index < count, "segment index out of range")
    return unsafe start[index]
  }

  /// The list without its first `limit` segments.
  @inlinable @inline(__always)
  public func dropFirst(segments limit: Int) -> Segments {
    let skipped = min(max(limit, 0), count)
    return unsafe Segments(start: start + skipped, count: count - skipped)
  }

  /// At most the first `limit` segments.
  @inlinable @inline(__always)
  public func prefix(segments limit: Int) -> Segments {
    unsafe Segments(start: start, count: min(max(limit, 0), count))
  }

  /// Sum of the lengths in bytes.
  @inlinable
  public var byteCount: Int {
    var sum = 0
    var index = 0
    while index < count {
      sum += unsafe start[index].count
      index += 1
    }
    return sum
  }

  /// Fills `length` bytes from `offset` (in bytes from the start of the list) on with zeroes.
  @inlinable
  public func zero(from offset: Int, count length: Int) {
    var skip = offset
    var left = length
    var index = 0
    while index < count, left > 0 {
      let segment = unsafe start[index]
      index += 1
      if skip >= segment.count {
        skip -= segment.count
        continue
      }
      let part = segment.dropFirst(skip).prefix(left)
      part.zero()
      left -= part.count
      skip = 0
    }
  }

  /// Copies bytes from `offset` (in bytes from the start of the list) into `target`.
  /// - Returns: bytes copied: less than `target.count` when the list ends first.
  @inlinable
  public func gather(into target: Segment, from offset: Int = 0) -> Int {
    var skip = offset
    var done = 0
    var index = 0
    while index < count, done < target.count {
      let segment = unsafe start[index]
      index += 1
      if skip >= segment.count {
        skip -= segment.count
        continue
      }
      let take = min(segment.count - skip, target.count - done)
      unsafe (target.base + done).copyMemory(from: segment.base + skip, byteCount: take)
      done += take
      skip = 0
    }
    return done
  }

  /// Copies `source` into the list from `offset` (bytes) on.
  /// - Returns: bytes copied: less than `source.count` when the list ends first.
  @inlinable
  public func scatter(_ source: Segment, at offset: Int = 0) -> Int {
    var skip = offset
    var done = 0
    var index = 0
    while index < count, done < source.count {
      let segment = unsafe start[index]
      index += 1
      if skip >= segment.count {
        skip -= segment.count
        continue
      }
      let take = min(segment.count - skip, source.count - done)
      unsafe (segment.base + skip).copyMemory(from: source.base + done, byteCount: take)
      done += take
      skip = 0
    }
    return done
  }
}
