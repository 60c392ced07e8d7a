// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing

/// Reading directories. Invariants: every entry that stays is seen exactly once, at any buffer size; READDIRPLUS gives
/// exactly one reference for every entry with a node id; no entry ends the listing.
@Suite(.timeLimit(.minutes(30)))
struct DirectoryTests {
  private let root = Fuse.rootID

  private func plant(_ mount: Mount, _ count: Int) throws {
    for index in 0..<count { try Host.write("", to: mount.path("file-\(index)")) }
  }

  private func names(_ entries: [FuseDirectoryEntry]) -> [String] { entries.map { $0.name } }

  @Test(arguments: Ground.allCases) func tenThousandEntriesAreSeenOnceEachAtAnyBufferSize(ground: Ground) throws {
    let count = 10_000
    let mount = try Mount(on: ground)
    try plant(mount, count)
    let expected = Set((0..<count).map { "file-\($0)" } + [".", ".."])
    for capacity in Host.isSlow ? [280, 333, 1000, 4096, 65536, 1 << 20] : [1000, 4096, 65536, 1 << 20] {
      let entries = try mount.client.list(root, capacity: capacity)
      #expect(entries.count == count + 2, "buffers of \(capacity) bytes")
      #expect(Set(names(entries)) == expected)
    }
    #expect(mount.device.population == (0, 0))
    for capacity in Host.isSlow ? [408, 1500, 4096, 65536, 1 << 20] : [65536, 1 << 20] {
      try expectListedWithReferences(mount, count, capacity)
    }
  }

  @Test(arguments: Ground.allCases) func tinyBuffersHoldAFewEntriesAtATime(ground: Ground) throws {
    let mount = try Mount(on: ground)
    try plant(mount, 300)
    for capacity in [280, 281, 333] {
      #expect(Set(names(try mount.client.list(root, capacity: capacity))).count == 302)
    }
    for capacity in [408, 409, 1500, 4096] { try expectListedWithReferences(mount, 300, capacity) }
  }

  /// READDIRPLUS sees each entry once and references it once; what it gave can be taken back to the last.
  private func expectListedWithReferences(_ mount: Mount, _ count: Int, _ capacity: Int) throws {
    let entries = try mount.client.list(root, plus: true, capacity: capacity)
    #expect(entries.count == count + 2, "buffers of \(capacity) bytes")
    #expect(Set(names(entries)).count == count + 2)
    #expect(mount.device.population.inodes == count)
    for entry in entries where entry.name == "." || entry.name == ".." { #expect(entry.entry?.nodeid == 0) }
    let nodes = entries.compactMap { $0.entry }.filter { $0.nodeid != 0 }
    #expect(Set(nodes.map { $0.nodeid }).count == count)
    #expect(zip(entries, entries.compactMap { $0.entry }).allSatisfy { $0.inode == $1.attr.ino })
    for start in stride(from: 0, to: nodes.count, by: 200) {
      try mount.client.forget(nodes[start..<min(start + 200, nodes.count)].map { (node: $0.nodeid, count: 1) })
    }
    #expect(mount.device.population == (0, 0))
  }

  @Test func aBufferTooSmallForAnythingIsNoEndlessLoop() throws {
    let mount = try Mount()
    try plant(mount, 1)
    let handle = try mount.client.opendir(root).fh
    for capacity in [0, 1, 23] {
      let entries = try unlessRefused(.invalid) { try mount.client.readdir(root, handle, capacity: capacity) }
      #expect(entries?.isEmpty ?? true)
      let plus = try unlessRefused(.invalid) { try mount.client.readdirplus(root, handle, capacity: capacity) }
      #expect(plus?.isEmpty ?? true)
    }
    #expect(mount.device.population.inodes == 0)
  }

  @Test func anyOffsetThatWasGivenCanBeReadAgain() throws {
    let mount = try Mount()
    try plant(mount, 300)
    let all = names(try mount.client.list(root))
    let handle = try mount.client.opendir(root).fh
    var offsets: [UInt64] = [0]
    while true {
      let more = try mount.client.readdir(root, handle, offset: offsets[offsets.count - 1], capacity: 1000)
      if more.isEmpty { break }
      offsets += more.map { $0.nextOffset }
    }
    #expect(offsets.count == all.count + 1)
    for index in [299, 3, 150, 0, 151, 301, 7, 7] {
      let rest = try mount.client.readdir(root, handle, offset: offsets[index], capacity: 300)
      #expect(names(rest) == Array(all[index..<index + rest.count]))
      #expect(!rest.isEmpty)
    }
    #expect(try mount.client.readdir(root, handle, offset: offsets[302]).isEmpty)
    // SEEK_DATA moves the same descriptor.
    _ = try? mount.client.lseek(root, handle, offset: 0, whence: 3)
    #expect(try mount.client.readdir(root, handle, offset: offsets[3], capacity: 300).first?.name == all[3])
  }

  @Test func offsetsThatWereNeverGivenAreErrorsOrEmpty() throws {
    let mount = try Mount()
    try plant(mount, 10)
    let handle = try mount.client.opendir(root).fh
    for offset in [1 << 63, .max, UInt64(Int64.max), 12345, 1 << 40] as [UInt64] {
      _ = try unlessRefused(.invalid) { try mount.client.readdir(root, handle, offset: offset) }
    }
    #expect(try mount.client.readdir(root, handle).count == 12)
  }

  @Test func whatIsDeletedWhileListingDoesNotHideTheRest() throws {
    let mount = try Mount()
    try plant(mount, 1000)
    let handle = try mount.client.opendir(root).fh
    var seen: [String] = []
    var offset: UInt64 = 0
    while true {
      let more = try mount.client.readdir(root, handle, offset: offset, capacity: 2000)
      guard let last = more.last else { break }
      offset = last.nextOffset
      // As "rm -r" does.
      for entry in more where entry.type == UInt32(DT_REG) {
        seen.append(entry.name)
        try mount.client.unlink(root, entry.name)
      }
    }
    #expect(Set(seen).count == 1000)
    #expect(try Host.names(mount.directory) == [])
  }

  @Test func anEntryThatVanishesMeanwhileHasNoNodeAndEndsNothing() throws {
    let mount = try Mount(on: .memory)
    try plant(mount, 200)
    let paths = (0..<100).map { mount.path("file-\($0)") }
    let racer = try Disturbance {
      for path in paths { unsafe unlink(path) }
      for path in paths { try? Host.write("", to: path) }
    }
    var vanished = 0
    let deadline = ContinuousClock.now + .milliseconds(Host.isSlow ? 5000 : 500)
    while ContinuousClock.now < deadline {
      let entries = try mount.client.list(root, plus: true, capacity: 65536)
      #expect(Set(names(entries)).isSuperset(of: (100..<200).map { "file-\($0)" }))
      for entry in entries where !entry.name.hasPrefix(".") {
        guard let node = entry.entry?.nodeid, node != 0 else {
          vanished += 1
          continue
        }
        try mount.client.forget(node)
      }
      #expect(mount.device.population.inodes == 0)
    }
    racer.stop()
    print("entries that vanished while listed: \(vanished)")
  }

  @Test func aRemovedDirectoryListsNothingMore() throws {
    let mount = try Mount()
    try Host.makeDirectory(mount.path("dir"))
    let node = try mount.node("dir")
    let handle = try mount.client.opendir(node).fh
    try FileManager.default.removeItem(atPath: mount.path("dir"))
    let entries = try unlessRefused(.noEntry) { try mount.client.readdir(node, handle) }
    #expect(entries?.isEmpty ?? true)
    try mount.client.releasedir(node, handle)
  }

  @Test func typesAreToldWithoutLookups() throws {
    let mount = try Mount()
    try Host.makeDirectory(mount.path("dir"))
    try Host.write("", to: mount.path("file"))
    try Host.makeSymlink(mount.path("link"), to: "x")
    try Host.makeFIFO(mount.path("fifo"))
    let types = Dictionary(uniqueKeysWithValues: try mount.client.list(root).map { ($0.name, $0.type) })
    #expect(types == [".": 4, "..": 4, "dir": 4, "file": 8, "link": 10, "fifo": 1])
  }

  @Test func namesOf255BytesFit() throws {
    let mount = try Mount()
    let long = (0..<20).map { String(repeating: "n", count: 253) + String($0 + 10) }
    for name in long { try Host.write("", to: mount.path(name)) }
    #expect(Set(names(try mount.client.list(root, capacity: 280))) == Set(long + [".", ".."]))
    #expect(Set(names(try mount.client.list(root, plus: true, capacity: 408))) == Set(long + [".", ".."]))
  }
}
