// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing
import Wire

/// Whose files are made, and with which rights. Invariants: a file belongs to the guest's user on the host; the
/// permissions of its directory hold for that user with the groups that the guest sent; umask and default ACL work as
/// on the host; a refused request leaves nothing behind.
@Suite(.timeLimit(.minutes(30)), .enabled(if: Host.isRoot, "acting as others needs root"))
struct IdentityTests {
  private let root = Fuse.rootID

  /// A share that everybody may write to.
  private func mount(
    guest: FuseInitFlags? = Mount.linux, mode: UInt32 = 0o777, _ configure: (inout ShareOptions) -> Void = { _ in }
  ) throws -> Mount {
    let mount = try Mount(guest: guest, configure)
    try Host.setMode(mount.directory, mode)
    return mount
  }

  @Test func whatIsMadeBelongsToTheCaller() throws {
    let mount = try mount()
    let client = mount.client
    try mount.with(user: 1000, group: 2000) {
      let file = try client.create(root, "file", flags: UInt32(O_RDWR))
      #expect(file.entry.attr.uid == 1000 && file.entry.attr.gid == 2000)
      _ = try client.mkdir(root, "dir")
      _ = try client.symlink(root, "link", to: "x")
      _ = try client.mknod(root, "fifo", mode: 0o010644)
      let made = try client.tmpfile(root, flags: UInt32(O_RDWR))
      #expect(made.entry.attr.uid == 1000 && made.entry.attr.gid == 2000)
    }
    for name in ["file", "dir", "link", "fifo"] { #expect(try Host.owner(mount.path(name)) == [1000, 2000]) }
    _ = try client.mkdir(root, "root's")
    #expect(try Host.owner(mount.path("root's")) == [0, 0], "the thread is root again")
  }

  @Test func theHostsPermissionsHoldForTheCaller() throws {
    let mount = try mount(mode: 0o755)
    mount.with(user: 1000) {
      expectRefused(.accessDenied) { try mount.client.mkdir(root, "dir") }
      expectRefused(.accessDenied) { try mount.client.create(root, "file", flags: UInt32(O_RDWR)) }
      expectRefused(.accessDenied) { try mount.client.symlink(root, "link", to: "x") }
      expectRefused(.accessDenied) { try mount.client.tmpfile(root, flags: UInt32(O_RDWR)) }
      expectRefused(.accessDenied) { try mount.client.mknod(root, "fifo", mode: 0o010644) }
    }
    #expect(try Host.names(mount.directory) == [])
    #expect(mount.device.population == (0, 0))
  }

  @Test func onlyRootMakesDevices() throws {
    let mount = try mount()
    mount.with(user: 1000) {
      expectRefused(.notPermitted) { try mount.client.mknod(root, "device", mode: 0o020666, device: 0x103) }
    }
    _ = try mount.client.mknod(root, "device", mode: 0o020666, device: 0x103)
  }

  /// FUSE_EXT_GROUPS: size, type 32, count, ids; padded to 8 bytes.
  private func groupsExtension(_ groups: [UInt32]) -> [UInt8] {
    var bytes: [UInt8] = []
    for word in [UInt32(12 + 4 * groups.count), 32, UInt32(groups.count)] + groups {
      bytes += (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) }
    }
    return bytes + [UInt8](repeating: 0, count: (8 - bytes.count % 8) % 8)
  }

  private func mkdir(_ mount: Mount, _ name: String, extension bytes: [UInt8]) throws -> FuseEntryOut {
    var request = FuseRequest(.mkdir, node: root)
    request.append(FuseMkdirIn(mode: 0o755))
    request.append(name: name)
    request.append(bytes: bytes)
    request.extensionLength = UInt16(bytes.count / 8)
    request.replyByteCount = FuseEntryOut.byteCount
    return try mount.client.perform(request).value()
  }

  @Test func supplementaryGroupsGiveTheirRights() throws {
    let mount = try mount(mode: 0o770)
    try Host.setOwner(mount.directory, 0, 4242)
    try mount.with(user: 1000) {
      expectRefused(.accessDenied) { try mkdir(mount, "none", extension: []) }
      expectRefused(.accessDenied) { try mkdir(mount, "other", extension: groupsExtension([4241])) }
      _ = try mkdir(mount, "member", extension: groupsExtension([17, 4242]))
      expectRefused(.accessDenied, "the groups are gone after the request") { try mkdir(mount, "gone", extension: []) }
    }
    #expect(try Host.names(mount.directory) == ["member"])
    #expect(try Host.owner(mount.path("member")) == [1000, 1000])
  }

  @Test func malformedGroupsAreRefused() throws {
    let mount = try mount()
    var tooMany = groupsExtension([1, 2])
    tooMany[8] = 200
    var tooLong = groupsExtension([1, 2])
    tooLong[0] = 250
    var tooShort = groupsExtension([1, 2])
    tooShort[0] = 3
    mount.with(user: 1000) {
      for bytes in [tooMany, tooLong, tooShort, [0, 0, 0, 0, 0, 0, 0, 0]] {
        expectRefused(.invalid) { try mkdir(mount, "dir", extension: bytes) }
      }
    }
    #expect(try Host.names(mount.directory) == [])
  }

  @Test func aGuestThatCannotSendGroupsHasCheckedTheDirectoryItself() throws {
    let mount = try mount(guest: Mount.linux.subtracting(.createSuppGroup), mode: 0o770)
    try Host.setOwner(mount.directory, 0, 4242)
    try mount.with(user: 1000) { _ = try mkdir(mount, "dir", extension: []) }
    #expect(try Host.owner(mount.path("dir")) == [1000, 1000])
  }

  @Test func aSetgidDirectoryGivesItsGroup() throws {
    let mount = try mount()
    try Host.setOwner(mount.directory, 0, 4242)
    try Host.setMode(mount.directory, 0o2777)
    try mount.with(user: 1000) {
      _ = try mount.client.mkdir(root, "dir")
      _ = try mount.client.create(root, "file", flags: UInt32(O_RDWR))
      // The bit is for members of the group only (CVE-2018-13405).
      _ = try mount.client.create(root, "program", flags: UInt32(O_RDWR), mode: 0o2775)
    }
    #expect(try Host.owner(mount.path("dir")) == [1000, 4242])
    #expect(try Host.mode(mount.path("dir")) & 0o2000 == 0o2000)
    #expect(try Host.owner(mount.path("file")) == [1000, 4242])
    #expect(try Host.mode(mount.path("program")) & 0o2000 == 0)
  }

  @Test func withoutACLsTheGuestsModeIsTakenAsItIs() throws {
    let mount = try mount()
    _ = try mount.client.create(root, "file", flags: UInt32(O_RDWR), mode: 0o666, umask: 0o077)
    #expect(try Host.mode(mount.path("file")) == 0o666, "the guest has applied its umask already")
  }

  @Test func withACLsTheUmaskIsOursToApply() throws {
    let mount = try mount {
      $0.posixACL = .always; $0.xattr = true
    }
    let client = mount.client
    _ = try client.create(root, "file", flags: UInt32(O_RDWR), mode: 0o666, umask: 0o027)
    _ = try client.mkdir(root, "dir", mode: 0o777, umask: 0o027)
    _ = try client.mknod(root, "node", mode: 0o100666, umask: 0o077)
    _ = try client.mkdir(root, "open", mode: 0o777, umask: 0)
    #expect(try ["file", "dir", "node", "open"].map { try Host.mode(mount.path($0)) } == [0o640, 0o750, 0o600, 0o777])
  }

  /// A version 2 ACL: (tag, permissions, id) each.
  private func acl(_ entries: [(UInt16, UInt16, UInt32)]) -> [UInt8] {
    var bytes: [UInt8] = [2, 0, 0, 0]
    for (tag, permissions, id) in entries {
      bytes += [UInt8(tag), 0, UInt8(permissions), 0] + (0..<4).map { UInt8(truncatingIfNeeded: id >> (8 * $0)) }
    }
    return bytes
  }

  @Test func aDefaultACLIsInheritedAndBeatsTheUmask() throws {
    let mount = try mount {
      $0.posixACL = .always; $0.xattr = true
    }
    let client = mount.client
    let (owner, user, group, mask, other) = (UInt16(1), UInt16(2), UInt16(4), UInt16(16), UInt16(32))
    let none = UInt32.max
    let list = acl([(owner, 7, none), (user, 6, 1234), (group, 5, none), (mask, 7, none), (other, 0, none)])
    try client.setxattr(root, "system.posix_acl_default", list)
    #expect(try client.getxattr(root, "system.posix_acl_default") == list)
    #expect(try Host.attribute(mount.directory, "system.posix_acl_default") == list)
    _ = try client.create(root, "file", flags: UInt32(O_RDWR), mode: 0o666, umask: 0o077)
    #expect(try Host.mode(mount.path("file")) == 0o660, "mode bits from the ACL, not cut by the umask")
    let inherited = try Host.attribute(mount.path("file"), "system.posix_acl_access")
    #expect(inherited == acl([(owner, 6, none), (user, 6, 1234), (group, 5, none), (mask, 6, none), (other, 0, none)]))
    let directory = try client.mkdir(root, "dir", mode: 0o777, umask: 0o077)
    #expect(try client.getxattr(directory.nodeid, "system.posix_acl_default") == list)
    try client.removexattr(root, "system.posix_acl_default")
    #expect(try Host.attribute(mount.directory, "system.posix_acl_default") == nil)
  }

  // MARK: Security labels

  private func label(_ name: String, _ value: [UInt8]) -> [UInt8] {
    func words(_ words: [Int]) -> [UInt8] {
      words.flatMap { word in (0..<4).map { UInt8(truncatingIfNeeded: word >> (8 * $0)) } }
    }
    let body = words([value.count, 0]) + Array(name.utf8) + [0] + value
    let size = (8 + body.count + 7) / 8 * 8
    return words([size, 1]) + body + [UInt8](repeating: 0, count: size - 8 - body.count)
  }

  private func labelled(
    _ mount: Mount, _ opcode: FuseOpcode, _ name: String, _ bytes: [UInt8], countsExtensions: Bool = true
  ) throws -> FuseReply {
    var request = FuseRequest(opcode, node: root)
    switch opcode {
    case .mkdir: request.append(FuseMkdirIn(mode: 0o755))
    case .mknod: request.append(FuseMknodIn(mode: 0o010644))
    case .create: request.append(FuseCreateIn(flags: UInt32(O_RDWR), mode: 0o644))
    default: break
    }
    request.append(name: name)
    if opcode == .symlink { request.append(name: "target") }
    request.append(bytes: bytes)
    if countsExtensions { request.extensionLength = UInt16(bytes.count / 8) }
    request.replyByteCount = FuseEntryOut.byteCount + (opcode == .create ? FuseOpenOut.byteCount : 0)
    return try mount.client.perform(request)
  }

  private static let makers: [FuseOpcode] = [.mkdir, .mknod, .create, .symlink]

  @Test(arguments: makers) func whatIsMadeHasItsLabel(opcode: FuseOpcode) throws {
    let mount = try mount { $0.securityLabel = .always }
    let value = Array("user_u:object_r:test_t:s0".utf8) + [0]
    let name = "security.martlet"
    _ = try labelled(mount, opcode, "made", label(name, value)).checkedBody()
    #expect(try Host.attribute(mount.path("made"), name) == value)
    let before = Host.descriptors(below: mount.directory).count
    for index in 0..<100 {
      let reply = try labelled(mount, opcode, "more\(index)", label(name, value))
      let body = try reply.checkedBody()
      let entry = try #require(body.load(FuseEntryOut.self))
      if opcode == .create, let open = body.load(FuseOpenOut.self, at: FuseEntryOut.byteCount) {
        try mount.client.release(entry.nodeid, open.fh)
      }
      try mount.client.forget(entry.nodeid)
    }
    #expect(Host.descriptors(below: mount.directory).count <= before, "descriptors leak")
  }

  @Test(arguments: makers) func aLabelThatTheHostRefusesLeavesNothingBehind(opcode: FuseOpcode) throws {
    let mount = try mount { $0.securityLabel = .always }
    // No such class of attributes.
    let reply = try labelled(mount, opcode, "made", label("nonsense.martlet", [1]))
    #expect(throws: FuseError.self) { try reply.checkedBody() }
    #expect(try Host.names(mount.directory) == [])
    #expect(mount.device.population == (0, 0))
  }

  /// FUSE 7.36 and 7.37 (Linux 5.17 to 6.2, so Debian 12): the context follows the names, and the header does not say
  /// how long it is.
  @Test(arguments: makers) func aGuestBefore738SendsItsLabelWithoutCountingIt(opcode: FuseOpcode) throws {
    let mount = try mount(guest: nil) { $0.securityLabel = .always }
    try mount.client.initialize(Mount.linux.subtracting(.createSuppGroup), minor: 37)
    _ = try labelled(mount, opcode, "made", label("security.martlet", [1, 2]), countsExtensions: false).checkedBody()
    #expect(try Host.attribute(mount.path("made"), "security.martlet") == [1, 2])
  }

  @Test func withoutTheOptionLabelsAreIgnored() throws {
    let mount = try mount()
    _ = try labelled(mount, .mkdir, "made", label("security.martlet", [1])).checkedBody()
    #expect(try Host.attribute(mount.path("made"), "security.martlet") == nil)
  }
}
