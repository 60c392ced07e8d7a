// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// Takes wire values one after the other from a run of memory; every read says nil when the bytes do not suffice.
/// The memory must be private (already copied from the guest), so that what was checked stays what was read.
@frozen
public struct ByteReader {
  @usableFromInline var rest: Segment

  @inlinable @inline(__always)
  public init(_ segment: Segment) {
    rest = segment
  }

  /// Bytes not yet taken.
  @inlinable @inline(__always)
  public var remaining: Int { rest.count }

  /// The bytes not yet taken, without taking them.
  @inlinable @inline(__always)
  public var remainder: Segment { rest }

  @inlinable @inline(__always)
  public mutating func read<Value: WireValue>(_: Value.Type = Value.self) -> Value? {
    guard let value = rest.load(Value.self) else { return nil }
    rest = rest.dropFirst(MemoryLayout<Value>.size)
    return value
  }

  /// Takes `count` bytes as they are.
  @inlinable
  public mutating func readBytes(_ count: Int) -> Segment? {
    guard count >= 0, count <= rest.count else { return nil }
    let taken = rest.prefix(count)
    rest = rest.dropFirst(count)
    return taken
  }

  /// Takes the bytes up to and including the next NUL; nil if there is none.
  @inlinable
  public mutating func readName() -> CName? {
    var length = 0
    let bytes = unsafe rest.base.assumingMemoryBound(to: UInt8.self)
    while length < rest.count, unsafe bytes[length] != 0 { length += 1 }
    guard length < rest.count else { return nil }
    let name = unsafe CName(base: UnsafeRawPointer(rest.base).assumingMemoryBound(to: CChar.self), count: length)
    rest = rest.dropFirst(length + 1)
    return name
  }
}

/// Appends wire values to a run of memory; an append that does not fit changes nothing and says false.
@frozen
public struct ByteWriter {
  public let target: Segment
  /// Bytes written so far.
  public private(set) var count: Int

  public init(_ target: Segment) {
    self.target = target
    count = 0
  }

  /// Bytes that still fit.
  public var space: Int { target.count - count }

  /// What was written so far.
  public var written: Segment { target.prefix(count) }

  @discardableResult
  public mutating func append<Value: WireValue>(_ value: Value) -> Bool {
    guard target.store(value, at: count) else { return false }
    count += MemoryLayout<Value>.size
    return true
  }

  @discardableResult
  public mutating func append(_ bytes: Segment) -> Bool {
    guard target.copy(from: bytes, at: count) else { return false }
    count += bytes.count
    return true
  }

  /// Appends the bytes of `name` without its NUL.
  @discardableResult
  public mutating func append(_ name: CName) -> Bool {
    unsafe append(Segment(base: UnsafeMutableRawPointer(mutating: name.base), count: name.count))
  }

  /// Appends `length` zero bytes.
  @discardableResult
  public mutating func appendZeroes(_ length: Int) -> Bool {
    guard length >= 0, length <= space else { return false }
    target.dropFirst(count).prefix(length).zero()
    count += length
    return true
  }

  /// Counts `length` bytes that somebody else has written behind what was written so far.
  @discardableResult
  public mutating func skip(_ length: Int) -> Bool {
    guard length >= 0, length <= space else { return false }
    count += length
    return true
  }

  /// Takes back everything written after `position`, an earlier value of `count`.
  public mutating func rewind(to position: Int) {
    precondition(position >= 0 && position <= count, "rewind past the end")
    count = position
  }
}
