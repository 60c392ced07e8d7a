// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Modes, owners, times, sizes and extended attributes.

internal import CLinux
public import Wire

/// The time argument of utimensat(2).
public enum TimeChange: Sendable {
  case keep
  case now
  case to(Timestamp)

  var raw: clinux_timespec {
    switch self {
    case .keep: clinux_timespec(seconds: 0, nanoseconds: 0x3fff_fffe)
    case .now: clinux_timespec(seconds: 0, nanoseconds: 0x3fff_ffff)
    case .to(let time): clinux_timespec(seconds: time.seconds, nanoseconds: Int64(time.nanoseconds))
    }
  }
}

/// What fstatfs(2) tells.
public struct FileSystemStatus: Sendable {
  let raw: clinux_statfs

  /// The magic number of linux/magic.h.
  public var type: UInt64 { raw.type }
  public var blockSize: UInt64 { raw.block_size }
  public var fragmentSize: UInt64 { raw.fragment_size }
  public var blocks: UInt64 { raw.blocks }
  public var blocksFree: UInt64 { raw.blocks_free }
  public var blocksAvailable: UInt64 { raw.blocks_available }
  public var files: UInt64 { raw.files }
  public var filesFree: UInt64 { raw.files_free }
  public var longestName: UInt32 { raw.name_max }
  /// ST_* mount flags.
  public var flags: UInt64 { raw.flags }
}

extension File {
  public func fileSystemStatus() throws(Errno) -> FileSystemStatus {
    var status = clinux_statfs()
    try checked(unsafe clinux_statfs(raw, &status))
    return FileSystemStatus(raw: status)
  }

  /// fchmod(2) of an open file (not O_PATH).
  public func setMode(_ mode: UInt32) throws(Errno) {
    try checked(clinux_fchmod(raw, mode))
  }

  /// fchmodat(2): follows symlinks; `name` must be known not to be one a guest chose.
  public func setMode(of name: CName, _ mode: UInt32) throws(Errno) {
    try checked(unsafe clinux_fchmodat(raw, name.base, mode))
  }

  /// fchownat(2); UInt32.max keeps an id. With `AtFlags.emptyPath` and an empty name: this file, O_PATH too.
  public func setOwner(of name: CName, uid: UInt32, gid: UInt32, flags: Int32) throws(Errno) {
    try checked(unsafe clinux_fchownat(raw, name.base, uid, gid, flags))
  }

  /// utimensat(2).
  public func setTimes(
    of name: CName, access: TimeChange, modification: TimeChange, flags: Int32
  ) throws(Errno) {
    var times = (access.raw, modification.raw)
    let result = unsafe withUnsafePointer(to: &times) { pointer in
      unsafe pointer.withMemoryRebound(to: clinux_timespec.self, capacity: 2) {
        unsafe clinux_utimensat(raw, name.base, $0, flags)
      }
    }
    try checked(result)
  }

  /// ftruncate(2) of a file open for writing.
  public func setSize(_ size: Int64) throws(Errno) {
    try answered { clinux_ftruncate(raw, size) }
  }

  /// fgetxattr(2); an empty `value` asks for the size.
  public func getAttribute(_ name: CName, into value: Segment) throws(Errno) -> Int {
    try checked(unsafe clinux_fgetxattr(raw, name.base, value.base, value.count))
  }

  /// flistxattr(2); an empty `list` asks for the size.
  public func listAttributes(into list: Segment) throws(Errno) -> Int {
    try checked(unsafe clinux_flistxattr(raw, list.base.assumingMemoryBound(to: CChar.self), list.count))
  }

  /// fsetxattr(2).
  public func setAttribute(_ name: CName, value: Segment, flags: Int32) throws(Errno) {
    try checked(unsafe clinux_fsetxattr(raw, name.base, value.base, value.count, flags))
  }

  public func removeAttribute(_ name: CName) throws(Errno) {
    try checked(unsafe clinux_fremovexattr(raw, name.base))
  }
}

/// Calls by path, for files that cannot be opened (devices, fifos, symlinks). The path is one that this
/// program made ("/proc/self/fd/N"), never a guest's.
public enum PathAttributes {
  /// truncate(2).
  public static func setSize(_ path: CName, _ size: Int64) throws(Errno) {
    try retrying { unsafe clinux_truncate(path.base, size) }
  }

  public static func get(_ path: CName, _ name: CName, into value: Segment) throws(Errno) -> Int {
    try checked(unsafe clinux_getxattr(path.base, name.base, value.base, value.count))
  }

  public static func list(_ path: CName, into list: Segment) throws(Errno) -> Int {
    try checked(unsafe clinux_listxattr(path.base, list.base.assumingMemoryBound(to: CChar.self), list.count))
  }

  public static func set(_ path: CName, _ name: CName, value: Segment, flags: Int32) throws(Errno) {
    try checked(unsafe clinux_setxattr(path.base, name.base, value.base, value.count, flags))
  }

  public static func remove(_ path: CName, _ name: CName) throws(Errno) {
    try checked(unsafe clinux_removexattr(path.base, name.base))
  }
}
