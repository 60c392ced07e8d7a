// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

public import Wire

/// Storage for the windows of several chains at once: a batch of vectored operations whose segment lists must stay
/// until the batch is handed over. Then `reset` frees them all.
@safe
public struct SegmentArena: ~Copyable {
  private let storage: UnsafeMutablePointer<Segment>
  private let capacity: Int
  private var used = 0

  /// - Parameter capacity: segments of all windows together.
  public init(capacity: Int) {
    self.capacity = capacity
    unsafe storage = UnsafeMutablePointer<Segment>.allocate(capacity: capacity)
  }

  deinit {
    unsafe storage.deallocate()
  }

  /// Segments that still fit.
  public var space: Int { capacity - used }

  /// Forgets all windows.
  public mutating func reset() {
    used = 0
  }

  /// The part of `list` from byte `offset` on, at most `byteCount` bytes and at most `most` segments long; it must fit
  /// (see `space`). Segments that lie one behind the other become one, as in `SegmentWindow`. Valid until `reset`.
  public mutating func window(
    of list: Segments, from offset: Int, byteCount: Int, most: Int
  ) -> (segments: Segments, byteCount: Int) {
    precondition(min(list.count, most) <= space, "the arena is full")
    let start = unsafe storage + used
    var skip = offset
    var left = byteCount
    var count = 0
    var index = 0
    while index < list.count, left > 0 {
      var segment = list[index]
      index += 1
      if skip >= segment.count {
        skip -= segment.count
        continue
      }
      segment = segment.dropFirst(skip).prefix(left)
      skip = 0
      if count > 0, let whole = unsafe start[count - 1].joined(with: segment) {
        unsafe start[count - 1] = whole
      } else {
        if count == most { break }
        unsafe (start + count).initialize(to: segment)
        count += 1
      }
      left -= segment.count
    }
    used += count
    return unsafe (Segments(start: start, count: count), byteCount - left)
  }
}
