// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import BlockProtocol
internal import Linux
internal import Synchronization
internal import Virtio

/// Counts and times of one lane's requests by type. Written by the lane's thread alone, read by any: relaxed loads and
/// stores suffice, and no two lanes share a cache line.
final class LaneStatistics: Sendable {
  private struct Cell: ~Copyable, Sendable {
    let count = Atomic<UInt64>(0)
    let failures = Atomic<UInt64>(0)
    let bytes = Atomic<UInt64>(0)
  }

  /// By the type's number; the largest is 14.
  private static let rows = 15
  private let cells: InlineArray<15, Cell>
  private let malformed = Atomic<UInt64>(0)
  /// Nil where nobody wants to know, or the host has no memory for it.
  private let latency: LatencyTable?

  init(measuresLatency: Bool) {
    cells = InlineArray { _ in Cell() }
    latency = measuresLatency ? LaneStatistics.makeTable() : nil
  }

  private static func makeTable() -> LatencyTable? {
    let memory = try? ZeroedMemory(byteCount: LatencyTable.byteCount(rows: rows))
    return memory.flatMap { LatencyTable(memory: $0.segment, rows: rows, owner: $0) }
  }

  /// What `time` answers when nobody wants to know.
  static let noTime: Int64 = -1

  /// The time for `count`.
  @inline(__always)
  var time: Int64 { latency == nil ? LaneStatistics.noTime : Clock.monotonic }

  /// Counts a request that was in flight between two times.
  @inline(__always)
  func count(_ type: BlockRequestType, byteCount: Int, failed: Bool, from start: Int64, to end: Int64) {
    let index = Int(type.rawValue)
    add(1, to: cells[index].count)
    if failed { add(1, to: cells[index].failures) } else { add(UInt64(byteCount), to: cells[index].bytes) }
    if let latency { latency.record(index, nanoseconds: end &- start) }
  }

  /// Counts a request that the lane's thread has done itself.
  /// - Parameter since: when it turned to the request; becomes the time at which it turns to the next one.
  func count(_ type: BlockRequestType, byteCount: Int, failed: Bool, since start: inout Int64) {
    let now = time
    count(type, byteCount: byteCount, failed: failed, from: start, to: now)
    start = now
  }

  func countMalformed() {
    add(1, to: malformed)
  }

  @inline(__always)
  private func add(_ number: UInt64, to cell: borrowing Atomic<UInt64>) {
    cell.store(cell.load(ordering: .relaxed) &+ number, ordering: .relaxed)
  }

  /// What was answered, how much of it with an error, and the bytes of the rest.
  func read(_ type: BlockRequestType) -> (count: UInt64, failures: UInt64, bytes: UInt64) {
    let index = Int(type.rawValue)
    return (
      cells[index].count.load(ordering: .relaxed), cells[index].failures.load(ordering: .relaxed),
      cells[index].bytes.load(ordering: .relaxed)
    )
  }

  /// How long they took; nil if nobody looked.
  func readLatency(_ type: BlockRequestType) -> LatencySnapshot? { latency?.snapshot(Int(type.rawValue)) }

  var malformedCount: UInt64 { malformed.load(ordering: .relaxed) }
}
