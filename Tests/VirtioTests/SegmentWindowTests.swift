// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import Virtio
import Wire

/// Windows of a segment list. Invariant: a window shows the list's bytes from its offset on, without a gap and without
/// an empty segment, no more bytes and no more segments than allowed.
@Suite struct SegmentWindowTests {
  private let block = Block(256)

  /// Calls `body` with segments of these lengths, side by side.
  private func withList<Result>(_ lengths: [Int], _ body: (Segments) throws -> Result) rethrows -> Result {
    let list = UnsafeMutablePointer<Segment>.allocate(capacity: max(lengths.count, 1))
    defer { unsafe list.deallocate() }
    var offset = 0
    for (index, length) in lengths.enumerated() {
      unsafe (list + index).initialize(to: block.segment.dropFirst(offset).prefix(length))
      offset += length
    }
    return try body(unsafe Segments(start: list, count: lengths.count))
  }

  /// The window as (offset in the block, length).
  private func show(_ window: borrowing SegmentWindow, _ list: Segments, _ offset: Int, _ count: Int) -> [[Int]] {
    let (segments, byteCount) = window.window(of: list, from: offset, byteCount: count)
    let parts = (0..<segments.count).map {
      [unsafe segments[$0].base - block.segment.base, segments[$0].count]
    }
    #expect(byteCount == parts.map { $0[1] }.reduce(0, +))
    return parts
  }

  @Test(
    arguments: [
      (0, 60, [[0, 10], [10, 20], [30, 30]]), (0, 1000, [[0, 10], [10, 20], [30, 30]]), (0, 10, [[0, 10]]),
      (10, 20, [[10, 20]]), (9, 2, [[9, 1], [10, 1]]), (29, 32, [[29, 1], [30, 30]]), (59, 1, [[59, 1]]), (60, 1, []),
      (1000, 1, []), (5, 0, []), (0, -1, []),
    ] as [(Int, Int, [[Int]])])
  func `a window shows the bytes asked for`(offset: Int, count: Int, expected: [[Int]]) {
    let window = SegmentWindow(capacity: 8)
    withList([10, 20, 30]) { #expect(show(window, $0, offset, count) == expected) }
  }

  @Test func `a window holds no more segments than its capacity`() {
    let window = SegmentWindow(capacity: 2)
    withList([10, 20, 30]) { list in
      #expect(show(window, list, 0, 60) == [[0, 10], [10, 20]])
      #expect(show(window, list, 5, 60) == [[5, 5], [10, 20]])
      #expect(show(window, list, 10, 60) == [[10, 20], [30, 30]])
    }
  }

  @Test func `empty segments are left out`() {
    let window = SegmentWindow(capacity: 2)
    withList([0, 10, 0, 5, 0]) { #expect(show(window, $0, 0, 100) == [[0, 10], [10, 5]]) }
    withList([]) { #expect(show(window, $0, 0, 100) == []) }
  }

  @Test func `windows one after the other show the whole list`() {
    let window = SegmentWindow(capacity: 3)
    withList(Array(1...20)) { list in
      var offset = 0
      while offset < 210 {
        let (segments, byteCount) = window.window(of: list, from: offset, byteCount: 17)
        #expect(byteCount > 0)
        for index in 0..<segments.count {
          let start = unsafe segments[index].base - block.segment.base
          #expect(start == offset)
          offset += segments[index].count
        }
      }
      #expect(offset == 210)
    }
  }
}
