// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import CLinux
public import Wire

extension Segment {
  /// It will be read soon, from its first byte on.
  public func prefetch() {
    unsafe clinux_prefetch(base)
  }

  /// As `copy(from:at:)`, for pages and rows of pixels: see clinux_copy_wide. The two may not overlap.
  @discardableResult
  public func copyWide(from source: Segment, at offset: Int = 0) -> Bool {
    guard offset >= 0, offset <= count, source.count <= count - offset else { return false }
    unsafe clinux_copy_wide(base + offset, source.base, source.count)
    return true
  }
}
