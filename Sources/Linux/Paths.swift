// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Paths that a person typed, for the start of a daemon: they are Strings, and calls on them allocate. A guest's names
// are `CName`s and never come here.

internal import CLinux
internal import Glibc
internal import Wire

/// A path in the host's file system, relative to the current directory if it does not begin with "/".
public struct Path: Sendable, Equatable, CustomStringConvertible {
  public let text: String

  public init(_ text: String) {
    self.text = text
  }

  public var description: String { text }

  /// The directory that holds the last component: "." if there is none in the text.
  public var directory: Path {
    guard let slash = text.utf8.lastIndex(of: UInt8(ascii: "/")) else { return Path(".") }
    return slash == text.utf8.startIndex ? Path("/") : Path(String(text[..<slash]))
  }

  /// open(2).
  public func open(flags: Int32, mode: UInt32 = 0) throws(Errno) -> FileDescriptor {
    FileDescriptor(
      owning: try retrying {
        unsafe text.withCString { unsafe clinux_openat(File.currentDirectory.raw, $0, flags, mode) }
      })
  }

  /// stat(2), or lstat(2) if `following` is false.
  public func status(following: Bool = true) throws(Errno) -> FileStatus {
    var status = clinux_status()
    try checked(
      unsafe text.withCString {
        unsafe clinux_statx(
          File.currentDirectory.raw, $0, following ? 0 : AtFlags.symlinkNoFollow, &status)
      })
    return FileStatus(raw: status)
  }

  /// unlink(2).
  public func remove() throws(Errno) {
    try checked(unsafe text.withCString { unsafe clinux_unlinkat(File.currentDirectory.raw, $0, 0) })
  }

  /// lchown(2) of the group alone.
  public func setGroup(_ group: UInt32) throws(Errno) {
    try checked(unsafe text.withCString { unsafe clinux_change_group($0, group) })
  }

  /// True if the process may read (and for a directory search) what is there.
  public var isReadable: Bool {
    let asEffectiveUser: Int32 = 0x200  // AT_EACCESS
    let readAndSearch: Int32 = R_OK | (((try? status())?.isDirectory ?? false) ? X_OK : 0)
    return unsafe text.withCString {
      unsafe clinux_faccessat2(File.currentDirectory.raw, $0, readAndSearch, asEffectiveUser) == 0
    }
  }

  /// True if some process has a socket bound to the socket file here; it does not notice being asked about.
  public func isServed() throws(Errno) -> Bool {
    try checked(unsafe text.withCString { unsafe clinux_is_served($0) }) == 1
  }

  /// The whole file as text: for small files under /proc.
  public func contents() throws(Errno) -> String {
    let descriptor = try open(flags: OpenFlags.readOnly)
    let scratch = Scratch(byteCount: 65536)
    var bytes: [UInt8] = []
    while true {
      let count = try descriptor.file.read(into: scratch.segment)
      if count == 0 { return String(decoding: bytes, as: UTF8.self) }
      bytes += scratch.segment.prefix(count).bytes()
    }
  }
}
