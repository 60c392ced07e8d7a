// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import Virtio
import Wire

/// Windows of a segment list. Invariant: a window shows the list's bytes from its offset on, without a gap and without
/// an empty segment, no more bytes and no more segments than allowed; what lies side by side is one segment.
@Suite struct SegmentWindowTests {
  private let block = Block(256)

  /// Calls `body` with segments of these lengths, so many bytes apart.
  private func withList<Result>(
    _ lengths: [Int], apart gap: Int = 1, _ body: (Segments) throws -> Result
  ) rethrows -> Result {
    let list = UnsafeMutablePointer<Segment>.allocate(capacity: max(lengths.count, 1))
    defer { unsafe list.deallocate() }
    var offset = 0
    for (index, length) in lengths.enumerated() {
      unsafe (list + index).initialize(to: block.segment.dropFirst(offset).prefix(length))
      offset += length + gap
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
      (0, 60, [[0, 10], [11, 20], [32, 30]]), (0, 1000, [[0, 10], [11, 20], [32, 30]]), (0, 10, [[0, 10]]),
      (10, 20, [[11, 20]]), (9, 2, [[9, 1], [11, 1]]), (29, 32, [[30, 1], [32, 30]]), (59, 1, [[61, 1]]), (60, 1, []),
      (1000, 1, []), (5, 0, []), (0, -1, []),
    ] as [(Int, Int, [[Int]])])
  func `a window shows the bytes asked for`(offset: Int, count: Int, expected: [[Int]]) {
    let window = SegmentWindow(capacity: 8)
    withList([10, 20, 30]) { #expect(show(window, $0, offset, count) == expected) }
  }

  @Test func `a window holds no more segments than its capacity`() {
    let window = SegmentWindow(capacity: 2)
    withList([10, 20, 30]) { list in
      #expect(show(window, list, 0, 60) == [[0, 10], [11, 20]])
      #expect(show(window, list, 5, 60) == [[5, 5], [11, 20]])
      #expect(show(window, list, 10, 60) == [[11, 20], [32, 30]])
    }
  }

  @Test func `segments side by side become one`() {
    let window = SegmentWindow(capacity: 1)
    withList([10, 20, 30], apart: 0) { list in
      #expect(show(window, list, 0, 60) == [[0, 60]])
      #expect(show(window, list, 5, 30) == [[5, 30]])
      #expect(show(window, list, 30, 100) == [[30, 30]])
    }
    withList([0, 10, 0, 5, 0], apart: 0) { #expect(show(window, $0, 0, 100) == [[0, 15]]) }
  }

  @Test func `empty segments are left out`() {
    let window = SegmentWindow(capacity: 2)
    withList([0, 10, 0, 5, 0]) { #expect(show(window, $0, 0, 100) == [[1, 10], [13, 5]]) }
    withList([]) { #expect(show(window, $0, 0, 100) == []) }
  }

  @Test(arguments: [0, 1]) func `windows one after the other show the whole list`(gap: Int) {
    let window = SegmentWindow(capacity: 3)
    withList(Array(1...20), apart: gap) { list in
      // Where each byte of the list lies in the block.
      let places = (1...20).flatMap { length in
        (0..<length).map { (length - 1) * length / 2 + (length - 1) * gap + $0 }
      }
      var offset = 0
      while offset < 210 {
        let (segments, byteCount) = window.window(of: list, from: offset, byteCount: 17)
        #expect(byteCount > 0)
        for index in 0..<segments.count {
          let start = unsafe segments[index].base - block.segment.base
          #expect(start == places[offset])
          offset += segments[index].count
        }
      }
      #expect(offset == 210)
    }
  }
}
