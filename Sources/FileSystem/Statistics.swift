// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import FuseProtocol
internal import Linux
internal import Synchronization
internal import Virtio

/// Counts and times of one worker's requests by operation. Written by the worker's thread alone, read by any: relaxed
/// loads and stores suffice, and no two workers share a cache line.
final class Statistics: Sendable {
  private static let operations = 64
  private let counts: Table
  private let failures: Table
  private let malformedCount = Atomic<UInt64>(0)
  /// Nil where nobody wants to know, or the host has no memory for it.
  private let latency: LatencyTable?

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

  init(measuresLatency: Bool = false) {
    counts = Table()
    failures = Table()
    latency = measuresLatency ? Statistics.makeTable() : nil
  }

  private static func makeTable() -> LatencyTable? {
    let memory = try? ZeroedMemory(byteCount: LatencyTable.byteCount(rows: operations))
    return memory.flatMap { LatencyTable(memory: $0.segment, rows: operations, owner: $0) }
  }

  /// What `time` answers when nobody wants to know.
  static let noTime: Int64 = -1

  /// The time for `count`'s `since`.
  var time: Int64 { latency == nil ? Statistics.noTime : Clock.monotonic }

  /// Counts an operation that has ended.
  /// - Parameter since: when it began; becomes the time of its end, at which the thread turns to the next one.
  func count(_ opcode: UInt32, failed: Bool, since start: inout Int64) {
    let now = time
    count(opcode, failed: failed, from: start, to: now)
    start = now
  }

  /// As above, for one of several that ended together.
  func count(_ opcode: UInt32, failed: Bool, from start: Int64, to end: Int64) {
    let index = Int(min(opcode, UInt32(Statistics.operations - 1)))
    counts.add(index)
    if failed { failures.add(index) }
    latency?.record(index, nanoseconds: end - start)
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

  /// How long they took; nil if nobody looked.
  func readLatency(_ operation: FuseOpcode) -> LatencySnapshot? {
    latency?.snapshot(Int(min(operation.rawValue, UInt32(Statistics.operations - 1))))
  }
}
