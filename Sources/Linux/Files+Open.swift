// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Opening and looking. Paths are relative to a directory descriptor; all descriptors are close-on-exec.

internal import CLinux
internal import Glibc
public import Wire

/// Flags of open(2); the values are those of the machine's headers.
public enum OpenFlags {
  public static let readOnly = O_RDONLY
  public static let writeOnly = O_WRONLY
  public static let readWrite = O_RDWR
  public static let accessMode = O_ACCMODE
  public static let create = O_CREAT
  public static let exclusive = O_EXCL
  public static let truncate = O_TRUNC
  public static let append = O_APPEND
  public static let nonBlock = O_NONBLOCK
  public static let direct = O_DIRECT
  public static let directory = O_DIRECTORY
  public static let noFollow = O_NOFOLLOW
  public static let noAccessTime = O_NOATIME
  public static let path: Int32 = 0o10000000
  public static let temporary: Int32 = 0o20000000 | O_DIRECTORY
  public static let noControllingTerminal = O_NOCTTY
  public static let closeOnExec = O_CLOEXEC
  public static let sync: Int32 = 0o4010000
}

/// Flags of openat2(2)'s resolve member (linux/openat2.h).
public enum Resolve {
  public static let noCrossDevice: UInt64 = 1
  public static let noMagicLinks: UInt64 = 2
  public static let noSymlinks: UInt64 = 4
  public static let beneath: UInt64 = 8
  public static let inRoot: UInt64 = 16
}

/// Flags of the *at calls.
public enum AtFlags {
  public static let symlinkNoFollow: Int32 = 0x100
  public static let removeDirectory: Int32 = 0x200
  public static let symlinkFollow: Int32 = 0x400
  public static let noAutomount: Int32 = 0x800
  public static let emptyPath: Int32 = 0x1000
  /// AT_STATX_FORCE_SYNC: ask the server of a remote file system, whatever is cached.
  public static let forceSync: Int32 = 0x2000
}

/// What statx(2) tells about a file.
public struct FileStatus: Sendable {
  let raw: clinux_status

  public var inode: UInt64 { raw.inode }
  public var size: UInt64 { raw.size }
  /// In units of 512 bytes.
  public var blocks: UInt64 { raw.blocks }
  /// 0 where the kernel does not tell it (before Linux 5.8).
  public var mountID: UInt64 { raw.mount_id }
  public var links: UInt32 { raw.links }
  public var uid: UInt32 { raw.uid }
  public var gid: UInt32 { raw.gid }
  public var blockSize: UInt32 { raw.block_size }
  public var mode: UInt32 { UInt32(raw.mode) }
  public var deviceMajor: UInt32 { raw.device_major }
  public var deviceMinor: UInt32 { raw.device_minor }
  public var specialMajor: UInt32 { raw.special_major }
  public var specialMinor: UInt32 { raw.special_minor }
  public var accessTime: Timestamp { Timestamp(seconds: raw.access_seconds, nanoseconds: raw.access_nanoseconds) }
  public var modificationTime: Timestamp {
    Timestamp(seconds: raw.modification_seconds, nanoseconds: raw.modification_nanoseconds)
  }
  public var changeTime: Timestamp { Timestamp(seconds: raw.change_seconds, nanoseconds: raw.change_nanoseconds) }
  /// Nil where the file system keeps no birth time.
  public var birthTime: Timestamp? {
    raw.has_birth_time != 0 ? Timestamp(seconds: raw.birth_seconds, nanoseconds: raw.birth_nanoseconds) : nil
  }

  public var type: FileType { FileType(mode: mode) }
  public var isDirectory: Bool { type == .directory }
  public var isRegular: Bool { type == .regular }

  /// The device number as the kernel's internal 32-bit encoding (new_encode_dev), which FUSE uses.
  public var specialDevice: UInt32 { FileStatus.encode(major: specialMajor, minor: specialMinor) }

  /// (major, minor) as new_encode_dev (linux/kdev_t.h).
  public static func encode(major: UInt32, minor: UInt32) -> UInt32 {
    (minor & 0xff) | (major << 8) | ((minor & ~0xff) << 12)
  }

  /// The reverse of `encode`.
  public static func decode(_ device: UInt32) -> (major: UInt32, minor: UInt32) {
    ((device & 0xfff00) >> 8, (device & 0xff) | ((device >> 12) & 0xfff00))
  }
}

/// A point in time as the file system keeps it.
public struct Timestamp: Equatable, Sendable {
  public var seconds: Int64
  public var nanoseconds: UInt32

  public init(seconds: Int64, nanoseconds: UInt32) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }
}

/// The type bits of a mode (S_IFMT).
public enum FileType: UInt32, Sendable {
  case fifo = 0o010000
  case character = 0o020000
  case directory = 0o040000
  case block = 0o060000
  case regular = 0o100000
  case symlink = 0o120000
  case socket = 0o140000
  case unknown = 0

  public init(mode: UInt32) {
    self = FileType(rawValue: mode & 0o170000) ?? .unknown
  }
}

/// A file handle of name_to_handle_at(2): names an inode on its mount without holding it open.
public struct FileHandle: Sendable {
  var raw: clinux_handle

  init(raw: clinux_handle) {
    self.raw = raw
  }
}

extension File {
  /// openat(2).
  public func open(_ name: CName, flags: Int32, mode: UInt32 = 0) throws(Errno) -> FileDescriptor {
    FileDescriptor(owning: try retrying { unsafe clinux_openat(raw, name.base, flags, mode) })
  }

  /// openat2(2).
  public func open(
    _ name: CName, flags: Int32, mode: UInt32 = 0, resolve: UInt64
  ) throws(Errno) -> FileDescriptor {
    FileDescriptor(
      owning: try retrying {
        unsafe clinux_openat2(raw, name.base, UInt64(UInt32(bitPattern: flags)), UInt64(mode), resolve)
      })
  }

  /// statx(2) of `name` below this directory, or of this file with an empty name and `AtFlags.emptyPath`.
  public func status(of name: CName, flags: Int32) throws(Errno) -> FileStatus {
    var status = clinux_status()
    try checked(unsafe clinux_statx(raw, name.base, flags, &status))
    return FileStatus(raw: status)
  }

  /// statx(2) of the file itself.
  public func status() throws(Errno) -> FileStatus {
    try status(of: CName(""), flags: AtFlags.emptyPath | AtFlags.symlinkNoFollow)
  }

  /// name_to_handle_at(2).
  public func handle(of name: CName, flags: Int32) throws(Errno) -> FileHandle {
    var handle = clinux_handle()
    var mountID: Int32 = 0
    try checked(unsafe clinux_name_to_handle(raw, name.base, flags, &handle, &mountID))
    return FileHandle(raw: handle)
  }

  /// open_by_handle_at(2); this file is any open file (not O_PATH) of the handle's mount.
  public func open(_ handle: FileHandle, flags: Int32) throws(Errno) -> FileDescriptor {
    var raw = handle.raw
    return FileDescriptor(owning: try checked(unsafe clinux_open_by_handle(self.raw, &raw, flags)))
  }

  /// readlinkat(2); `buffer` gets at most its length, without NUL. Returns the bytes used.
  public func readLink(_ name: CName, into buffer: Segment) throws(Errno) -> Int {
    let target = unsafe buffer.base.assumingMemoryBound(to: CChar.self)
    return try checked(unsafe clinux_readlinkat(raw, name.base, target, buffer.count))
  }

  /// faccessat2(2).
  public func access(_ name: CName, mode: Int32, flags: Int32) throws(Errno) {
    try checked(unsafe clinux_faccessat2(raw, name.base, mode, flags))
  }

  /// The file's open flags (F_GETFL).
  public func statusFlags() throws(Errno) -> Int32 {
    try checked(clinux_fcntl(raw, F_GETFL, 0))
  }
}
