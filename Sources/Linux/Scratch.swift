// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

public import Wire

/// A block of memory that its owner uses again and again (a request's copy, a directory's records), allocated once
/// so that the data path never allocates. Pages that are never touched cost nothing.
@safe
public struct Scratch: ~Copyable {
  private let memory: UnsafeMutableRawBufferPointer

  /// - Parameter byteCount: size in bytes; the block is aligned to a page and not cleared.
  public init(byteCount: Int) {
    unsafe memory = UnsafeMutableRawBufferPointer.allocate(byteCount: byteCount, alignment: 4096)
  }

  deinit {
    unsafe memory.deallocate()
  }

  /// The whole block; must not outlive the owner.
  @inline(__always)
  public var segment: Segment {
    guard let base = unsafe memory.baseAddress else { preconditionFailure("scratch memory is never empty") }
    return unsafe Segment(base: base, count: memory.count)
  }
}
