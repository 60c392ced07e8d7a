// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import CLinux
public import Wire

/// A shared mapping of a file, unmapped when the last holder lets go.
///
/// Sendable because the address and the size never change; what lies in the memory is shared with another process
/// anyway, and whoever touches it keeps to the protocol of that memory (rings, logs).
@safe
public final class Mapping: @unchecked Sendable {
  private let base: UnsafeMutableRawPointer
  public let byteCount: Int

  /// mmap(2), read and write, shared. `offset` must be a multiple of the file's page size.
  public init(_ file: File, byteCount: Int, offset: UInt64 = 0) throws(Errno) {
    guard byteCount > 0 else { throw .invalid }
    var number: Int32 = 0
    guard let base = unsafe clinux_map_shared(file.raw, byteCount, offset, &number) else { throw Errno(number) }
    unsafe self.base = base
    self.byteCount = byteCount
  }

  deinit {
    _ = unsafe clinux_unmap(base, byteCount)
  }

  /// The whole mapping; must not outlive the owner.
  public var segment: Segment { unsafe Segment(base: base, count: byteCount) }
}

/// A memory file (memfd_create) of a given size, as hypervisors use for guest memory.
public enum MemoryFile {
  public static func create(_ name: StaticString, byteCount: Int, hugePages: Bool = false) throws(Errno)
    -> FileDescriptor
  {
    let name = CName(name)
    let descriptor = FileDescriptor(owning: try checked(unsafe clinux_memfd(name.base, hugePages ? 4 : 0)))
    try descriptor.file.setSize(Int64(byteCount))
    return descriptor
  }
}
