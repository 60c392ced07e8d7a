// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import Virtio
import Wire

/// Times of operations. Invariants: nothing that was recorded is lost; a percentile is never smaller than that of the
/// exact values and at most a sixteenth (or 32 ns) larger; rows are independent; sums of queues are sums.
@Suite struct LatencyTests {
  /// Zeroed memory that lives as long as its owner.
  @safe private final class Memory {
    private let bytes: UnsafeMutableRawBufferPointer

    init(_ count: Int) {
      unsafe bytes = UnsafeMutableRawBufferPointer.allocate(byteCount: count, alignment: 8)
      unsafe bytes.initializeMemory(as: UInt8.self, repeating: 0)
    }

    deinit { unsafe bytes.deallocate() }

    var segment: Segment {
      guard let base = unsafe bytes.baseAddress else { return .empty }
      return unsafe Segment(base: base, count: bytes.count)
    }
  }

  private func table(rows: Int) throws -> LatencyTable {
    let memory = Memory(LatencyTable.byteCount(rows: rows))
    return try #require(LatencyTable(memory: memory.segment, rows: rows, owner: memory))
  }

  /// Exact: the smallest value that so many percent do not exceed.
  private func exact(_ sorted: [Int64], _ percent: Double) -> UInt64 {
    UInt64(sorted[max(Int((Double(sorted.count) * percent / 100).rounded(.up)), 1) - 1])
  }

  @Test func percentilesAreThoseOfTheValuesWithinASixteenth() throws {
    var generator = SystemRandomNumberGenerator()
    for magnitude in [5, 10, 17, 25, 35] {
      let table = try table(rows: 1)
      let values = (0..<997).map { _ in Int64.random(in: 0..<1 << Int64(magnitude), using: &generator) }
      for value in values { table.record(0, nanoseconds: value) }
      let sorted = values.sorted()
      let snapshot = table.snapshot(0)
      #expect(snapshot.count == 997)
      #expect(snapshot.totalNanoseconds == UInt64(values.reduce(0, +)))
      #expect(snapshot.longestNanoseconds == UInt64(sorted[996]))
      #expect(snapshot.meanNanoseconds == UInt64(values.reduce(0, +)) / 997)
      for percent in [0, 0.1, 1, 50, 90, 99, 99.9, 100] {
        let truth = exact(sorted, percent)
        let told = snapshot.nanoseconds(percentile: percent)
        #expect(told >= truth && told <= truth + max(truth / 16, 32), "\(percent) of 2^\(magnitude): \(told), \(truth)")
      }
    }
  }

  /// Every boundary of the scale, where an off-by-one would sit.
  @Test func everyValueIsInAStepThatHoldsIt() throws {
    for exponent in 0..<36 {
      let power = Int64(1) << Int64(exponent)
      for value in [power - 1, power, power + 1] {
        let table = try table(rows: 1)
        table.record(0, nanoseconds: value)
        // A longer one, so that the longest does not bound the answer.
        table.record(0, nanoseconds: value * 4 + 1000)
        let told = table.snapshot(0).nanoseconds(percentile: 50)
        #expect(told >= UInt64(value) && told <= UInt64(value) + max(UInt64(value) / 16, 32), "\(value): \(told)")
      }
    }
  }

  @Test func whatIsTooLongOrNegativeIsCountedToo() throws {
    let table = try table(rows: 1)
    table.record(0, nanoseconds: .max)
    table.record(0, nanoseconds: -5)
    let snapshot = table.snapshot(0)
    #expect(snapshot.count == 2)
    #expect(snapshot.longestNanoseconds == UInt64(Int64.max))
    #expect(snapshot.nanoseconds(percentile: 50) <= 31)
  }

  @Test func rowsAndTablesAddUp() throws {
    let one = try table(rows: 3)
    let other = try table(rows: 3)
    one.record(0, nanoseconds: 100)
    one.record(2, nanoseconds: 1000)
    other.record(2, nanoseconds: 3000)
    one.record(3, nanoseconds: 7)
    one.record(-1, nanoseconds: 7)
    #expect((0..<3).map { one.snapshot($0).count } == [1, 0, 1])
    #expect(one.snapshot(3) == LatencySnapshot())
    var sum = LatencySnapshot()
    #expect(sum.nanoseconds(percentile: 99) == 0 && sum.meanNanoseconds == 0)
    sum.add(one.snapshot(2))
    sum.add(other.snapshot(2))
    sum.add(LatencySnapshot())
    #expect(sum.count == 2)
    #expect(sum.totalNanoseconds == 4000)
    #expect(sum.longestNanoseconds == 3000)
    #expect(sum.nanoseconds(percentile: 100) == 3000)
  }

  @Test func memoryThatDoesNotSufficeIsRefused() {
    let memory = Memory(LatencyTable.byteCount(rows: 2))
    #expect(LatencyTable(memory: memory.segment, rows: 3, owner: memory) == nil)
    #expect(LatencyTable(memory: memory.segment, rows: 0, owner: memory) == nil)
    #expect(LatencyTable(memory: memory.segment.dropFirst(4), rows: 1, owner: memory) == nil)
  }
}
