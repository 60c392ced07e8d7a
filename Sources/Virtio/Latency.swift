// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// How long operations take, for whoever watches a device: part of the contract because a device writes it and room
// Daemon reads it. A table has a row per kind of operation and belongs to one queue; the queue's owner thread adds to
// it with relaxed loads and stores, no lock and no allocation, and anybody reads it at any time.

internal import Synchronization
public import Wire

/// The scale of a row: log-linear, 16 steps for every doubling, so that a value is known to a sixteenth. Below half a
/// microsecond the steps are 32 ns; everything over 68 s is in the last one.
enum LatencyScale {
  private static let unitShift: UInt64 = 5
  private static let stepBits: UInt64 = 4
  static let stepCount = 448

  static func step(_ nanoseconds: UInt64) -> Int {
    let units = nanoseconds >> unitShift
    guard units >> stepBits != 0 else { return Int(units) }
    let exponent = UInt64(63 - units.leadingZeroBitCount)
    let index = (exponent - 3) << stepBits + (units >> (exponent - stepBits)) & 15
    return min(Int(index), stepCount - 1)
  }

  /// The greatest value of a step.
  static func greatest(of step: Int) -> UInt64 {
    let step = UInt64(step)
    guard step >> stepBits != 0 else { return (step + 1) << unitShift - 1 }
    let exponent = step >> stepBits + 3
    return (16 + step & 15 + 1) << (exponent - stepBits + unitShift) - 1
  }
}

/// The times of one queue. Its memory comes from outside, because this room makes no system calls: zeroed pages that
/// cost nothing before they are written to.
///
/// Sendable because every access is one atomic word and the address never changes.
@safe
public final class LatencyTable: @unchecked Sendable {
  // Each row begins with these two words.
  private static let totalWord = 0
  private static let longestWord = 1
  private static let firstStep = 2
  private static let wordsPerRow = firstStep + LatencyScale.stepCount

  private let words: UnsafeMutablePointer<Atomic<UInt64>>
  private let rowCount: Int
  private let owner: AnyObject

  /// Bytes that a table of so many rows needs.
  public static func byteCount(rows: Int) -> Int { rows * wordsPerRow * 8 }

  /// Nil if the memory is too small or not aligned to 8 bytes.
  /// - Parameter memory: zeroes; they stay mapped while `owner` lives.
  public init?(memory: Segment, rows: Int, owner: AnyObject) {
    guard rows > 0, memory.count >= LatencyTable.byteCount(rows: rows), unsafe UInt(bitPattern: memory.base) % 8 == 0
    else { return nil }
    // An atomic word has the layout of a word, and all bits zero are 0.
    unsafe words = memory.base.assumingMemoryBound(to: Atomic<UInt64>.self)
    rowCount = rows
    self.owner = owner
  }

  /// Adds one operation; on the queue's owner thread. A row that does not exist is ignored.
  public func record(_ row: Int, nanoseconds: Int64) {
    guard row >= 0, row < rowCount else { return }
    let time = UInt64(max(nanoseconds, 0))
    let start = row * LatencyTable.wordsPerRow
    add(1, to: start + LatencyTable.firstStep + LatencyScale.step(time))
    add(time, to: start + LatencyTable.totalWord)
    let longest = unsafe words + start + LatencyTable.longestWord
    if unsafe time > longest.pointee.load(ordering: .relaxed) {
      unsafe longest.pointee.store(time, ordering: .relaxed)
    }
  }

  /// One writer, so no exchange is needed.
  @inline(__always)
  private func add(_ value: UInt64, to index: Int) {
    let word = unsafe words + index
    unsafe word.pointee.store(word.pointee.load(ordering: .relaxed) &+ value, ordering: .relaxed)
  }

  /// What a row holds now. While the owner writes, an operation may be in one of the sums and not yet in another.
  public func snapshot(_ row: Int) -> LatencySnapshot {
    guard row >= 0, row < rowCount else { return LatencySnapshot() }
    let start = row * LatencyTable.wordsPerRow
    let word: (Int) -> UInt64 = { unsafe self.words[start + $0].load(ordering: .relaxed) }
    return LatencySnapshot(
      counts: (0..<LatencyScale.stepCount).map { word(LatencyTable.firstStep + $0) },
      totalNanoseconds: word(LatencyTable.totalWord), longestNanoseconds: word(LatencyTable.longestWord))
  }
}

/// The distribution of one kind of operation's times.
public struct LatencySnapshot: Sendable, Equatable {
  /// Per step of the scale; empty for none at all.
  private var counts: [UInt64]
  public private(set) var totalNanoseconds: UInt64
  public private(set) var longestNanoseconds: UInt64

  /// No operation yet.
  public init() {
    self.init(counts: [], totalNanoseconds: 0, longestNanoseconds: 0)
  }

  init(counts: [UInt64], totalNanoseconds: UInt64, longestNanoseconds: UInt64) {
    self.counts = counts
    self.totalNanoseconds = totalNanoseconds
    self.longestNanoseconds = longestNanoseconds
  }

  /// Operations.
  public var count: UInt64 { counts.reduce(0, &+) }

  public var meanNanoseconds: UInt64 {
    let count = count
    return count == 0 ? 0 : totalNanoseconds / count
  }

  /// Takes in another queue's.
  public mutating func add(_ other: LatencySnapshot) {
    if counts.isEmpty {
      counts = other.counts
    } else if !other.counts.isEmpty {
      for step in counts.indices { counts[step] &+= other.counts[step] }
    }
    totalNanoseconds &+= other.totalNanoseconds
    longestNanoseconds = max(longestNanoseconds, other.longestNanoseconds)
  }

  /// A time that `percent` of the operations did not exceed: the upper end of the step in which they end, so never too
  /// good. 0 if there are none.
  public func nanoseconds(percentile percent: Double) -> UInt64 {
    let count = count
    guard count > 0 else { return 0 }
    let rank = max(1, UInt64((Double(count) * percent / 100).rounded(.up)))
    var seen: UInt64 = 0
    for (step, here) in counts.enumerated() {
      seen += here
      if seen >= rank { return min(LatencyScale.greatest(of: step), longestNanoseconds) }
    }
    return longestNanoseconds
  }
}
