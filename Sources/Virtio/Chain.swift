// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

public import Wire

/// One request of the driver: a buffer list that was translated and bounds-checked when it was popped. The value owns
/// the list's storage and is used again for the next chain, so a queue that runs does not allocate: a device that
/// answers at once needs one, a device with requests in flight one per request.
@safe
public struct Chain: ~Copyable {
  /// Index of the chain's first descriptor, or its buffer id in a packed ring: names the chain to the queue until it is
  /// completed. Below the queue's size.
  public internal(set) var head: UInt16 = 0
  private var storage: UnsafeMutablePointer<Segment>
  private var capacity: Int
  /// Set by the queue, segment by segment; the list starts with so many.
  var readableCount = 0
  private var writableCount = 0
  /// Of a packed ring: the descriptors of the ring that the chain took, and its entry in the inflight area.
  var ringEntries: UInt16 = 0
  var inflightEntry: UInt16 = 0

  /// - Parameter capacity: segments held without growing.
  public init(capacity: Int = 512) {
    self.capacity = max(capacity, 1)
    unsafe storage = UnsafeMutablePointer<Segment>.allocate(capacity: self.capacity)
  }

  deinit {
    unsafe storage.deallocate()
  }

  /// What the driver wrote for the device. Guest memory: read each byte once.
  @inline(__always)
  public var readable: Segments { unsafe Segments(start: storage, count: readableCount) }

  /// Where the device writes its answer.
  @inline(__always)
  public var writable: Segments { unsafe Segments(start: storage + readableCount, count: writableCount) }

  /// Empties the list. A chain that breaks the rules shows at most the readable segments before the fault.
  @inline(__always)
  mutating func begin(head: UInt16) {
    self.head = head
    readableCount = 0
    writableCount = 0
  }

  /// Puts a segment at `index`: the queue fills the list from 0 on, then calls `finish`.
  @inline(__always)
  mutating func set(_ index: Int, to segment: Segment) {
    if index == capacity { grow() }
    unsafe (storage + index).initialize(to: segment)
  }

  /// The list is complete, `count` segments long; what is not readable is writable.
  @inline(__always)
  mutating func finish(_ count: Int) {
    writableCount = count &- readableCount
  }

  /// Only for chains longer than any before: the caller bounds the length by the size of the descriptor tables.
  @inline(never)
  private mutating func grow() {
    let larger = UnsafeMutablePointer<Segment>.allocate(capacity: capacity * 2)
    unsafe larger.moveInitialize(from: storage, count: capacity)
    unsafe storage.deallocate()
    unsafe storage = larger
    capacity *= 2
  }
}

/// What `SegmentWindow` and `SegmentArena` hand out: writes the window's segments to `storage`, which has room for
/// `most`.
func fillWindow(
  of list: Segments, from offset: Int, byteCount: Int, into storage: UnsafeMutablePointer<Segment>, most: Int
) -> (segments: Segments, byteCount: Int) {
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
    if count > 0, let whole = unsafe storage[count - 1].joined(with: segment) {
      unsafe storage[count - 1] = whole
    } else {
      if count == most { break }
      unsafe (storage + count).initialize(to: segment)
      count += 1
    }
    left -= segment.count
  }
  return unsafe (Segments(start: storage, count: count), byteCount - left)
}

/// Storage for a rearranged segment list: a window of a chain as a vectored call wants it.
@safe
public struct SegmentWindow: ~Copyable {
  private let storage: UnsafeMutablePointer<Segment>
  private let capacity: Int

  /// - Parameter capacity: the most segments that one window holds.
  public init(capacity: Int) {
    self.capacity = capacity
    unsafe storage = UnsafeMutablePointer<Segment>.allocate(capacity: capacity)
  }

  deinit {
    unsafe storage.deallocate()
  }

  /// The part of `list` from byte `offset`, at most `byteCount` bytes and at most `capacity` segments long. Segments
  /// that lie one behind the other become one: a guest's buffer of many pages often is one run of memory, and the
  /// kernel copies a run faster than it copies its pages. Valid until the next call.
  public func window(of list: Segments, from offset: Int, byteCount: Int) -> (segments: Segments, byteCount: Int) {
    unsafe fillWindow(of: list, from: offset, byteCount: byteCount, into: storage, most: capacity)
  }
}
