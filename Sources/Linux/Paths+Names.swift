// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Names that a program gives to files of its own: how a file that is complete gets its name at once or not at all.

internal import CLinux
internal import Wire

extension Path {
  /// The last component of the text.
  public var name: String {
    String(text[(text.lastIndex(of: "/").map { text.index(after: $0) } ?? text.startIndex)...])
  }

  /// The names in a directory without "." and "..", repaired where they are not UTF-8.
  public func entries() throws(Errno) -> [String] {
    let directory = try open(flags: OpenFlags.readOnly | OpenFlags.directory)
    let scratch = Scratch(byteCount: 32768)
    var names: [String] = []
    while true {
      let count = try directory.file.readDirectory(into: scratch.segment)
      if count == 0 { return names }
      // Records of linux_dirent64: inode, offset (8 bytes each), length (2), type (1), name, NULs.
      var offset = 0
      while offset < count, let length: UInt16 = scratch.segment.load(at: offset + 16), length > 19 {
        let bytes = scratch.segment.dropFirst(offset + 19).prefix(Int(length) - 19).bytes()
        let name = String(decoding: bytes.prefix { $0 != 0 }, as: UTF8.self)
        if name != ".", name != ".." { names.append(name) }
        offset += Int(length)
      }
    }
  }

  /// Gives an open file without a name (O_TMPFILE) this one; `Errno.exists` if the name is taken. Needs /proc.
  public func link(_ file: File) throws(Errno) {
    try link(from: Path("/proc/self/fd/\(file.raw)"), flags: AtFlags.symlinkFollow)
  }

  /// link(2): a second name for the file at `other`; `Errno.exists` if this name is taken.
  public func link(from other: Path) throws(Errno) {
    try link(from: other, flags: 0)
  }

  private func link(from other: Path, flags: Int32) throws(Errno) {
    let base = File.currentDirectory.raw
    try checked(
      unsafe other.text.withCString { from in
        unsafe text.withCString { unsafe clinux_linkat(base, from, base, $0, flags) }
      })
  }

  /// renameat2(2) with RENAME_NOREPLACE: `Errno.exists` if the other name is taken, `Errno.invalid` where the file
  /// system cannot promise that.
  public func move(to other: Path) throws(Errno) {
    let base = File.currentDirectory.raw
    let noReplace: UInt32 = 1
    try checked(
      unsafe text.withCString { from in
        unsafe other.text.withCString { unsafe clinux_renameat2(base, from, base, $0, noReplace) }
      })
  }
}

extension File {
  /// Asks the file system to overwrite this file's blocks in place instead of writing new ones (FS_NOCOW_FL), which
  /// holds for a file that is empty still; false where there is no such thing.
  public func forbidCopyOnWrite() -> Bool {
    var flags: UInt32 = 0
    let flag = clinux_no_cow_flag()
    guard unsafe clinux_inode_flags(raw, &flags) >= 0 else { return false }
    return flags & flag != 0 || clinux_set_inode_flags(raw, flags | flag) >= 0
  }

  /// True if the file has FS_NOCOW_FL.
  public var forbidsCopyOnWrite: Bool {
    var flags: UInt32 = 0
    return unsafe clinux_inode_flags(raw, &flags) >= 0 && flags & clinux_no_cow_flag() != 0
  }
}
