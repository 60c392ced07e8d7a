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
  private let alarm: MemoryAlarm?
  /// The range's number with the SIGBUS handler, if it has one.
  private let number: Int32

  /// mmap(2), read and write, shared. `offset` must be a multiple of the file's page size.
  /// - Parameters:
  ///   - alarm: for a file that somebody else can truncate: hears of it, and touching what is gone reads zeroes then.
  ///     Without one it ends the process (SIGBUS).
  ///   - pageSize: of the file, for the alarm.
  public init(
    _ file: File, byteCount: Int, offset: UInt64 = 0, alarm: MemoryAlarm? = nil, pageSize: Int = 4096
  ) throws(Errno) {
    guard byteCount > 0 else { throw .invalid }
    var error: Int32 = 0
    guard let base = unsafe clinux_map_shared(file.raw, byteCount, offset, &error) else { throw Errno(error) }
    unsafe self.base = base
    self.byteCount = byteCount
    self.alarm = alarm
    guard let alarm else {
      number = -1
      return
    }
    number = unsafe clinux_guard(base, byteCount, pageSize, alarm.word, alarm.event.file.raw)
    // `deinit` does the rest.
    try checked(number)
  }

  deinit {
    if number >= 0 { clinux_unguard(number) }
    _ = unsafe clinux_unmap(base, byteCount)
  }

  /// The whole mapping; must not outlive the owner.
  public var segment: Segment { unsafe Segment(base: base, count: byteCount) }
}

/// Hears that memory which was mapped with it is gone: the file behind it was truncated, or the host has no huge page
/// for it. The thread that touched it goes on with zeroes, so whoever waits here should see to it that it soon stops.
///
/// Sendable because nothing in it changes but the word, which is only ever touched atomically.
@safe
public final class MemoryAlarm: @unchecked Sendable {
  fileprivate let event: Event
  fileprivate let word: UnsafeMutablePointer<UInt32>
  private let owner: AnyObject

  /// - Parameter word: 4 aligned bytes that become 1 when memory is gone, at once for the thread that touched it; valid
  ///   while `owner` lives.
  public init(word: Segment, owner: AnyObject) throws(Errno) {
    precondition(unsafe word.count == 4 && UInt(bitPattern: word.base) % 4 == 0, "an aligned word")
    unsafe self.word = word.base.assumingMemoryBound(to: UInt32.self)
    self.owner = owner
    event = try Event()
  }

  /// Readable from the first loss on; never drained, so that every wait sees it.
  public var file: File { event.file }
}

/// Private memory, all zeroes, that costs nothing before it is written to; for what is made large and mostly stays
/// untouched. Unmapped when the last holder lets go.
///
/// Sendable for the reason that `Mapping` is.
@safe
public final class ZeroedMemory: @unchecked Sendable {
  private let base: UnsafeMutableRawPointer
  private let byteCount: Int

  public init(byteCount: Int) throws(Errno) {
    guard byteCount > 0 else { throw .invalid }
    var number: Int32 = 0
    guard let base = unsafe clinux_map_zeroes(byteCount, &number) else { throw Errno(number) }
    unsafe self.base = base
    self.byteCount = byteCount
  }

  deinit {
    _ = unsafe clinux_unmap(base, byteCount)
  }

  /// All of it; must not outlive the owner.
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

  /// One that keeps its size (fcntl(2), F_ADD_SEALS): whoever it is shared with cannot cut it off under a mapping.
  public static func createSealed(_ name: StaticString, byteCount: Int) throws(Errno) -> FileDescriptor {
    let name = CName(name)
    let descriptor = FileDescriptor(owning: try checked(unsafe clinux_memfd(name.base, allowSealing)))
    try descriptor.file.setSize(Int64(byteCount))
    try checked(clinux_fcntl(descriptor.file.raw, addSeals, sealSeals | sealShrink | sealGrow))
    return descriptor
  }

  // <linux/memfd.h>, <linux/fcntl.h>
  private static let allowSealing: UInt32 = 0x2
  private static let addSeals: Int32 = 1033
  private static let sealSeals = 0x1
  private static let sealShrink = 0x2
  private static let sealGrow = 0x4
}
