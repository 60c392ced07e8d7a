// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing

/// How inodes are counted and told apart. Invariants: one inode has one node id, whatever its names; a node id is good
/// from the first lookup to the last forget and never means another inode; a new file of an old inode number is a new
/// node.
@Suite(.timeLimit(.minutes(30)))
struct InodeTests {
  @Test(arguments: InodeFileHandles.allCases)
  func everyLookupCountsAndEveryForgetTakesBack(mode: InodeFileHandles) throws {
    let mount = try Mount { $0.inodeFileHandles = mode }
    try Host.write("x", to: mount.path("file"))
    let node = try mount.client.lookup(Fuse.rootID, "file").nodeid
    for _ in 0..<4 { #expect(try mount.client.lookup(Fuse.rootID, "file").nodeid == node) }
    #expect(mount.device.population.inodes == 1)
    try mount.client.forget(node, count: 4)
    _ = try mount.client.getattr(node)
    try mount.client.forget(node, count: 1)
    #expect(mount.device.population.inodes == 0)
    expectRefused(.noEntry) { try mount.client.getattr(node) }
    #expect(Host.descriptors(below: mount.path("file")).isEmpty)
  }

  /// A young inode is known by its handle. When it has become old enough to be known by number and birth, and others
  /// already are, it is the same node still.
  @Test func aNodeStaysTheSameWhenItsInodeIsNoLongerYoung() throws {
    let mount = try Mount { $0.inodeFileHandles = .prefer }
    for name in ["young", "first", "second"] { try Host.write("x", to: mount.path(name)) }
    let young = try mount.node("young")
    // Longer than an inode is young.
    sleep(5)
    // The first old inode tells whether the file system opens by number; from the second on it is done.
    let first = try mount.node("first")
    let second = try mount.node("second")
    #expect(try mount.node("young") == young)
    #expect(try mount.node("young") == young)
    #expect(try mount.node("first") == first)
    #expect(try mount.node("second") == second)
    #expect(mount.device.population.inodes == 3)
  }

  @Test func aForgetOfMoreThanThereIsEndsTheNodeAndNothingElse() throws {
    let mount = try Mount()
    try Host.write("x", to: mount.path("one"))
    try Host.write("y", to: mount.path("two"))
    let one = try mount.node("one")
    let two = try mount.node("two")
    try mount.client.forget(one, count: .max)
    try mount.client.forget(one, count: 3)
    expectRefused(.noEntry) { try mount.client.getattr(one) }
    _ = try mount.client.getattr(two)
    #expect(mount.device.population.inodes == 1)
  }

  @Test func theRootCannotBeForgotten() throws {
    let mount = try Mount()
    try mount.client.forget(Fuse.rootID, count: .max)
    _ = try mount.client.getattr(Fuse.rootID)
  }

  @Test func batchForgetTakesBackAll() throws {
    let mount = try Mount()
    var nodes: [(node: UInt64, count: UInt64)] = []
    for index in 0..<300 {
      try Host.write("", to: mount.path("f\(index)"))
      nodes.append((try mount.node("f\(index)"), 1))
    }
    #expect(mount.device.population.inodes == 300)
    try mount.client.forget(nodes)
    #expect(mount.device.population.inodes == 0)
  }

  @Test(arguments: InodeFileHandles.allCases)
  func hardLinksAreOneNode(mode: InodeFileHandles) throws {
    let mount = try Mount { $0.inodeFileHandles = mode }
    try Host.makeDirectory(mount.path("dir"))
    try Host.write("x", to: mount.path("one"))
    try FileManager.default.linkItem(atPath: mount.path("one"), toPath: mount.path("dir/two"))
    let node = try mount.node("one")
    #expect(try mount.node("dir/two") == node)
    #expect(try mount.client.link(node, to: Fuse.rootID, "three").nodeid == node)
    #expect(try mount.client.getattr(node).attr.nlink == 3)
    #expect(mount.device.population.inodes == 2)
    try mount.client.forget(node, count: 2)
    _ = try mount.client.getattr(node)
  }

  @Test(arguments: [UInt64(0), 2, 15, 16, 1 << 32, .max, 0x1_0000_0010]) func madeUpNodeIDsAreRefused(node: UInt64)
    throws
  {
    let mount = try Mount()
    _ = try mount.open("file")
    if try mount.node("file") == node { return }
    expectRefused(.noEntry) { try mount.client.getattr(node) }
    expectRefused(.noEntry) { try mount.client.lookup(node, "x") }
    expectRefused(.noEntry) { try mount.client.open(node, flags: 0) }
    try mount.client.forget(node)
  }

  @Test func aForgottenNodeIDStaysBadWhenItsPlaceIsUsedAgain() throws {
    let mount = try Mount()
    var old: [UInt64] = []
    for round in 0..<20 {
      try Host.write("\(round)", to: mount.path("file"))
      let node = try mount.node("file")
      #expect(!old.contains(node))
      for dead in old { expectRefused(.noEntry) { try mount.client.getattr(dead) } }
      try mount.client.forget(node)
      old.append(node)
    }
  }

  /// ext4 gives a new file the number of the one that was removed last.
  @Test(arguments: InodeFileHandles.allCases)
  func aReusedInodeNumberIsANewNode(mode: InodeFileHandles) throws {
    let mount = try Mount {
      $0.inodeFileHandles = mode
      $0.descriptorCacheLimit = 1
    }
    try Host.makeDirectory(mount.path("others"))
    for index in 0..<64 { try Host.write("", to: mount.path("others/\(index)")) }
    var reused = 0
    for round in 0..<30 {
      try Host.write("old \(round)", to: mount.path("file"))
      let before = try Host.status(mount.path("file")).st_ino
      let old = try mount.node("file")
      // Other nodes in use push the descriptor out of the cache.
      for index in 0..<64 { _ = try mount.client.getattr(try mount.node("others/\(index)")) }
      try FileManager.default.removeItem(atPath: mount.path("file"))
      try Host.write("new \(round)", to: mount.path("file"))
      if try Host.status(mount.path("file")).st_ino == before { reused += 1 }
      let new = try mount.node("file")
      #expect(new != old)
      #expect(try mount.contents(new) == Array("new \(round)".utf8))
      // The old node is the old file, or is known to be gone; never the new one.
      let rest = try unlessRefused(.stale) { try mount.contents(old) }
      #expect(rest == nil || rest == Array("old \(round)".utf8))
      try FileManager.default.removeItem(atPath: mount.path("file"))
    }
    print("inode numbers used again, \(mode): \(reused) of 30")
  }

  /// Inodes that are old enough may be kept by number and birth alone; see contrib/decisions/0027.
  @Test func aReusedInodeNumberIsANewNodeAlsoIfTheOldOneWasKnownByItsNumber() throws {
    let mount = try Mount { $0.descriptorCacheLimit = 1 }
    let names = (0..<64).map { "f\($0)" }
    func plant(_ text: String) throws { for name in names { try Host.write("\(text) \(name)", to: mount.path(name)) } }
    try plant("old")
    Thread.sleep(forTimeInterval: 4.5)
    let old = try names.map { try mount.node($0) }
    #expect(Set(old).count == names.count)
    for (name, node) in zip(names, old) {
      #expect(try mount.contents(node) == Array("old \(name)".utf8))
      #expect(try mount.node(name) == node)
    }
    let numbers = Set(try names.map { try Host.status(mount.path($0)).st_ino })
    for name in names { try FileManager.default.removeItem(atPath: mount.path(name)) }
    try plant("new")
    let reused = try names.count { numbers.contains(try Host.status(mount.path($0)).st_ino) }
    print("inode numbers used again: \(reused) of \(names.count)")
    for young in [true, false] {
      if !young { Thread.sleep(forTimeInterval: 4.5) }
      for (name, node) in zip(names, old) {
        let new = try mount.node(name)
        #expect(!old.contains(new))
        #expect(try mount.contents(new) == Array("new \(name)".utf8))
        let rest = try unlessRefused(.stale) { try mount.contents(node) }
        #expect(rest == nil || rest == Array("old \(name)".utf8))
      }
    }
  }

  @Test func aNodeWhoseFileIsGoneIsStaleOnceItsDescriptorIsClosed() throws {
    let mount = try Mount { $0.descriptorCacheLimit = 1 }
    try Host.write("x", to: mount.path("file"))
    let node = try mount.node("file")
    try FileManager.default.removeItem(atPath: mount.path("file"))
    expectRefused(.stale) { try mount.client.getattr(node) }
    expectRefused(.stale) { try mount.client.open(node, flags: 0) }
    try mount.client.forget(node)
    #expect(mount.device.population.inodes == 0)
  }

  @Test(arguments: InodeFileHandles.allCases)
  func aRenamedDirectoryKeepsItsNodeAndItsChildren(mode: InodeFileHandles) throws {
    let mount = try Mount {
      $0.inodeFileHandles = mode
      $0.descriptorCacheLimit = 1
    }
    try Host.makeDirectory(mount.path("a"))
    try Host.write("x", to: mount.path("a/file"))
    let directory = try mount.node("a")
    let file = try mount.node("a/file")
    try FileManager.default.moveItem(atPath: mount.path("a"), toPath: mount.path("b"))
    #expect(try mount.client.lookup(directory, "file").nodeid == file)
    #expect(try mount.node("b") == directory)
    expectRefused(.noEntry) { try mount.node("a") }
  }

  /// A share may be one file.
  @Test func aSingleFileIsShared() throws {
    let path = "/var/tmp/martlet-single-\(getpid())"
    try Host.write("alone", to: path)
    defer { try? FileManager.default.removeItem(atPath: path) }
    let mount = try Mount(of: path)
    #expect(try mount.client.getattr(Fuse.rootID).attr.size == 5)
    let handle = try mount.client.open(Fuse.rootID, flags: 0).fh
    #expect(try mount.client.read(Fuse.rootID, handle, offset: 0, count: 9) == Array("alone".utf8))
    expectRefused(.notDirectory) { try mount.client.lookup(Fuse.rootID, "x") }
    expectRefused(.notDirectory) { try mount.client.opendir(Fuse.rootID) }
    mount.close()
  }

  @Test func mandatoryHandlesAreRefusedAtTheStartWhereThereAreNone() throws {
    var options = ShareOptions(name: "proc")
    options.inodeFileHandles = .mandatory
    let error = #expect(throws: ShareError.self) { try Mount.device(options, sharing: "/proc") }
    #expect(error?.message.contains("--inode-file-handles=prefer") == true)
    options.inodeFileHandles = .prefer
    _ = try Mount.device(options, sharing: "/proc")
  }

  @Test func preferFallsBackToDescriptorsWhereThereAreNoHandles() throws {
    let mount = try Mount(of: "/proc")
    let name = try mount.client.lookup(Fuse.rootID, "version")
    let handle = try mount.client.open(name.nodeid, flags: 0).fh
    let text = try mount.client.read(name.nodeid, handle, offset: 0, count: 4096)
    #expect(try text == Host.bytes("/proc/version"))
    try mount.client.release(name.nodeid, handle)
    try mount.client.forget(name.nodeid)
    mount.close()
  }

  @Test func inPreferModeTwentyThousandKnownFilesHoldFewDescriptors() throws {
    let count = 20_000
    let mount = try Mount(on: .memory, memoryMiB: 16) { $0.descriptorCacheLimit = 64 }
    for index in 0..<count { try Host.write("", to: mount.path("f\(index)")) }
    let entries = try mount.client.list(Fuse.rootID, plus: true, capacity: 128 << 10)
    #expect(mount.device.population.inodes == count)
    var used = 0
    for (index, entry) in entries.enumerated() where index % 10 == 0 {
      guard let node = entry.entry?.nodeid, node != 0 else { continue }
      #expect(try mount.client.getattr(node).attr.ino == entry.inode)
      used += 1
    }
    #expect(used >= count / 10 - 2)
    let open = Host.descriptors(below: mount.directory).count
    #expect(open <= 64 + 4, "descriptors open")
  }
}

/// Invariant: with a write-back cache an inode that has lost its last name can still be asked and changed by node id,
/// without a file handle of the guest.
@Suite struct UnlinkedInodeTests {
  @Test(arguments: [false, true]) func aDeletedFileStaysReachableByItsNodeID(byRename: Bool) throws {
    let mount = try Mount {
      $0.writeback = true
      $0.inodeFileHandles = .prefer
    }
    try Host.write("old", to: mount.path("file"))
    try Host.write("new", to: mount.path("other"))
    let node = try mount.node("file")
    if byRename {
      try mount.client.rename(Fuse.rootID, "other", to: Fuse.rootID, "file")
    } else {
      try mount.client.unlink(Fuse.rootID, "file")
    }
    #expect(try mount.client.getattr(node).attr.nlink == 0)
    var change = FuseSetattrIn()
    change.valid = .mtime
    change.mtime = 1_000_000
    #expect(try mount.client.setattr(node, change).attr.mtime == 1_000_000)
    try mount.client.forget(node)
  }
}
