// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

public import Wire

/// A list of segments for vectored calls, allocated once and filled anew as often as needed. The memory that the
/// segments name belongs to others.
@safe
public struct Vectors: ~Copyable {
  private let storage: UnsafeMutableBufferPointer<Segment>

  /// `count` empty segments.
  public init(count: Int) {
    unsafe storage = UnsafeMutableBufferPointer<Segment>.allocate(capacity: max(count, 1))
    unsafe storage.initialize(repeating: .empty)
  }

  deinit {
    unsafe storage.deallocate()
  }

  public var count: Int { unsafe storage.count }

  public func set(_ index: Int, _ segment: Segment) {
    precondition(index >= 0 && index < count, "segment index out of range")
    unsafe storage[index] = segment
  }

  /// A part of the list; must not outlive the owner.
  public func part(from start: Int, count partCount: Int) -> Segments {
    precondition(start >= 0 && partCount >= 0 && start + partCount <= count, "segment range out of bounds")
    guard let base = unsafe storage.baseAddress else { preconditionFailure("the list is never empty") }
    return unsafe Segments(start: base + start, count: partCount)
  }
}
