// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// A NUL-terminated byte string in memory that outlives the value (a request buffer, a static string): file names as
/// the kernel takes them. Never a Swift `String`: making one allocates and rejects nothing that the kernel rejects.
@frozen @safe
public struct CName: BitwiseCopyable {
  /// Start of the bytes; `base[count]` is NUL.
  public let base: UnsafePointer<CChar>
  /// Length in bytes without the NUL.
  public let count: Int

  /// - Parameter base: `count` bytes without NUL, followed by one NUL, that outlive this value.
  @inlinable @inline(__always)
  public init(base: UnsafePointer<CChar>, count: Int) {
    unsafe self.base = base
    self.count = count
  }

  /// A name that the program itself chose.
  @inlinable
  public init(_ literal: StaticString) {
    let start = unsafe UnsafeRawPointer(literal.utf8Start)
    unsafe self.init(base: start.assumingMemoryBound(to: CChar.self), count: literal.utf8CodeUnitCount)
  }

  /// Byte at `index`; the NUL at `count`.
  @inlinable @inline(__always)
  public subscript(index: Int) -> UInt8 {
    precondition(index >= 0 && index <= count, "name index out of range")
    return unsafe UInt8(bitPattern: base[index])
  }

  /// True for the empty string.
  @inlinable @inline(__always)
  public var isEmpty: Bool { count == 0 }

  /// True if the bytes are those of `literal`.
  @inlinable
  public func equals(_ literal: StaticString) -> Bool {
    guard literal.utf8CodeUnitCount == count else { return false }
    let other = unsafe literal.utf8Start
    var index = 0
    while index < count {
      if unsafe self[index] != other[index] { return false }
      index += 1
    }
    return true
  }

  /// True if the bytes begin with those of `literal`.
  @inlinable
  public func hasPrefix(_ literal: StaticString) -> Bool {
    guard literal.utf8CodeUnitCount <= count else { return false }
    let other = unsafe literal.utf8Start
    var index = 0
    while index < literal.utf8CodeUnitCount {
      if unsafe self[index] != other[index] { return false }
      index += 1
    }
    return true
  }

  /// True if the bytes begin with `bytes`.
  @inlinable
  public func hasPrefix(_ bytes: [UInt8]) -> Bool {
    guard bytes.count <= count else { return false }
    var index = 0
    while index < bytes.count {
      if self[index] != bytes[index] { return false }
      index += 1
    }
    return true
  }

  /// The name without its first `length` bytes; the empty name if it is no longer than that.
  @inlinable
  public func dropFirst(_ length: Int) -> CName {
    let skipped = min(max(length, 0), count)
    return unsafe CName(base: base + skipped, count: count - skipped)
  }

  /// `prefix` and `name` as one name, built in `scratch`, which must outlive the result; nil if it does not fit there.
  @inlinable
  public static func joining(_ prefix: [UInt8], _ name: CName, in scratch: Segment) -> CName? {
    let length = prefix.count + name.count
    guard length < scratch.count else { return nil }
    var index = 0
    while index < prefix.count {
      scratch.store(prefix[index], at: index)
      index += 1
    }
    // The NUL that ends `name` comes along.
    unsafe (scratch.base + index).copyMemory(from: name.base, byteCount: name.count + 1)
    return unsafe CName(base: UnsafeRawPointer(scratch.base).assumingMemoryBound(to: CChar.self), count: length)
  }

  /// The text, repaired where it is not UTF-8: for logs.
  public var description: String {
    unsafe String(decoding: UnsafeRawBufferPointer(start: base, count: count), as: UTF8.self)
  }
}
