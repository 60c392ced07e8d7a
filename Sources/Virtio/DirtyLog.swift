// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import Synchronization
public import Wire

/// The bitmap in which a backend marks the guest pages it has written, for live migration (vhost-user
/// "Migration", VHOST_LOG_PAGE = 4096 bytes a bit). Shared with the frontend, which clears bits while we set them.
///
/// Sendable because every access to the bitmap is one atomic operation and the address never changes.
@safe
public final class DirtyLog: @unchecked Sendable {
  /// For who keeps this object alive for as long.
  let pages: DirtyPages
  private let owner: AnyObject

  /// - Parameter bitmap: the mapped log; it stays mapped while `owner` lives.
  public init(bitmap: Segment, owner: AnyObject) {
    pages = DirtyPages(bitmap)
    self.owner = owner
  }

  /// Marks the pages of a written range; what lies beyond the log is not the guest's memory and is ignored.
  public func mark(guestAddress: UInt64, byteCount: Int) {
    pages.mark(guestAddress: guestAddress, byteCount: byteCount)
  }
}

/// The bitmap as a queue marks it: a plain address, so that a mark counts no reference. Valid while the `DirtyLog` that
/// it came from lives.
@safe
struct DirtyPages: BitwiseCopyable {
  private let bitmap: UnsafeMutableRawPointer
  private let byteCount: Int

  init(_ bitmap: Segment) {
    unsafe self.bitmap = bitmap.base
    byteCount = bitmap.count
  }

  func mark(guestAddress: UInt64, byteCount count: Int) {
    guard count > 0 else { return }
    var page = guestAddress >> 12
    let (end, wraps) = guestAddress.addingReportingOverflow(UInt64(count) - 1)
    let last = (wraps ? UInt64.max : end) >> 12
    while page <= last {
      guard page >> 3 < UInt64(byteCount) else { return }
      // An atomic byte has the layout of a byte; the frontend clears bits of it meanwhile.
      let cell = unsafe (bitmap + Int(truncatingIfNeeded: page >> 3)).assumingMemoryBound(to: Atomic<UInt8>.self)
      // Released, so that whoever finds the mark finds what was written before it.
      unsafe cell.pointee.bitwiseOr(1 << UInt8(page & 7), ordering: .releasing)
      page += 1
    }
  }
}
