// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import FuseProtocol
internal import Synchronization

/// Counts of one worker's requests by operation. Written by the worker's thread alone, read by any: relaxed loads and
/// stores suffice, and no two workers share a cache line.
final class Statistics: Sendable {
  private static let operations = 64
  private let counts: Table
  private let failures: Table
  private let malformedCount = Atomic<UInt64>(0)

  /// A fixed array of atomics.
  private struct Table: ~Copyable, Sendable {
    private let cells: InlineArray<64, Cell>

    struct Cell: ~Copyable, Sendable {
      let value = Atomic<UInt64>(0)
    }

    init() {
      cells = InlineArray { _ in Cell() }
    }

    func add(_ index: Int) {
      let old = cells[index].value.load(ordering: .relaxed)
      cells[index].value.store(old &+ 1, ordering: .relaxed)
    }

    func get(_ index: Int) -> UInt64 { cells[index].value.load(ordering: .relaxed) }
  }

  init() {
    counts = Table()
    failures = Table()
  }

  func count(_ opcode: UInt32, failed: Bool) {
    let index = Int(min(opcode, UInt32(Statistics.operations - 1)))
    counts.add(index)
    if failed { failures.add(index) }
  }

  func count(malformed: Bool) {
    let old = malformedCount.load(ordering: .relaxed)
    malformedCount.store(old &+ 1, ordering: .relaxed)
  }

  var malformed: UInt64 { malformedCount.load(ordering: .relaxed) }

  /// Requests and failures of one operation.
  func read(_ operation: FuseOpcode) -> (count: UInt64, failures: UInt64) {
    let index = Int(min(operation.rawValue, UInt32(Statistics.operations - 1)))
    return (counts.get(index), failures.get(index))
  }
}
