// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

/// A segment never reaches outside its range: a load, store or copy that does not fit does nothing and says so.
@Suite struct SegmentTests {
  @Test func loadReadsLittleEndianAtAnyAlignment() {
    withScratch(9, filledWith: [1, 2, 3, 4, 5, 6, 7, 8, 9]) { segment in
      #expect(segment.load(UInt32.self) == 0x0403_0201)
      #expect(segment.load(UInt64.self, at: 1) == 0x0908_0706_0504_0302)
      #expect(segment.load(UInt16.self, at: 7) == 0x0908)
      #expect(segment.load(UInt8.self, at: 8) == 9)
    }
  }

  @Test(arguments: [Int.min, -1, 6, 8, 9, 10, .max])
  func loadAndStoreOutsideAreRefused(offset: Int) {
    withScratch(9) { segment in
      #expect(segment.load(UInt32.self, at: offset) == nil)
      #expect(!segment.store(UInt32.max, at: offset))
      #expect(segment.bytes() == [UInt8](repeating: 0, count: 9))
    }
  }

  @Test func storeWritesOnlyItsBytes() {
    withScratch(8, filledWith: [UInt8](repeating: 0xff, count: 8)) { segment in
      #expect(segment.store(UInt32(0x0403_0201), at: 3))
      #expect(segment.bytes() == [0xff, 0xff, 0xff, 1, 2, 3, 4, 0xff])
    }
  }

  @Test func emptySegmentHoldsNothing() {
    withScratch(0) { segment in
      #expect(segment.load(UInt8.self) == nil)
      #expect(!segment.store(UInt8(1)))
      #expect(segment.copy(from: segment))
      #expect(segment.bytes().isEmpty)
    }
  }

  @Test func prefixAndDropFirstStayInside() {
    withScratch(4, filledWith: [1, 2, 3, 4]) { segment in
      #expect(segment.prefix(2).bytes() == [1, 2])
      #expect(segment.dropFirst(3).bytes() == [4])
      for excess in [4, 5, Int.max] {
        #expect(segment.dropFirst(excess).count == 0)
        #expect(segment.prefix(excess).bytes() == [1, 2, 3, 4])
      }
      for negative in [-1, Int.min] {
        #expect(segment.dropFirst(negative).bytes() == [1, 2, 3, 4])
        #expect(segment.prefix(negative).count == 0)
      }
    }
  }

  @Test func copyThatDoesNotFitCopiesNothing() {
    withScratch(3, filledWith: [7, 8, 9]) { source in
      withScratch(4) { target in
        #expect(!target.copy(from: source, at: 2))
        #expect(!target.copy(from: source, at: -1))
        #expect(!target.copy(from: source, at: .max))
        #expect(target.bytes() == [0, 0, 0, 0])
        #expect(target.copy(from: source, at: 1))
        #expect(target.bytes() == [0, 7, 8, 9])
        target.dropFirst(2).zero()
        #expect(target.bytes() == [0, 7, 0, 0])
      }
    }
  }
}

/// Gather and scatter see a list of segments as one run of bytes, whatever the pieces.
@Suite struct SegmentsTests {
  /// Runs `body` with segments of these lengths, filled with `bytes` one after the other.
  private func withSegments(_ lengths: [Int], filledWith bytes: [UInt8] = [], _ body: (Segments) -> Void) {
    let total = lengths.reduce(0, +)
    withScratch(total, filledWith: bytes) { memory in
      var list: [Segment] = []
      var offset = 0
      for length in lengths {
        list.append(memory.dropFirst(offset).prefix(length))
        offset += length
      }
      let count = list.count
      unsafe list.withUnsafeMutableBufferPointer { buffer in
        guard let start = buffer.baseAddress else { return }
        unsafe body(Segments(start: start, count: count))
      }
    }
  }

  @Test func byteCountIsTheSum() {
    withSegments([3, 0, 5]) { segments in
      #expect(segments.byteCount == 8)
      #expect(segments.count == 3)
      #expect(segments[2].count == 5)
    }
  }

  @Test func gatherCrossesPiecesAndStopsAtTheEnd() {
    withSegments([1, 0, 2, 4], filledWith: [1, 2, 3, 4, 5, 6, 7]) { segments in
      withScratch(4) { target in
        #expect(segments.gather(into: target) == 4)
        #expect(target.bytes() == [1, 2, 3, 4])
        #expect(segments.gather(into: target, from: 2) == 4)
        #expect(target.bytes() == [3, 4, 5, 6])
        target.zero()
        #expect(segments.gather(into: target, from: 5) == 2)
        #expect(target.bytes() == [6, 7, 0, 0])
        #expect(segments.gather(into: target, from: 7) == 0)
        #expect(segments.gather(into: target, from: .max) == 0)
        #expect(segments.gather(into: target.prefix(0)) == 0)
      }
    }
  }

  @Test func scatterCrossesPiecesAndStopsAtTheEnd() {
    withSegments([1, 0, 2, 4]) { segments in
      withScratch(4, filledWith: [1, 2, 3, 4]) { source in
        #expect(segments.scatter(source, at: 1) == 4)
        #expect((0..<4).flatMap { segments[$0].bytes() } == [0, 1, 2, 3, 4, 0, 0])
        #expect(segments.scatter(source, at: 5) == 2)
        #expect((0..<4).flatMap { segments[$0].bytes() } == [0, 1, 2, 3, 4, 1, 2])
        #expect(segments.scatter(source, at: 7) == 0)
      }
    }
  }

  @Test func gatherAndScatterAgreeWithAFlatArray() {
    var random = SeededGenerator(seed: 0x5ca7)
    for _ in 0..<2000 {
      let lengths = (0..<Int.random(in: 1...6, using: &random)).map { _ in Int.random(in: 0...9, using: &random) }
      let total = lengths.reduce(0, +)
      let bytes = (0..<total).map { _ in UInt8.random(in: 0...255, using: &random) }
      let want = Int.random(in: 0...20, using: &random)
      let offset = Int.random(in: 0...(total + 3), using: &random)
      let fits = max(0, min(want, total - offset))
      let payload = (0..<want).map { UInt8(truncatingIfNeeded: $0 &+ 100) }
      withSegments(lengths, filledWith: bytes) { segments in
        withScratch(want) { target in
          #expect(segments.gather(into: target, from: offset) == fits)
          #expect(target.prefix(fits).bytes() == Array(bytes.dropFirst(offset).prefix(fits)))
          #expect(target.dropFirst(fits).bytes().allSatisfy { $0 == 0 })
        }
        withScratch(want, filledWith: payload) { source in
          #expect(segments.scatter(source, at: offset) == fits)
        }
        var expected = bytes
        for index in 0..<fits { expected[offset + index] = payload[index] }
        #expect((0..<lengths.count).flatMap { segments[$0].bytes() } == expected)
      }
    }
  }
}
