// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import Glibc
public import Wire

/// Private memory straight from the kernel: it begins at a page, reads as zeroes, and costs nothing until it is
/// touched. For pictures, whose rows are copied fastest when both sides are aligned alike.
///
/// Sendable because address and size never change; who writes which byte is between the holders.
@safe
public final class AnonymousMemory: @unchecked Sendable {
  private let base: UnsafeMutableRawPointer
  public let byteCount: Int

  /// mmap(2), anonymous and private.
  /// - Parameter isUsedWhole: its first use touches most of it: large pages (MADV_HUGEPAGE), where there are any, spare
  ///   a fault for each small one, which takes longer than copying it.
  public init(byteCount: Int, isUsedWhole: Bool = false) throws(Errno) {
    guard byteCount > 0 else { throw .invalid }
    let flags = MAP_PRIVATE | MAP_ANONYMOUS
    guard let base = unsafe mmap(nil, byteCount, PROT_READ | PROT_WRITE, flags, -1, 0), unsafe base != MAP_FAILED
    else { throw Errno(Glibc.errno) }
    unsafe self.base = base
    self.byteCount = byteCount
    // Advice: a kernel without large pages refuses it, and nothing is lost.
    if isUsedWhole { _ = unsafe madvise(base, byteCount, MADV_HUGEPAGE) }
  }

  deinit {
    _ = unsafe munmap(base, byteCount)
  }

  /// The whole memory; must not outlive the owner.
  public var segment: Segment { unsafe Segment(base: base, count: byteCount) }
}
