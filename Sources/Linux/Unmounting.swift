// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Mount points, for whoever mounts something on this host.

internal import CLinux
internal import Wire

extension Path {
  /// umount2(2) with MNT_DETACH (2): the mount leaves the tree at once, and ends when nobody uses it any more.
  public func detachMount() throws(Errno) {
    try checked(unsafe text.withCString { unsafe clinux_umount($0, 2) })
  }

  /// True if something is mounted exactly here: the mount differs from that of the directory above.
  public func isMountPoint() throws(Errno) -> Bool {
    let own = try status()
    let above = try Path(text + "/..").status()
    // "/" is its own parent, on the same mount; it is a mount point all the same.
    if own.mountID == above.mountID { return own.inode == above.inode && own.deviceMinor == above.deviceMinor }
    return true
  }

  /// True if the directory has no entries but "." and "..".
  public func isEmptyDirectory() throws(Errno) -> Bool {
    let directory = try open(flags: OpenFlags.readOnly | OpenFlags.directory)
    let scratch = Scratch(byteCount: 4096)
    // Records of linux_dirent64: inode, offset (8 bytes each), length (2), type (1), name.
    var records = 0
    while records <= 2 {
      let count = try directory.file.readDirectory(into: scratch.segment)
      if count == 0 { break }
      var offset = 0
      while offset < count, let length: UInt16 = scratch.segment.load(at: offset + 16), length > 0 {
        records += 1
        offset += Int(length)
      }
    }
    return records <= 2
  }
}
