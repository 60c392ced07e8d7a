// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// A fixed number of values that are made once and stay where they are: a queue's request slots, for example. Unlike an
/// array it holds values that cannot be copied, and using one neither counts references nor asks who else does.
@frozen @safe
public struct Table<Element: ~Copyable>: ~Copyable {
  @usableFromInline let base: UnsafeMutablePointer<Element>
  public let count: Int

  public init(count: Int, _ make: (Int) -> Element) {
    precondition(count > 0, "a table has at least one element")
    self.count = count
    unsafe base = UnsafeMutablePointer<Element>.allocate(capacity: count)
    for index in 0..<count { unsafe (base + index).initialize(to: make(index)) }
  }

  deinit {
    unsafe base.deinitialize(count: count)
    unsafe base.deallocate()
  }

  @inlinable
  public subscript(index: Int) -> Element {
    @inline(__always)
    _read {
      precondition(index >= 0 && index < count, "table index out of range")
      yield unsafe base[index]
    }
    @inline(__always)
    _modify {
      precondition(index >= 0 && index < count, "table index out of range")
      yield unsafe &base[index]
    }
  }
}

extension Table where Element == Segment {
  /// The elements as a list for a vectored call; must not outlive the table.
  @inlinable @inline(__always)
  public var segments: Segments { unsafe Segments(start: base, count: count) }
}
