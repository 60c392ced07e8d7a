// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import BlockProtocol
internal import Synchronization

/// Counts of one lane's requests by type. Written by the lane's thread alone, read by any: relaxed loads and stores
/// suffice, and no two lanes share a cache line.
final class LaneStatistics: Sendable {
  private struct Cell: ~Copyable, Sendable {
    let count = Atomic<UInt64>(0)
    let failures = Atomic<UInt64>(0)
    let bytes = Atomic<UInt64>(0)
  }

  /// By the type's number; the largest is 14.
  private let cells: InlineArray<15, Cell>
  private let malformed = Atomic<UInt64>(0)

  init() {
    cells = InlineArray { _ in Cell() }
  }

  @inline(__always)
  func count(_ type: BlockRequestType, byteCount: Int, failed: Bool) {
    let index = Int(type.rawValue)
    add(1, to: cells[index].count)
    if failed { add(1, to: cells[index].failures) } else { add(UInt64(byteCount), to: cells[index].bytes) }
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

  var malformedCount: UInt64 { malformed.load(ordering: .relaxed) }
}
