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
    let window = unsafe fillWindow(
      of: list, from: offset, byteCount: byteCount, into: storage + used, most: most)
    used += window.segments.count
    return window
  }
}
