// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a device must not forget when its process ends in the middle of a guest's life: a frontend that comes back with
// the requests in flight brings this along, because it lies behind them in the same memory.

internal import Synchronization
public import Wire

/// A number of the device's in memory that the frontend keeps. Belongs to the control thread.
///
/// Sendable because the memory stays as long as its owner, which this holds, and one thread uses it.
@safe
public final class LastingWord: @unchecked Sendable {
  /// "martlet1": somebody has written the number. The frontend's memory is zero at first.
  private static let mark: UInt64 = 0x3174_656c_7472_616d
  public static let byteCount = 16

  private let memory: Segment
  private let owner: AnyObject

  /// Nil if there is no room.
  public init?(memory: Segment, owner: AnyObject) {
    guard memory.count >= LastingWord.byteCount else { return nil }
    self.memory = memory
    self.owner = owner
  }

  /// Nil as long as nobody has written one.
  public var value: UInt64? {
    get { memory.load(UInt64.self) == LastingWord.mark ? memory.load(UInt64.self, at: 8) : nil }
    set {
      memory.store(newValue ?? 0, at: 8)
      // A process that dies between the two leaves the old mark with the new number, or no mark.
      atomicMemoryFence(ordering: .releasing)
      memory.store(newValue == nil ? 0 : LastingWord.mark)
    }
  }
}
