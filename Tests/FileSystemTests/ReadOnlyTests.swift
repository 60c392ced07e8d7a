// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing
import Wire

/// A read-only share. Invariant: whatever the guest sends, nothing in the directory changes, not even a timestamp.
@Suite(.timeLimit(.minutes(30)))
struct ReadOnlyTests {
  private let root = Fuse.rootID

  private func plant(_ ground: TemporaryDirectory) throws {
    try Host.makeDirectory(ground.path("dir"))
    try Host.write("text", to: ground.path("file"))
    try Host.makeSymlink(ground.path("link"), to: "file")
  }

  /// Names, modes, owners, sizes, contents' and inodes' times of everything in the directory.
  private func picture(_ directory: String) throws -> [String] {
    try ([directory] + Host.names(directory).map { directory + "/" + $0 }).map { path in
      let status = try Host.status(path)
      let times = [status.st_mtim, status.st_ctim].map { "\($0.tv_sec).\($0.tv_nsec)" }
      return "\(path) \(status.st_mode) \(status.st_uid) \(status.st_size) \(times)"
    }
  }

  @Test func everyChangeIsRefused() throws {
    let ground = try TemporaryDirectory()
    try plant(ground)
    let mount = try Mount(of: ground.path) {
      $0.readOnly = true
      $0.xattr = true
    }
    let client = mount.client
    let file = try mount.open("file", flags: O_RDONLY)
    let before = try picture(ground.path)
    var change = FuseSetattrIn()
    let changes: [FuseSetattrValid] = [.mode, .uid, .gid, .size, .atime, .mtimeNow, []]
    for valid in changes {
      change.valid = valid
      expectRefused(.readOnly) { try client.setattr(file.node, change) }
    }
    let range = FuseCopyFileRangeIn(
      fhIn: file.handle, offIn: 0, nodeidOut: file.node, fhOut: file.handle, offOut: 8, len: 4)
    let uses: [(String, () throws -> Void)] = [
      ("symlink", { _ = try client.symlink(root, "new", to: "x") }),
      ("mknod", { _ = try client.mknod(root, "new", mode: 0o100644) }),
      ("mkdir", { _ = try client.mkdir(root, "new") }),
      ("unlink", { try client.unlink(root, "file") }),
      ("rmdir", { try client.rmdir(root, "dir") }),
      ("rename", { try client.rename(root, "file", to: root, "new") }),
      ("rename2", { try client.rename2(root, "file", to: root, "dir", flags: 2) }),
      ("link", { _ = try client.link(file.node, to: root, "new") }),
      ("create", { _ = try client.create(root, "new", flags: UInt32(O_RDWR)) }),
      ("create existing", { _ = try client.create(root, "file", flags: UInt32(O_RDWR | O_TRUNC)) }),
      ("tmpfile", { _ = try client.tmpfile(root, flags: UInt32(O_RDWR)) }),
      ("open for writing", { _ = try client.open(file.node, flags: UInt32(O_WRONLY)) }),
      ("open for both", { _ = try client.open(file.node, flags: UInt32(O_RDWR)) }),
      ("open truncating", { _ = try client.open(file.node, flags: UInt32(O_RDONLY | O_TRUNC)) }),
      ("write", { _ = try client.write(file.node, file.handle, offset: 0, [1]) }),
      ("setxattr", { try client.setxattr(file.node, "user.x", [1]) }),
      ("removexattr", { try client.removexattr(file.node, "user.x") }),
      ("fallocate", { try client.fallocate(file.node, file.handle, offset: 0, length: 10) }),
      ("copy", { _ = try client.copyFileRange(file.node, range) }),
      ("copy 64", { _ = try client.copyFileRange64(file.node, range) }),
      ("set flags", { _ = try client.ioctl(file.node, file.handle, command: 0x4008_6602, input: [0, 0, 0, 0]) }),
      ("set extended", { _ = try client.ioctl(file.node, file.handle, command: 0x401c_5820, input: [0, 0, 0, 0]) }),
    ]
    for (name, use) in uses { expectRefused(.readOnly, "\(name)") { try use() } }
    #expect(try picture(ground.path) == before)
    mount.close()
  }

  @Test func readingWorks() throws {
    let ground = try TemporaryDirectory()
    try plant(ground)
    try Host.setAttribute(ground.path("file"), "user.x", [1, 2])
    let mount = try Mount(of: ground.path) {
      $0.readOnly = true
      $0.xattr = true
    }
    let client = mount.client
    let file = try mount.open("file", flags: O_RDONLY)
    #expect(try client.read(file.node, file.handle, offset: 0, count: 10) == Array("text".utf8))
    #expect(try client.getxattr(file.node, "user.x") == [1, 2])
    #expect(try client.readlink(try mount.node("link")) == Array("file".utf8))
    #expect(try client.list(root, plus: true).count == 5)
    try client.access(file.node, mask: 4)
    _ = try client.statfs()
    try client.flush(file.node, file.handle)
    try client.fsync(file.node, file.handle)
    try client.release(file.node, file.handle)
    mount.close()
  }

  /// Every opcode there is, with nothing, with zeroes and with ones behind the header.
  @Test func noRequestAtAllChangesAnything() throws {
    let ground = try TemporaryDirectory()
    try plant(ground)
    let mount = try Mount(of: ground.path) {
      $0.readOnly = true
      $0.xattr = true
      $0.posixLocks = true
    }
    let node = try mount.open("file", flags: O_RDONLY).node
    let before = try picture(ground.path)
    for opcode in UInt32(0)..<80 where opcode != FuseOpcode.initialize.rawValue && opcode != FuseOpcode.destroy.rawValue
    {
      for payload in [[], [UInt8](repeating: 0, count: 200), [UInt8](repeating: 1, count: 200)] {
        for target in [root, node] {
          _ = try mount.client.raw(opcode: opcode, nodeid: target, payload: payload, replyCapacity: 8192)
        }
      }
    }
    #expect(try picture(ground.path) == before)
    mount.close()
  }
}
