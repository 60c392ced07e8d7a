// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing
import Wire

/// Set-id bits and file capabilities go when a file changes (FUSE_HANDLE_KILLPRIV_V2). Invariants: they go exactly when
/// the guest says that an unprivileged user is at work; without the feature they stay, because the guest does it.
@Suite(.timeLimit(.minutes(30)), .enabled(if: Host.isRoot, "file capabilities and others' files need root"))
struct SetIDTests {
  private let root = Fuse.rootID

  private func mount(killPriv: Bool = true) throws -> Mount {
    try Mount {
      $0.xattr = true
      $0.killPrivV2 = killPriv
    }
  }

  private func file(_ mount: Mount, flags: Int32 = O_RDWR) throws -> (node: UInt64, handle: UInt64) {
    try Host.write("text", to: mount.path("file"))
    try Host.setMode(mount.path("file"), 0o6755)
    return try mount.open("file", flags: flags)
  }

  private func mode(_ mount: Mount) throws -> UInt32 { try Host.mode(mount.path("file")) }

  @Test func aWriteByAUserClearsThem() throws {
    let mount = try mount()
    let file = try file(mount)
    _ = try mount.client.write(file.node, file.handle, offset: 0, [1])
    #expect(try mode(mount) == 0o6755, "root's writes keep them")
    _ = try mount.client.write(file.node, file.handle, offset: 0, [1], writeFlags: .killSuidgid)
    #expect(try mode(mount) == 0o755)
    try Host.setMode(mount.path("file"), 0o6755)
    _ = try mount.client.write(file.node, file.handle, offset: 0, [1])
    #expect(try mode(mount) == 0o6755, "the thread has its capability back")
  }

  @Test func withoutTheFeatureTheFlagMeansNothing() throws {
    let mount = try mount(killPriv: false)
    let file = try file(mount)
    _ = try mount.client.write(file.node, file.handle, offset: 0, [1], writeFlags: .killSuidgid)
    #expect(try mode(mount) == 0o6755)
  }

  @Test(arguments: [false, true]) func aTruncationByAUserClearsThem(byHandle: Bool) throws {
    let mount = try mount()
    let file = try file(mount)
    var change = FuseSetattrIn()
    change.valid = byHandle ? [.size, .fh] : .size
    (change.size, change.fh) = (3, file.handle)
    _ = try mount.client.setattr(file.node, change)
    #expect(try mode(mount) == 0o6755)
    change.valid.insert(.killSuidgid)
    change.size = 2
    #expect(try mount.client.setattr(file.node, change).attr.mode & 0o7777 == 0o755)
    #expect(try mode(mount) == 0o755)
  }

  @Test func aTruncatingOpenOrCreateByAUserClearsThem() throws {
    let mount = try mount()
    let node = try file(mount).node
    _ = try mount.client.open(node, flags: UInt32(O_RDWR | O_TRUNC))
    #expect(try mode(mount) == 0o6755)
    var request = FuseRequest(.open, node: node)
    request.append(FuseOpenIn(flags: UInt32(O_RDWR | O_TRUNC), openFlags: .killSuidgid))
    request.replyByteCount = FuseOpenOut.byteCount
    _ = try mount.client.perform(request).checkedBody()
    #expect(try mode(mount) == 0o755)
    try Host.setMode(mount.path("file"), 0o6755)
    request = FuseRequest(.create, node: root)
    request.append(FuseCreateIn(flags: UInt32(O_RDWR | O_TRUNC | O_CREAT), mode: 0o644, openFlags: .killSuidgid))
    request.append(name: "file")
    request.replyByteCount = FuseEntryOut.byteCount + FuseOpenOut.byteCount
    let body = try mount.client.perform(request).checkedBody()
    #expect(try mode(mount) == 0o755)
    #expect(body.load(FuseEntryOut.self)?.attr.mode == 0o100755, "the answer has the attributes after the truncation")
    #expect(body.load(FuseEntryOut.self)?.attr.size == 0)
  }

  @Test func aNewOwnerClearsThem() throws {
    let mount = try mount()
    let node = try file(mount).node
    var change = FuseSetattrIn()
    change.valid = [.uid, .gid, .killSuidgid]
    (change.uid, change.gid) = (1000, 1000)
    #expect(try mount.client.setattr(node, change).attr.mode & 0o7777 == 0o755)
  }

  @Test func fallocateAndCopyByAUserClearThem() throws {
    let mount = try mount()
    let file = try file(mount)
    let source = try mount.open("source", containing: "source")
    let range = FuseCopyFileRangeIn(
      fhIn: source.handle, offIn: 0, nodeidOut: file.node, fhOut: file.handle, offOut: 0, len: 6)
    try mount.client.fallocate(file.node, file.handle, offset: 0, length: 100)
    #expect(try mode(mount) == 0o6755)
    _ = try mount.client.copyFileRange(source.node, range)
    #expect(try mode(mount) == 0o6755)
    try mount.with(user: 1000) { try mount.client.fallocate(file.node, file.handle, offset: 0, length: 200) }
    #expect(try mode(mount) == 0o755)
    try Host.setMode(mount.path("file"), 0o6755)
    try mount.with(user: 1000) { _ = try mount.client.copyFileRange64(source.node, range) }
    #expect(try mode(mount) == 0o755)
  }

  @Test func aFileCapabilityGoesWithAnyWrite() throws {
    let mount = try mount()
    let file = try file(mount)
    // struct vfs_cap_data, revision 2: CAP_NET_RAW permitted.
    let capability: [UInt8] = [1, 0, 0, 2, 0, 0x20, 0, 0] + [UInt8](repeating: 0, count: 12)
    try Host.setAttribute(mount.path("file"), "security.capability", capability)
    _ = try mount.client.write(file.node, file.handle, offset: 0, [1])
    #expect(try Host.attribute(mount.path("file"), "security.capability") == nil)
  }

  @Test func aRemappedFileCapabilityGoesTooAlthoughTheHostDoesNotKnowIt() throws {
    let mount = try Mount {
      $0.xattr = true
      $0.xattrMap = try? XattrMap(parsing: ":map::user.guest.:")
    }
    let file = try mount.open("file", containing: "text")
    let hostName = "user.guest.security.capability"
    let uses: [(String, () throws -> Void)] = [
      ("write", { _ = try mount.client.write(file.node, file.handle, offset: 0, [1]) }),
      ("truncate", { try mount.client.truncate(file.node, size: 2) }),
      (
        "chown",
        {
          var change = FuseSetattrIn()
          change.valid = .uid
          change.uid = 1000
          _ = try mount.client.setattr(file.node, change)
        }
      ),
      ("fallocate", { try mount.client.fallocate(file.node, file.handle, offset: 0, length: 10) }),
      ("open", { _ = try mount.client.open(file.node, flags: UInt32(O_RDWR | O_TRUNC)) }),
    ]
    for (name, use) in uses {
      try mount.client.setxattr(file.node, "security.capability", [1, 2, 3])
      #expect(try Host.attribute(mount.path("file"), hostName) == [1, 2, 3])
      try use()
      #expect(try Host.attribute(mount.path("file"), hostName) == nil, "\(name)")
    }
  }

  @Test func settingAnACLByAUserOutsideOfTheGroupClearsSetgid() throws {
    let mount = try Mount {
      $0.xattr = true
      $0.posixACL = .always
    }
    try Host.write("", to: mount.path("file"))
    try Host.setMode(mount.path("file"), 0o2755)
    let node = try mount.node("file")
    let list: [UInt8] =
      [2, 0, 0, 0] + [1, 0, 6, 0, 255, 255, 255, 255] + [4, 0, 5, 0, 255, 255, 255, 255] + [
        32, 0, 4, 0, 255, 255, 255, 255,
      ]
    for (flags, expected) in [([], 0o2654), (FuseSetxattrFlags.aclKillSGID, 0o654)] as [(FuseSetxattrFlags, UInt32)] {
      var request = FuseRequest(.setxattr, node: node)
      request.append(FuseSetxattrIn(size: UInt32(list.count), setxattrFlags: flags))
      request.append(name: "system.posix_acl_access")
      request.append(bytes: list)
      _ = try mount.client.perform(request).checkedBody()
      #expect(try mode(mount) == expected)
    }
  }
}
