// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing
import Wire

/// Nothing of the host outside of the share can be reached. Invariants: the daemon follows no symlink, whatever its
/// target and whoever swaps it in; it opens nothing but regular files and directories; what it makes, it makes in the
/// directory that the guest has looked up.
@Suite(.timeLimit(.minutes(30)), .enabled(if: Host.isRoot, "needs root"))
struct EscapeTests {
  /// A share with a directory beside it that no guest may touch.
  private struct Walled {
    let ground: TemporaryDirectory
    let mount: Mount
    var outside: String { ground.path("outside") }

    init(_ configure: (inout ShareOptions) -> Void = { _ in }) throws {
      ground = try TemporaryDirectory()
      try Host.makeDirectory(ground.path("share"))
      try Host.makeDirectory(ground.path("outside"))
      try Host.write("secret", to: ground.path("outside/secret"))
      mount = try Mount(of: ground.path("share"), configure)
    }

    func expectUntouched() throws {
      #expect(try Host.names(outside) == ["secret"])
      #expect(try Host.text(outside + "/secret") == "secret")
      #expect(try Host.names(ground.path) == ["outside", "share"])
      mount.close()
    }
  }

  private static let targets = [
    "/etc", "/etc/passwd", "/", "..", "../outside", "../outside/secret", "/proc/self/root", "/proc/self/cwd",
    "/proc/self/fd/0", "/proc/self/exe", "/dev/null", ".", "link",
  ]

  @Test(arguments: targets, InodeFileHandles.allCases)
  func aSymlinkIsALinkAndNothingElse(target: String, mode: InodeFileHandles) throws {
    let walled = try Walled { $0.inodeFileHandles = mode }
    let client = walled.mount.client
    try Host.makeSymlink(walled.mount.path("link"), to: target)
    let link = try client.lookup(Fuse.rootID, "link")
    #expect(link.attr.mode & 0o170000 == 0o120000)
    #expect(link.attr.ino == UInt64(try Host.status(walled.mount.path("link")).st_ino))
    #expect(try client.readlink(link.nodeid) == Array(target.utf8))
    expectRefused(.badDescriptor) { try client.open(link.nodeid, flags: 0) }
    expectRefused(.notDirectory) { try client.opendir(link.nodeid) }
    for name in ["passwd", "secret", "etc"] {
      expectRefused(.notDirectory) { try client.lookup(link.nodeid, name) }
      expectRefused(.notDirectory) { try client.create(link.nodeid, name, flags: UInt32(O_RDWR)) }
      expectRefused(.notDirectory) { try client.mkdir(link.nodeid, name) }
      expectRefused(.notDirectory) { try client.unlink(link.nodeid, name) }
    }
    // O_CREAT on the name opens what is there, which is a link.
    expectRefused(.badDescriptor) { try client.create(Fuse.rootID, "link", flags: UInt32(O_RDWR | O_TRUNC)) }
    expectRefused(.invalid) { try client.truncate(link.nodeid, size: 0) }
    try walled.expectUntouched()
  }

  @Test func attributesOfASymlinkAreItsOwn() throws {
    let walled = try Walled()
    let client = walled.mount.client
    let before = try Host.status(walled.outside + "/secret")
    try Host.makeSymlink(walled.mount.path("link"), to: "../outside/secret")
    let link = try client.lookup(Fuse.rootID, "link").nodeid
    var change = FuseSetattrIn()
    change.valid = [.uid, .gid]
    (change.uid, change.gid) = (1234, 5678)
    #expect(try client.setattr(link, change).attr.uid == 1234)
    change.valid = [.atime, .mtime]
    (change.atime, change.mtime) = (1000, 2000)
    _ = try client.setattr(link, change)
    change.valid = .mode
    change.mode = 0o777
    expectRefused(.notSupported) { try client.setattr(link, change) }
    #expect(try Host.owner(walled.mount.path("link")) == [1234, 5678])
    #expect(try Host.status(walled.mount.path("link")).st_mtim.tv_sec == 2000)
    let after = try Host.status(walled.outside + "/secret")
    #expect(after.st_uid == before.st_uid && after.st_mode == before.st_mode)
    #expect(after.st_mtim.tv_sec == before.st_mtim.tv_sec && after.st_ctim.tv_nsec == before.st_ctim.tv_nsec)
    let hard = try client.link(link, to: Fuse.rootID, "hard")
    #expect(hard.nodeid == link, "a link to a symlink is a link to it, not to its target")
    try walled.expectUntouched()
  }

  @Test func devicesAreMadeButNeverOpened() throws {
    let mount = try Mount()
    // mem(4): a driver that would answer.
    for (name, mode) in [("zero", 0o020666), ("block", 0o060666)] as [(String, UInt32)] {
      let node = try mount.client.mknod(Fuse.rootID, name, mode: mode, device: FileStatus.encode(major: 1, minor: 5))
      #expect(node.attr.rdev == FileStatus.encode(major: 1, minor: 5))
      #expect(try Host.status(mount.path(name)).st_rdev == 0x105)
      for flags in [O_RDONLY, O_WRONLY, O_RDWR | O_TRUNC] {
        expectRefused(.badDescriptor) { try mount.client.open(node.nodeid, flags: UInt32(flags)) }
      }
      expectRefused(.badDescriptor) { try mount.client.create(Fuse.rootID, name, flags: UInt32(O_RDWR)) }
      expectRefused(.notDirectory) { try mount.client.opendir(node.nodeid) }
      #expect(throws: FuseError.self) { try mount.client.truncate(node.nodeid, size: 0) }
      #expect(throws: FuseError.self) { try mount.client.syncfs(node.nodeid) }
    }
  }

  @Test func fifosAndSocketsDoNotHang() throws {
    let mount = try Mount()
    try Host.makeFIFO(mount.path("fifo"))
    let fifo = try mount.node("fifo")
    let socket = try mount.client.mknod(Fuse.rootID, "socket", mode: 0o140644).nodeid
    for node in [fifo, socket] {
      for flags in [O_RDONLY, O_WRONLY, O_RDWR, O_RDONLY | O_NONBLOCK] {
        expectRefused(.badDescriptor) { try mount.client.open(node, flags: UInt32(flags)) }
      }
      var change = FuseSetattrIn()
      change.valid = .mode
      change.mode = 0o600
      #expect(try mount.client.setattr(node, change).attr.mode & 0o7777 == 0o600)
    }
    expectRefused(.badDescriptor) { try mount.client.create(Fuse.rootID, "fifo", flags: UInt32(O_WRONLY)) }
  }

  /// A thread of the host exchanges a directory of the share and a symlink that leads out, as fast as it can.
  @Test(arguments: InodeFileHandles.allCases)
  func aDirectorySwappedForASymlinkLeadsNowhere(mode: InodeFileHandles) throws {
    let walled = try Walled {
      $0.inodeFileHandles = mode
      $0.descriptorCacheLimit = 1
    }
    let client = walled.mount.client
    try Host.makeDirectory(walled.mount.path("dir"))
    try Host.makeSymlink(walled.mount.path("link"), to: walled.outside)
    let paths = (walled.mount.path("dir"), walled.mount.path("link"))
    let racer = try Disturbance { try? Host.exchange(paths.0, paths.1) }
    let start = ContinuousClock.now
    var made = 0
    var turn = 0
    // Where others take the processors, until the directory has won once.
    while ContinuousClock.now - start < .milliseconds(Host.isSlow ? 10_000 : 700)
      || (made == 0 && ContinuousClock.now - start < .seconds(60))
    {
      turn += 1
      guard let found = try unlessRefused(.stale, .noEntry, body: { try client.lookup(Fuse.rootID, "dir") }) else {
        continue
      }
      let node = found.nodeid
      let created = try unlessRefused(.notDirectory, .stale) {
        try client.create(node, "file\(turn)", flags: UInt32(O_RDWR | O_CREAT))
      }
      if let created {
        made += 1
        try client.release(created.entry.nodeid, created.open.fh)
        try client.forget(created.entry.nodeid)
      }
      _ = try unlessRefused(.notDirectory, .stale) { try client.mkdir(node, "dir\(turn)") }
      _ = try unlessRefused(.notDirectory, .stale) { try client.symlink(node, "link\(turn)", to: "x") }
      _ = try unlessRefused(.notDirectory, .stale, .noEntry) { try client.unlink(node, "secret") }
      let read = try unlessRefused(.notDirectory, .stale, .noEntry) { try client.lookup(node, "secret") }
      #expect(read?.nodeid == nil)
      try client.forget(node)
    }
    racer.stop()
    #expect(made > 0, "the race was never won by the directory")
    try walled.expectUntouched()
  }

  @Test(arguments: InodeFileHandles.allCases)
  func aNodeIsTheFileOfItsLookupWhoeverRenamesMeanwhile(mode: InodeFileHandles) throws {
    let mount = try Mount {
      $0.inodeFileHandles = mode
      $0.descriptorCacheLimit = 1
    }
    try Host.write("one", to: mount.path("a"))
    try Host.makeDirectory(mount.path("b"))
    try Host.write("", to: mount.path("c"))
    let paths = (mount.path("a"), mount.path("b"), mount.path("c"))
    let racer = try Disturbance {
      try? Host.exchange(paths.0, paths.1)
      try? Host.exchange(paths.0, paths.2)
    }
    let deadline = ContinuousClock.now + .milliseconds(Host.isSlow ? 10_000 : 500)
    while ContinuousClock.now < deadline {
      let found = try mount.client.lookup(Fuse.rootID, "a")
      let attr = try unlessRefused(.stale) { try mount.client.getattr(found.nodeid).attr }
      if let attr {
        #expect(attr.ino == found.attr.ino)
        #expect(attr.mode == found.attr.mode)
      }
      try mount.client.forget(found.nodeid)
    }
    racer.stop()
    #expect(mount.device.population == (0, 0))
  }
}
