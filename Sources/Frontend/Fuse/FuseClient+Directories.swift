// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Reading directories.

public import FuseProtocol
internal import Wire

/// One entry of a directory.
public struct FuseDirectoryEntry: Sendable {
  public let inode: UInt64
  /// Where reading goes on after this entry.
  public let nextOffset: UInt64
  /// DT_* of dirent(3).
  public let type: UInt32
  public let nameBytes: [UInt8]
  /// What a lookup would have answered (READDIRPLUS); a node id of 0 means that there was no lookup.
  public let entry: FuseEntryOut?

  public var name: String { String(decoding: nameBytes, as: UTF8.self) }
}

extension FuseClient {
  public func opendir(_ node: UInt64, flags: UInt32 = 0) throws(FuseError) -> FuseOpenOut {
    var request = FuseRequest(.opendir, node: node)
    request.append(FuseOpenIn(flags: flags))
    request.replyByteCount = FuseOpenOut.byteCount
    return try perform(request).value()
  }

  /// One answer's worth of entries; empty at the end.
  public func readdir(
    _ node: UInt64, _ handle: UInt64, offset: UInt64 = 0, capacity: Int = 4096
  ) throws(FuseError) -> [FuseDirectoryEntry] {
    let request = readRequest(.readdir, node, handle, offset: offset, count: capacity)
    return try parse(try perform(request).checkedBody(), plus: false)
  }

  /// As `readdir`, with a lookup of every entry but "." and "..": each with a node id counts as a reference.
  public func readdirplus(
    _ node: UInt64, _ handle: UInt64, offset: UInt64 = 0, capacity: Int = 4096
  ) throws(FuseError) -> [FuseDirectoryEntry] {
    let request = readRequest(.readdirplus, node, handle, offset: offset, count: capacity)
    return try parse(try perform(request).checkedBody(), plus: true)
  }

  /// All entries of a directory, "." and ".." too.
  public func list(_ node: UInt64, plus: Bool = false, capacity: Int = 4096) throws(FuseError) -> [FuseDirectoryEntry] {
    let handle = try opendir(node).fh
    var entries: [FuseDirectoryEntry] = []
    while true {
      let offset = entries.last?.nextOffset ?? 0
      let more =
        plus
        ? try readdirplus(node, handle, offset: offset, capacity: capacity)
        : try readdir(node, handle, offset: offset, capacity: capacity)
      if more.isEmpty { break }
      entries += more
    }
    try releasedir(node, handle)
    return entries
  }

  public func releasedir(_ node: UInt64, _ handle: UInt64) throws(FuseError) {
    var request = FuseRequest(.releasedir, node: node)
    request.append(FuseReleaseIn(fh: handle))
    _ = try perform(request).checkedBody()
  }

  public func fsyncdir(_ node: UInt64, _ handle: UInt64, dataOnly: Bool = false) throws(FuseError) {
    var request = FuseRequest(.fsyncdir, node: node)
    request.append(FuseFsyncIn(fh: handle, fsyncFlags: dataOnly ? .fdatasync : []))
    _ = try perform(request).checkedBody()
  }

  /// Takes the records apart as Linux does (fs/fuse/readdir.c): a name has 1 to 255 bytes without "/".
  private func parse(_ body: [UInt8], plus: Bool) throws(FuseError) -> [FuseDirectoryEntry] {
    let headSize = plus ? FuseDirentplus.byteCount : FuseDirent.byteCount
    var entries: [FuseDirectoryEntry] = []
    var offset = 0
    while body.count - offset >= headSize {
      guard let dirent = body.load(FuseDirent.self, at: offset + headSize - FuseDirent.byteCount) else { break }
      let nameStart = offset + headSize
      let length = Int(dirent.namelen)
      guard length > 0, length <= 1024, length <= body.count - nameStart else {
        throw .malformed("a directory entry with a name of \(length) bytes")
      }
      let name = Array(body[nameStart..<nameStart + length])
      guard !name.contains(UInt8(ascii: "/")), !name.contains(0) else {
        throw .malformed("a directory entry with a bad name")
      }
      entries.append(
        FuseDirectoryEntry(
          inode: dirent.ino, nextOffset: dirent.off, type: dirent.type, nameBytes: name,
          entry: plus ? body.load(FuseEntryOut.self, at: offset) : nil))
      offset += Fuse.recordAligned(headSize + length)
    }
    guard offset >= body.count else { throw .malformed("\(body.count - offset) bytes are no directory entry") }
    return entries
  }
}
