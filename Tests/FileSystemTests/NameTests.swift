// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing
import Wire

/// A FUSE name is one path component. Invariant: every operation that takes a name refuses what is none, and does
/// nothing.
@Suite(.timeLimit(.minutes(30)))
struct NameTests {
  /// Every place where a request has a name.
  enum Place: CaseIterable {
    case lookup, mkdir, mknod, create, symlink, unlink, rmdir, link
    case renameOld, renameNew, rename2Old, rename2New

    func request(_ name: [UInt8], source: UInt64) -> FuseRequest {
      let good = Array("good".utf8) + [0]
      var request: FuseRequest
      switch self {
      case .lookup: request = FuseRequest(.lookup, node: Fuse.rootID)
      case .unlink: request = FuseRequest(.unlink, node: Fuse.rootID)
      case .rmdir: request = FuseRequest(.rmdir, node: Fuse.rootID)
      case .mkdir:
        request = FuseRequest(.mkdir, node: Fuse.rootID)
        request.append(FuseMkdirIn(mode: 0o755))
      case .mknod:
        request = FuseRequest(.mknod, node: Fuse.rootID)
        request.append(FuseMknodIn(mode: 0o100644))
      case .create:
        request = FuseRequest(.create, node: Fuse.rootID)
        request.append(FuseCreateIn(flags: UInt32(O_RDWR), mode: 0o644))
      case .symlink:
        request = FuseRequest(.symlink, node: Fuse.rootID)
        request.append(bytes: name)
        // Without a NUL the name would end with the target's: then there is no target.
        request.append(bytes: good)
        request.replyByteCount = 4096
        return request
      case .link:
        request = FuseRequest(.link, node: Fuse.rootID)
        request.append(FuseLinkIn(oldnodeid: source))
      case .renameOld, .renameNew:
        request = FuseRequest(.rename, node: Fuse.rootID)
        request.append(FuseRenameIn(newdir: Fuse.rootID))
      case .rename2Old, .rename2New:
        request = FuseRequest(.rename2, node: Fuse.rootID)
        request.append(FuseRename2In(newdir: Fuse.rootID))
      }
      if self == .renameNew || self == .rename2New { request.append(bytes: good) }
      request.append(bytes: name)
      if self == .renameOld || self == .rename2Old { request.append(bytes: good) }
      request.replyByteCount = 4096
      return request
    }
  }

  private static let bad: [[UInt8]] = [
    [0], Array(".\0".utf8), Array("..\0".utf8), Array("a/b\0".utf8), Array("/etc/passwd\0".utf8),
    Array("../outside\0".utf8), Array("good/\0".utf8), Array("/\0".utf8), Array("good".utf8), [],
  ]

  @Test(arguments: Place.allCases) func whatIsNoNameIsRefused(place: Place) throws {
    let base = try TemporaryDirectory()
    try Host.makeDirectory(base.path("share"))
    try Host.makeDirectory(base.path("share/a"))
    try Host.write("", to: base.path("outside"))
    let mount = try Mount(of: base.path("share"))
    try Host.write("text", to: mount.path("good"))
    let source = try mount.node("good")
    for name in NameTests.bad {
      expectRefused(.invalid, "\(String(decoding: name, as: UTF8.self))") {
        try mount.client.perform(place.request(name, source: source)).checkedBody()
      }
    }
    let long = [UInt8](repeating: UInt8(ascii: "n"), count: 256) + [0]
    expectRefused(.nameTooLong) { try mount.client.perform(place.request(long, source: source)).checkedBody() }
    #expect(try Host.names(mount.directory) == ["a", "good"])
    #expect(try Host.names(mount.path("a")) == [])
    #expect(try Host.names(base.path) == ["outside", "share"])
    #expect(try Host.text(mount.path("good")) == "text")
    #expect(mount.device.population == (1, 0))
    mount.close()
  }

  @Test func aNameOf255BytesIsGoodEverywhere() throws {
    let mount = try Mount()
    let long = String(repeating: "n", count: 255)
    let other = String(repeating: "o", count: 255)
    let directory = try mount.client.mkdir(Fuse.rootID, long)
    #expect(try mount.client.lookup(Fuse.rootID, long).nodeid == directory.nodeid)
    try mount.client.rename(Fuse.rootID, long, to: Fuse.rootID, other)
    #expect(try Host.names(mount.directory) == [other])
    try mount.client.rmdir(Fuse.rootID, other)
    #expect(try Host.names(mount.directory) == [])
  }

  @Test func namesAreBytesNotText() throws {
    let mount = try Mount()
    // Not UTF-8, with everything in it that is neither NUL nor a slash.
    let name = (1...255).map { UInt8($0) }.filter { $0 != UInt8(ascii: "/") }
    var request = FuseRequest(.mkdir, node: Fuse.rootID)
    request.append(FuseMkdirIn(mode: 0o755))
    request.append(bytes: name + [0])
    request.replyByteCount = FuseEntryOut.byteCount
    let made: FuseEntryOut = try mount.client.perform(request).value()
    let listed = try mount.client.list(Fuse.rootID).first { $0.inode == made.attr.ino }
    #expect(listed?.nameBytes == name)
    var removal = FuseRequest(.rmdir, node: Fuse.rootID)
    removal.append(bytes: name + [0])
    _ = try mount.client.perform(removal).checkedBody()
    #expect(try mount.client.list(Fuse.rootID).count == 2)
  }

  @Test func makingMovingAndRemovingIsSeenByTheHost() throws {
    let mount = try Mount()
    let client = mount.client
    let directory = try client.mkdir(Fuse.rootID, "dir", mode: 0o751)
    #expect(try Host.mode(mount.path("dir")) == 0o751)
    let file = try client.mknod(directory.nodeid, "file", mode: 0o100640)
    #expect(try Host.mode(mount.path("dir/file")) == 0o640)
    let link = try client.symlink(directory.nodeid, "link", to: "some/where")
    #expect(link.attr.mode & 0o170000 == 0o120000)
    #expect(try client.readlink(link.nodeid) == Array("some/where".utf8))
    #expect(try FileManager.default.destinationOfSymbolicLink(atPath: mount.path("dir/link")) == "some/where")
    #expect(try client.link(file.nodeid, to: Fuse.rootID, "hard").nodeid == file.nodeid)
    try client.rename(directory.nodeid, "file", to: Fuse.rootID, "moved")
    #expect(try Host.names(mount.directory) == ["dir", "hard", "moved"])
    expectRefused(.notEmpty) { try client.rmdir(Fuse.rootID, "dir") }
    expectRefused(.isDirectory) { try client.unlink(Fuse.rootID, "dir") }
    expectRefused(.notDirectory) { try client.rmdir(Fuse.rootID, "hard") }
    expectRefused(.exists) { try client.mkdir(Fuse.rootID, "dir") }
    expectRefused(.noEntry) { try client.unlink(Fuse.rootID, "absent") }
    try client.unlink(directory.nodeid, "link")
    try client.rmdir(Fuse.rootID, "dir")
    try client.unlink(Fuse.rootID, "hard")
    #expect(try Host.names(mount.directory) == ["moved"])
  }

  @Test func rename2ExchangesKeepsAndWhitesOut() throws {
    let mount = try Mount()
    let client = mount.client
    try Host.write("one", to: mount.path("one"))
    try Host.write("two", to: mount.path("two"))
    expectRefused(.exists) { try client.rename2(Fuse.rootID, "one", to: Fuse.rootID, "two", flags: 1) }
    try client.rename2(Fuse.rootID, "one", to: Fuse.rootID, "two", flags: 2)
    #expect(try Host.text(mount.path("one")) == "two")
    try client.rename2(Fuse.rootID, "one", to: Fuse.rootID, "three", flags: 4)
    #expect(try Host.status(mount.path("one")).st_mode & S_IFMT == S_IFCHR)
    #expect(try Host.text(mount.path("three")) == "two")
    for flags in [8, 0x8000_0000, 0xffff_ffff] as [UInt32] {
      expectRefused(.invalid) { try client.rename2(Fuse.rootID, "two", to: Fuse.rootID, "x", flags: flags) }
    }
  }

  @Test func symlinkTargetsAreAnyTextOfUpTo4095Bytes() throws {
    let mount = try Mount()
    expectRefused(.noEntry) { try mount.client.symlink(Fuse.rootID, "empty", to: "") }
    let long = String(repeating: "x/", count: 2047) + "x"
    let node = try mount.client.symlink(Fuse.rootID, "long", to: long).nodeid
    #expect(try mount.client.readlink(node) == Array(long.utf8))
    expectRefused(.nameTooLong) { try mount.client.symlink(Fuse.rootID, "longer", to: long + "y") }
    let file = try mount.open("file").node
    #expect(throws: FuseError.self) { try mount.client.readlink(file) }
  }

  @Test func mknodMakesNoDirectoriesAndNoSymlinks() throws {
    let mount = try Mount()
    for mode in [0o040755, 0o120777, 0o160000, 0o644] as [UInt32] {
      expectRefused(.invalid) { try mount.client.mknod(Fuse.rootID, "x", mode: mode) }
    }
    #expect(try Host.names(mount.directory) == [])
  }
}
