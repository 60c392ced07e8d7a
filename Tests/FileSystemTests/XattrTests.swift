// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing

/// Extended attributes. Invariants: every kind of file has them, and none is opened for it; names that an option takes
/// away neither show nor work; id and attribute maps hold in both directions.
@Suite(.timeLimit(.minutes(30)))
struct XattrTests {
  private let root = Fuse.rootID

  private func names(_ list: [UInt8]) -> Set<String> {
    Set(list.split(separator: 0).map { String(decoding: $0, as: UTF8.self) })
  }

  @Test func attributesAreSetReadListedAndRemoved() throws {
    let mount = try Mount { $0.xattr = true }
    let client = mount.client
    let node = try mount.open("file").node
    try client.setxattr(node, "user.one", Array("value".utf8))
    try client.setxattr(node, "user.empty", [])
    #expect(try Host.attribute(mount.path("file"), "user.one") == Array("value".utf8))
    #expect(try client.getxattr(node, "user.one") == Array("value".utf8))
    #expect(try client.getxattrSize(node, "user.one") == 5)
    #expect(try client.getxattr(node, "user.empty") == [])
    let list = try client.listxattr(node)
    #expect(names(list).isSuperset(of: ["user.one", "user.empty"]))
    #expect(try client.listxattrSize(node) == UInt32(list.count))
    let (create, replace) = (UInt32(1), UInt32(2))
    expectRefused(.exists) { try client.setxattr(node, "user.one", [1], flags: create) }
    expectRefused(.noData) { try client.setxattr(node, "user.two", [1], flags: replace) }
    try client.setxattr(node, "user.one", [9], flags: replace)
    try client.removexattr(node, "user.one")
    expectRefused(.noData) { try client.getxattr(node, "user.one") }
    expectRefused(.noData) { try client.removexattr(node, "user.one") }
    #expect(try Host.attribute(mount.path("file"), "user.one") == nil)
  }

  @Test func tooSmallABufferIsOutOfRange() throws {
    let mount = try Mount { $0.xattr = true }
    let node = try mount.open("file").node
    try mount.client.setxattr(node, "user.one", [UInt8](repeating: 1, count: 100))
    expectRefused(.outOfRange) { try mount.client.getxattr(node, "user.one", capacity: 99) }
    #expect(try mount.client.getxattr(node, "user.one", capacity: 100).count == 100)
    let size = Int(try mount.client.listxattrSize(node))
    expectRefused(.outOfRange) { try mount.client.listxattr(node, capacity: size - 1) }
    #expect(try mount.client.listxattr(node, capacity: size).count == size)
  }

  @Test(.enabled(if: Host.isRoot, "trusted attributes need root"))
  func symlinksFifosAndDevicesHaveThemToo() throws {
    let mount = try Mount { $0.xattr = true }
    try Host.makeSymlink(mount.path("link"), to: "file")
    try Host.write("", to: mount.path("file"))
    try Host.makeFIFO(mount.path("fifo"))
    _ = try mount.client.mknod(root, "device", mode: 0o020666, device: 0x105)
    _ = try mount.client.mknod(root, "socket", mode: 0o140666)
    _ = try mount.client.mkdir(root, "dir")
    for name in ["link", "fifo", "device", "socket", "dir", "file"] {
      let node = try mount.node(name)
      try mount.client.setxattr(node, "trusted.martlet", Array(name.utf8))
      #expect(try mount.client.getxattr(node, "trusted.martlet") == Array(name.utf8))
      #expect(try Host.attribute(mount.path(name), "trusted.martlet") == Array(name.utf8))
      #expect(names(try mount.client.listxattr(node)).contains("trusted.martlet"))
    }
    expectRefused(.notPermitted) { try mount.client.setxattr(try mount.node("link"), "user.x", [1]) }
    for name in ["link", "fifo", "device", "socket", "dir"] {
      try mount.client.removexattr(try mount.node(name), "trusted.martlet")
    }
    #expect(try Host.attribute(mount.path("file"), "trusted.martlet") == Array("file".utf8))
    #expect(try Host.attribute(mount.path("link"), "trusted.martlet") == nil)
  }

  @Test(.enabled(if: Host.isRoot, "trusted attributes need root")) func valuesOf64KiBPass() throws {
    let mount = try Mount(on: .memory) { $0.xattr = true }
    let node = try mount.open("file").node
    let value = (0..<65536).map { UInt8(truncatingIfNeeded: $0 >> 3) }
    guard
      try unlessRefused(.noSpace, .notSupported, body: { try mount.client.setxattr(node, "trusted.big", value) }) != nil
    else {
      print("not checked: this host's tmpfs takes no attribute of 64 KiB")
      return
    }
    #expect(try mount.client.getxattr(node, "trusted.big") == value)
    #expect(try mount.client.getxattrSize(node, "trusted.big") == 65536)
    #expect(try Host.attribute(mount.path("file"), "trusted.big") == value)
    expectRefused(Errno(E2BIG)) { try mount.client.setxattr(node, "trusted.big", value + [0]) }
  }

  @Test func badNamesAreErrors() throws {
    let mount = try Mount { $0.xattr = true }
    let node = try mount.open("file").node
    expectRefused(.invalid) { try mount.client.getxattr(node, "") }
    expectRefused(.outOfRange) { try mount.client.setxattr(node, "user." + String(repeating: "n", count: 251), [1]) }
    expectRefused(.notSupported) { try mount.client.setxattr(node, "nonsense", [1]) }
    try mount.client.setxattr(node, "user." + String(repeating: "n", count: 250), [1])
    try mount.client.setxattr(node, "user.with/slash", [1])
  }

  @Test func withoutTheOptionTheGuestIsToldNotToAskAgain() throws {
    let mount = try Mount()
    let node = try mount.open("file").node
    expectRefused(.notImplemented) { try mount.client.getxattr(node, "user.x") }
    expectRefused(.notImplemented) { try mount.client.setxattr(node, "user.x", [1]) }
    expectRefused(.notImplemented) { try mount.client.listxattr(node) }
    expectRefused(.notImplemented) { try mount.client.removexattr(node, "user.x") }
    #expect(try Host.attribute(mount.path("file"), "user.x") == nil)
  }

  @Test(arguments: [Negotiation.never, .auto]) func withoutACLsTheirAttributesAreHidden(choice: Negotiation) throws {
    let mount = try Mount(guest: choice == .never ? Mount.linux : Mount.linux.subtracting(.posixACL)) {
      $0.xattr = true
      $0.posixACL = choice
    }
    try Host.makeDirectory(mount.path("dir"))
    let list: [UInt8] =
      [2, 0, 0, 0] + [1, 0, 6, 0, 255, 255, 255, 255] + [2, 0, 6, 0, 210, 4, 0, 0] + [4, 0, 5, 0, 255, 255, 255, 255]
      + [16, 0, 7, 0, 255, 255, 255, 255] + [32, 0, 4, 0, 255, 255, 255, 255]
    try Host.setAttribute(mount.path("dir"), "system.posix_acl_access", list)
    try Host.setAttribute(mount.path("dir"), "system.posix_acl_default", list)
    try Host.setAttribute(mount.path("dir"), "user.x", [1])
    let node = try mount.node("dir")
    #expect(names(try mount.client.listxattr(node)) == ["user.x"])
    for name in ["system.posix_acl_access", "system.posix_acl_default"] {
      expectRefused(.notSupported) { try mount.client.getxattr(node, name) }
      expectRefused(.notSupported) { try mount.client.setxattr(node, name, list) }
      expectRefused(.notSupported) { try mount.client.removexattr(node, name) }
      #expect(try Host.attribute(mount.path("dir"), name) == list)
    }
  }

  @Test func theShortSETXATTRIsUnderstood() throws {
    let mount = try Mount(guest: Mount.linux.subtracting(.setxattrExt)) { $0.xattr = true }
    let node = try mount.open("file").node
    try mount.client.setxattr(node, "user.one", [1, 2, 3])
    #expect(try Host.attribute(mount.path("file"), "user.one") == [1, 2, 3])
  }

  @Test func aValueShorterThanItsSizeIsRefused() throws {
    let mount = try Mount { $0.xattr = true }
    let node = try mount.open("file").node
    for size in [4, 65536, .max] as [UInt32] {
      var request = FuseRequest(.setxattr, node: node)
      request.append(FuseSetxattrIn(size: size))
      request.append(name: "user.x")
      request.append(bytes: [1, 2, 3])
      expectRefused(.invalid) { try mount.client.perform(request).checkedBody() }
    }
    #expect(try Host.attribute(mount.path("file"), "user.x") == nil)
  }

  // MARK: Maps

  @Test func theAttributeMapHoldsInBothDirections() throws {
    let map = try XattrMap(parsing: ":map::user.guest.:")
    let mount = try Mount {
      $0.xattr = true
      $0.xattrMap = map
    }
    let node = try mount.open("file").node
    try mount.client.setxattr(node, "security.selinux", Array("label".utf8))
    try mount.client.setxattr(node, "trusted.overlay.opaque", [121])
    #expect(try Host.attribute(mount.path("file"), "user.guest.security.selinux") == Array("label".utf8))
    #expect(try Host.attribute(mount.path("file"), "trusted.overlay.opaque") == nil)
    #expect(try mount.client.getxattr(node, "security.selinux") == Array("label".utf8))
    try Host.setAttribute(mount.path("file"), "user.hosts", [1])
    #expect(names(try mount.client.listxattr(node)) == ["security.selinux", "trusted.overlay.opaque"])
    expectRefused(.noData) { try mount.client.getxattr(node, "user.hosts") }
    try mount.client.removexattr(node, "security.selinux")
    #expect(try Host.attribute(mount.path("file"), "user.guest.security.selinux") == nil)
  }

  @Test func whatTheMapForbidsDoesNotExist() throws {
    let map = try XattrMap(parsing: ":bad:all:security.:security.: :unsupported:all:trusted.:trusted.: :ok:all:::")
    let mount = try Mount {
      $0.xattr = true
      $0.xattrMap = map
    }
    let node = try mount.open("file").node
    expectRefused(.noData) { try mount.client.getxattr(node, "security.selinux") }
    expectRefused(.notPermitted) { try mount.client.setxattr(node, "security.selinux", [1]) }
    expectRefused(.notPermitted) { try mount.client.removexattr(node, "security.selinux") }
    expectRefused(.notSupported) { try mount.client.getxattr(node, "trusted.x") }
    expectRefused(.notSupported) { try mount.client.setxattr(node, "trusted.x", [1]) }
    try mount.client.setxattr(node, "user.x", [1])
    #expect(names(try mount.client.listxattr(node)) == ["user.x"])
  }

  @Test(.enabled(if: Host.isRoot, "owners need root")) func theIdentifierMapsHoldInBothDirections() throws {
    let users = try IdentifierMap(parsing: ["map:0:100000:65536", "forbid-guest:90000:10"], kind: "uid")
    let groups = try IdentifierMap(parsing: ["map:0:200000:65536"], kind: "gid")
    let mount = try Mount {
      $0.userMap = users
      $0.groupMap = groups
    }
    try Host.setMode(mount.directory, 0o777)
    let client = mount.client
    try mount.with(user: 1000, group: 1001) { _ = try client.create(root, "file", flags: UInt32(O_RDWR)) }
    #expect(try Host.owner(mount.path("file")) == [101_000, 201_001])
    let node = try mount.node("file")
    let attr = try client.getattr(node).attr
    #expect(attr.uid == 1000 && attr.gid == 1001)
    let statx = try client.statx(node).stat
    #expect(statx.uid == 1000 && statx.gid == 1001)
    #expect(try client.list(root, plus: true).first { $0.name == "file" }?.entry?.attr.uid == 1000)
    var change = FuseSetattrIn()
    change.valid = [.uid, .gid]
    (change.uid, change.gid) = (5, 6)
    #expect(try client.setattr(node, change).attr.uid == 5)
    #expect(try Host.owner(mount.path("file")) == [100_005, 200_006])
    change.valid = .uid
    change.uid = 90_003
    expectRefused(.notPermitted) { try client.setattr(node, change) }
    mount.with(user: 90_003) { expectRefused(.notPermitted) { try client.mkdir(root, "dir") } }
    #expect(try Host.owner(mount.path("file")) == [100_005, 200_006])
    #expect(try Host.names(mount.directory) == ["file"])
    _ = try client.mkdir(root, "root's")
    #expect(try Host.owner(mount.path("root's")) == [100_000, 200_000])
    try mount.with(user: 5) { try client.access(node, mask: 2) }
  }
}
