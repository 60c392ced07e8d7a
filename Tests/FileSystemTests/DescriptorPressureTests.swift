// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

//
// These change a limit of the whole process, so each runs in a process of its own.

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing

/// What happens when the process runs out of descriptors. Invariants: where inodes are kept by handle, no guest can
/// bring LOOKUP or GETATTR to fail; where every inode needs a descriptor, the guest gets a clean error and everything
/// goes on when there are descriptors again.
@Suite(.timeLimit(.minutes(30)))
struct DescriptorPressureTests {
  /// A tree of 20 directories with 20 files each.
  private static func plant(_ mount: Mount) throws {
    for directory in 0..<20 {
      try Host.makeDirectory(mount.path("d\(directory)"))
      for file in 0..<20 { try Host.write("\(file)", to: mount.path("d\(directory)/f\(file)")) }
    }
  }

  /// Lowers the limit so that only `spare` more descriptors can be opened.
  private static func leave(_ spare: UInt64) throws {
    let used = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").compactMap { UInt64($0) }.max() ?? 0
    // What was inherited has gaps, and a number in a gap would be one more to spare.
    while true {
      let filler = dup(0)
      guard filler >= 0, filler < used else {
        close(filler)
        break
      }
    }
    var limit = rlimit()
    guard unsafe getrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { throw Errno(errno) }
    limit.rlim_cur = rlim_t(used + spare)
    guard unsafe setrlimit(__rlimit_resource_t(RLIMIT_NOFILE.rawValue), &limit) == 0 else { throw Errno(errno) }
  }

  @Test func aWalkOfALargeTreeNeedsNoMoreDescriptorsThanThereAre() async {
    await #expect(processExitsWith: .success) {
      let mount = try Mount()
      try DescriptorPressureTests.plant(mount)
      try DescriptorPressureTests.leave(12)
      for directory in 0..<20 {
        let parent = try mount.node("d\(directory)")
        for file in 0..<20 {
          let node = try mount.client.lookup(parent, "f\(file)").nodeid
          #expect(try mount.client.getattr(node).attr.size == (file < 10 ? 1 : 2))
        }
      }
      #expect(mount.device.population.inodes == 420)
    }
  }

  @Test func aGuestThatOpensAllItCanStillLooksUpAndAsks() async {
    await #expect(processExitsWith: .success) {
      // What may be opened is looked at when the guest mounts.
      try DescriptorPressureTests.leave(200)
      let mount = try Mount()
      try DescriptorPressureTests.plant(mount)
      let file = try mount.node("d0/f0")
      var handles: [UInt64] = []
      while handles.count < 1000 {
        // For writing: each needs a descriptor.
        let opened = try unlessRefused(.tooManyFiles, .tooManyFilesInSystem) {
          try mount.client.open(file, flags: UInt32(O_RDWR))
        }
        guard let opened else { break }
        handles.append(opened.fh)
      }
      #expect(handles.count > 10 && handles.count < 1000)
      for directory in 0..<20 {
        let parent = try mount.node("d\(directory)")
        #expect(try mount.client.getattr(parent).attr.nlink == 2)
        for file in 0..<20 {
          let node = try mount.client.lookup(parent, "f\(file)").nodeid
          #expect(try mount.client.getattr(node).attr.size == (file < 10 ? 1 : 2))
        }
      }
      // Creating is refused, and leaves nothing behind.
      var refusals = 0
      for name in (0..<100).map({ "new\($0)" }) {
        let made = try unlessRefused(.tooManyFiles, .tooManyFilesInSystem) {
          try mount.client.create(Fuse.rootID, name, flags: UInt32(O_RDWR))
        }
        if let made { handles.append(made.open.fh) } else { refusals += 1 }
        #expect(Host.exists(mount.path(name)) == (made != nil))
      }
      #expect(refusals > 0)
      for handle in handles { try mount.client.release(file, handle) }
      let made = try mount.client.create(Fuse.rootID, "new", flags: UInt32(O_RDWR))
      try mount.client.release(made.entry.nodeid, made.open.fh)
    }
  }

  @Test func aGuestCanOpenForReadingNoMoreFilesThanThereAreDescriptors() async {
    await #expect(processExitsWith: .success) {
      try DescriptorPressureTests.leave(200)
      let mount = try Mount()
      try DescriptorPressureTests.plant(mount)
      let file = try mount.node("d0/f0")
      var handles: [UInt64] = []
      while handles.count < 1000 {
        // One descriptor serves them all, so only the number of handles can be the limit.
        let opened = try unlessRefused(.tooManyFilesInSystem) { try mount.client.open(file, flags: 0) }
        guard let opened else { break }
        handles.append(opened.fh)
      }
      #expect(handles.count > 10 && handles.count < 1000)
      #expect(mount.device.population.openFiles == handles.count)
      for handle in handles { try mount.client.release(file, handle) }
      #expect(mount.device.population.openFiles == 0)
      try mount.client.release(file, try mount.client.open(file, flags: 0).fh)
      // Different files, with a descriptor each.
      handles = []
      var nodes: [UInt64] = []
      for path in (0..<400).map({ "d\($0 / 20)/f\($0 % 20)" }) {
        let node = try mount.node(path)
        let opened = try unlessRefused(.tooManyFilesInSystem) { try mount.client.open(node, flags: 0) }
        guard let opened else { break }
        #expect(try mount.client.read(node, opened.fh, offset: 0, count: 10).count > 0)
        handles.append(opened.fh)
        nodes.append(node)
      }
      #expect(handles.count > 10 && handles.count < 400)
      #expect(try mount.client.getattr(try mount.node("d19/f19")).attr.size == 2)
      for (node, handle) in zip(nodes, handles) { try mount.client.release(node, handle) }
      try mount.client.release(file, try mount.client.open(file, flags: 0).fh)
    }
  }

  @Test func withoutHandlesTheGuestGetsACleanErrorAndRecovers() async {
    await #expect(processExitsWith: .success) {
      let mount = try Mount { $0.inodeFileHandles = .never }
      try DescriptorPressureTests.plant(mount)
      let parent = try mount.node("d0")
      try DescriptorPressureTests.leave(8)
      var nodes: [UInt64] = []
      var refused = 0
      for file in 0..<20 {
        let found = try unlessRefused(.tooManyFiles, .tooManyFilesInSystem) {
          try mount.client.lookup(parent, "f\(file)")
        }
        if let found { nodes.append(found.nodeid) } else { refused += 1 }
      }
      #expect(refused > 0)
      for node in nodes { _ = try mount.client.getattr(node) }
      for node in nodes { try mount.client.forget(node) }
      // Nobody answers a FORGET, and another queue serves it: it takes effect soon, not at once.
      var again: FuseEntryOut?
      for _ in 0..<10_000 where again == nil {
        again = try unlessRefused(.tooManyFiles, .tooManyFilesInSystem) { try mount.client.lookup(parent, "f19") }
      }
      #expect(again != nil)
    }
  }
}
