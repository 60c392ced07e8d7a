// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

public import Wire

/// Spells descriptor numbers as names below /proc/self/fd, in memory that is used again for each.
@safe
public struct DecimalName: ~Copyable {
  private let memory: UnsafeMutablePointer<CChar>
  private static let capacity = 12

  public init() {
    unsafe memory = UnsafeMutablePointer<CChar>.allocate(capacity: DecimalName.capacity)
  }

  deinit {
    unsafe memory.deallocate()
  }

  /// The number in decimal digits; valid until the next call.
  public func spell(_ file: File) -> CName {
    var end = DecimalName.capacity - 1
    unsafe memory[end] = 0
    var rest = UInt32(bitPattern: file.raw)
    repeat {
      end -= 1
      unsafe memory[end] = CChar(48 + rest % 10)
      rest /= 10
    } while rest > 0
    return unsafe CName(base: UnsafePointer(memory + end), count: DecimalName.capacity - 1 - end)
  }
}
