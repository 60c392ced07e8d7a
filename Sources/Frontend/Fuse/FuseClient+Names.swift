// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Making, moving and removing names.

public import FuseProtocol
internal import Wire

extension FuseClient {
  /// - Parameter mode: with the type bits.
  public func mknod(
    _ parent: UInt64, _ name: String, mode: UInt32, device: UInt32 = 0, umask: UInt32 = 0
  ) throws(FuseError) -> FuseEntryOut {
    var request = FuseRequest(.mknod, node: parent)
    request.append(FuseMknodIn(mode: mode, rdev: device, umask: umask))
    request.append(name: name)
    return try entry(&request)
  }

  public func mkdir(
    _ parent: UInt64, _ name: String, mode: UInt32 = 0o755, umask: UInt32 = 0
  ) throws(FuseError) -> FuseEntryOut {
    var request = FuseRequest(.mkdir, node: parent)
    request.append(FuseMkdirIn(mode: mode, umask: umask))
    request.append(name: name)
    return try entry(&request)
  }

  public func symlink(_ parent: UInt64, _ name: String, to target: String) throws(FuseError) -> FuseEntryOut {
    var request = FuseRequest(.symlink, node: parent)
    request.append(name: name)
    request.append(name: target)
    return try entry(&request)
  }

  /// The target, without NUL.
  public func readlink(_ node: UInt64) throws(FuseError) -> [UInt8] {
    var request = FuseRequest(.readlink, node: node)
    request.replyDataByteCount = 4096
    return try perform(request).checkedBody()
  }

  public func link(_ node: UInt64, to parent: UInt64, _ name: String) throws(FuseError) -> FuseEntryOut {
    var request = FuseRequest(.link, node: parent)
    request.append(FuseLinkIn(oldnodeid: node))
    request.append(name: name)
    return try entry(&request)
  }

  public func unlink(_ parent: UInt64, _ name: String) throws(FuseError) {
    var request = FuseRequest(.unlink, node: parent)
    request.append(name: name)
    _ = try perform(request).checkedBody()
  }

  public func rmdir(_ parent: UInt64, _ name: String) throws(FuseError) {
    var request = FuseRequest(.rmdir, node: parent)
    request.append(name: name)
    _ = try perform(request).checkedBody()
  }

  public func rename(
    _ parent: UInt64, _ name: String, to newParent: UInt64, _ newName: String
  ) throws(FuseError) {
    var request = FuseRequest(.rename, node: parent)
    request.append(FuseRenameIn(newdir: newParent))
    request.append(name: name)
    request.append(name: newName)
    _ = try perform(request).checkedBody()
  }

  /// - Parameter flags: RENAME_* of renameat2(2).
  public func rename2(
    _ parent: UInt64, _ name: String, to newParent: UInt64, _ newName: String, flags: UInt32
  ) throws(FuseError) {
    var request = FuseRequest(.rename2, node: parent)
    request.append(FuseRename2In(newdir: newParent, flags: flags))
    request.append(name: name)
    request.append(name: newName)
    _ = try perform(request).checkedBody()
  }
}
