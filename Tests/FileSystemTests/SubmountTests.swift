// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing

/// Other file systems mounted below the share. Invariants: the guest is told where one begins, if it asked; the same
/// number on two mounts is two inodes; a mount is met anew after a new INIT.
@Suite(.timeLimit(.minutes(30)), .enabled(if: Host.isRoot, "mounting needs root"))
struct SubmountTests {
  private func mountTmpfs(at path: String, _ body: () throws -> Void) throws {
    try Host.makeDirectory(path)
    if try !Host.mounting(["-t", "tmpfs", "none"], at: path, body) { print("not checked: no right to mount tmpfs") }
  }

  @Test(arguments: InodeFileHandles.allCases)
  func aMountedDirectoryIsAnnounced(mode: InodeFileHandles) throws {
    let mount = try Mount { $0.inodeFileHandles = mode }
    try Host.makeDirectory(mount.path("plain"))
    try mountTmpfs(at: mount.path("sub")) {
      try Host.write("inside", to: mount.path("sub/file"))
      try Host.makeDirectory(mount.path("sub/dir"))
      #expect(try mount.client.lookup(Fuse.rootID, "sub").attr.flags.contains(.submount))
      #expect(try !mount.client.lookup(Fuse.rootID, "plain").attr.flags.contains(.submount))
      let sub = try mount.node("sub")
      #expect(try !mount.client.lookup(sub, "dir").attr.flags.contains(.submount))
      #expect(try mount.contents(try mount.node("sub/file")) == Array("inside".utf8))
      let listed = try mount.client.list(Fuse.rootID, plus: true).first { $0.name == "sub" }
      #expect(listed?.entry?.attr.flags.contains(.submount) == true)
      #expect(listed?.entry?.nodeid == sub)
      try mount.client.syncfs(sub)
      let made = try mount.client.create(sub, "new", flags: UInt32(O_RDWR))
      try mount.client.release(made.entry.nodeid, made.open.fh)
      #expect(Host.exists(mount.path("sub/new")))
      expectRefused(.crossDevice) { try mount.client.rename(sub, "new", to: Fuse.rootID, "new") }
      expectRefused(.crossDevice) { try mount.client.link(made.entry.nodeid, to: Fuse.rootID, "new") }
      mount.close()
    }
  }

  @Test func aGuestThatDoesNotAskIsNotTold() throws {
    let mount = try Mount(guest: Mount.linux.subtracting(.submounts))
    try mountTmpfs(at: mount.path("sub")) {
      let attr = try mount.client.lookup(Fuse.rootID, "sub").attr
      #expect(!attr.flags.contains(.submount))
      mount.close()
    }
  }

  @Test(arguments: InodeFileHandles.allCases)
  func theSameNumberOnTwoMountsIsTwoInodes(mode: InodeFileHandles) throws {
    let mount = try Mount { $0.inodeFileHandles = mode }
    try mountTmpfs(at: mount.path("one")) {
      try mountTmpfs(at: mount.path("two")) {
        for name in ["one", "two"] { try Host.write(name, to: mount.path("\(name)/file")) }
        let numbers = try ["one/file", "two/file"].map { try Host.status(mount.path($0)).st_ino }
        #expect(numbers[0] == numbers[1], "tmpfs no longer numbers from the start: the test shows nothing")
        let nodes = try ["one/file", "two/file"].map { try mount.node($0) }
        #expect(nodes[0] != nodes[1])
        #expect(try mount.contents(nodes[0]) == Array("one".utf8))
        #expect(try mount.contents(nodes[1]) == Array("two".utf8))
        mount.close()
      }
    }
  }

  @Test(arguments: InodeFileHandles.allCases)
  func aBindMountIsAnotherPlaceOfTheSameFile(mode: InodeFileHandles) throws {
    let mount = try Mount { $0.inodeFileHandles = mode }
    try Host.makeDirectory(mount.path("one"))
    try Host.makeDirectory(mount.path("two"))
    try Host.write("text", to: mount.path("one/file"))
    let mounted = try Host.mounting(["--bind", mount.path("one")], at: mount.path("two")) {
      let nodes = try ["one/file", "two/file"].map { try mount.node($0) }
      #expect(nodes[0] != nodes[1])
      #expect(try mount.client.lookup(Fuse.rootID, "two").attr.flags.contains(.submount))
      #expect(try mount.contents(nodes[1]) == Array("text".utf8))
      mount.close()
    }
    if !mounted { print("not checked: no right to bind mount") }
  }

  @Test(arguments: InodeFileHandles.allCases)
  func aMountIsMetAnewAfterINIT(mode: InodeFileHandles) throws {
    let mount = try Mount { $0.inodeFileHandles = mode }
    try mountTmpfs(at: mount.path("sub")) {
      try Host.write("text", to: mount.path("sub/file"))
      for _ in 0..<3 {
        #expect(try mount.contents(try mount.node("sub/file")) == Array("text".utf8))
        #expect(try mount.client.lookup(Fuse.rootID, "sub").attr.flags.contains(.submount))
        try mount.client.destroy()
        try mount.client.initialize(Mount.linux)
      }
      mount.close()
    }
  }

  /// proc has no handles: where only handles will do, what is mounted there cannot be looked up.
  @Test func anEntryThatCannotBeLookedUpIsListedWithoutANode() throws {
    let mount = try Mount { $0.inodeFileHandles = .mandatory }
    for name in ["a", "proc", "z"] { try Host.makeDirectory(mount.path(name)) }
    let mounted = try Host.mounting(["-t", "proc", "proc"], at: mount.path("proc")) {
      expectRefused(.notSupported) { try mount.client.lookup(Fuse.rootID, "proc") }
      let entries = try mount.client.list(Fuse.rootID, plus: true).filter { !$0.name.hasPrefix(".") }
      #expect(Set(entries.map { $0.name }) == ["a", "proc", "z"])
      for entry in entries { #expect((entry.entry?.nodeid == 0) == (entry.name == "proc")) }
      #expect(mount.device.population.inodes == 2)
      mount.close()
    }
    if !mounted { print("not checked: no right to mount proc") }
  }

  /// Without nfs_export, overlayfs has no handles that can be opened.
  @Test func overlayWithoutHandlesIsServedWithDescriptorsAndRefusedWhereHandlesAreDemanded() throws {
    let ground = try TemporaryDirectory()
    for name in ["lower", "upper", "work", "merged"] { try Host.makeDirectory(ground.path(name)) }
    try Host.write("low", to: ground.path("lower/file"))
    let layers = "lowerdir=\(ground.path("lower")),upperdir=\(ground.path("upper")),workdir=\(ground.path("work"))"
    let mounted = try Host.mounting(
      ["-t", "overlay", "overlay", "-o", layers + ",nfs_export=off"], at: ground.path("merged")
    ) {
      var options = ShareOptions(name: "overlay")
      options.inodeFileHandles = .mandatory
      #expect(throws: ShareError.self) { try Mount.device(options, sharing: ground.path("merged")) }
      let mount = try Mount(of: ground.path("merged"))
      let file = try mount.open("file")
      #expect(try mount.client.write(file.node, file.handle, offset: 0, Array("new".utf8)) == 3)
      #expect(try mount.client.getattr(file.node).attr.size == 3)
      mount.close()
      #expect(try Host.text(ground.path("lower/file")) == "low")
      #expect(try Host.text(ground.path("upper/file")) == "new")
    }
    if !mounted { print("not checked: overlayfs cannot be mounted here") }
  }
}
