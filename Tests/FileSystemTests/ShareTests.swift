// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Synchronization
import Testing
import Virtio
import Wire

/// Several shares in one process and several queues of one share. Invariants: shares know nothing of each other;
/// queues served at the same time see one consistent file system and lose no reference.
@Suite(.timeLimit(.minutes(30)))
struct ShareTests {
  @Test func sharesOfOneProcessAreSeparate() throws {
    var mounts: [Mount] = []
    for index in 0..<8 {
      let mount = try Mount(on: index % 2 == 0 ? .disk : .memory) { $0.readOnly = index == 7 }
      try Host.write("share \(index)", to: mount.path("file"))
      mounts.append(mount)
    }
    for (index, mount) in mounts.enumerated() {
      #expect(try mount.contents(try mount.node("file")) == Array("share \(index)".utf8))
      #expect(mount.device.population == (1, 0))
    }
    mounts[3].close()
    for (index, mount) in mounts.enumerated() where index != 3 {
      #expect(try mount.contents(try mount.node("file")) == Array("share \(index)".utf8))
    }
    expectRefused(.readOnly) { try mounts[7].client.unlink(Fuse.rootID, "file") }
    try mounts[6].client.unlink(Fuse.rootID, "file")
    for mount in mounts { mount.close() }
  }

  @Test func oneDirectoryMayBeSharedTwice() throws {
    let ground = try TemporaryDirectory()
    let one = try Mount(of: ground.path)
    let two = try Mount(of: ground.path) { $0.readOnly = true }
    let made = try one.client.create(Fuse.rootID, "file", flags: UInt32(O_RDWR))
    _ = try one.client.write(made.entry.nodeid, made.open.fh, offset: 0, Array("text".utf8))
    #expect(try two.contents(try two.node("file")) == Array("text".utf8))
    one.close()
    #expect(try two.contents(try two.node("file")) == Array("text".utf8))
    two.close()
  }

  @Test func operationsAreCounted() throws {
    let mount = try Mount()
    for _ in 0..<3 { _ = try mount.client.getattr(Fuse.rootID) }
    expectRefused(.noEntry) { try mount.client.lookup(Fuse.rootID, "absent") }
    let counts = Dictionary(
      uniqueKeysWithValues: mount.device.operationCounts.map { ($0.operation, [$0.count, $0.failures]) })
    #expect(counts["getattr"] == [3, 0])
    #expect(counts["lookup"] == [1, 1])
    #expect(counts["mkdir"] == nil)
  }

  @Test func operationsAreTimedOnTheirQueueUnlessNobodyWantsToKnow() throws {
    for measures in [true, false] {
      let mount = try Mount(queues: 2) { $0.measuresLatency = measures }
      for _ in 0..<5 { _ = try mount.client.getattr(Fuse.rootID) }
      expectRefused(.noEntry) { try mount.client.lookup(Fuse.rootID, "absent") }
      let readings = mount.device.operationReadings
      #expect(readings.filter { $0.operation == "getattr" }.map { $0.count }.reduce(0, +) == 5)
      for reading in readings {
        #expect(reading.queue > 0, "the first queue carries no requests")
        guard measures else {
          #expect(reading.latency == nil)
          continue
        }
        let latency = try #require(reading.latency)
        #expect(latency.count == reading.count, "\(reading.operation): what is counted is timed")
        #expect(latency.totalNanoseconds > 0 && latency.longestNanoseconds <= latency.totalNanoseconds)
        #expect(latency.nanoseconds(percentile: 99) <= latency.longestNanoseconds)
      }
      mount.close()
    }
  }

  /// No operation is told to have taken longer than the client waited for its answer, but for what the thread may have
  /// been kept from its processor between reading the clock and finding the request.
  @Test func theTimeIsThatOfTheOperation() throws {
    let mount = try Mount()
    let (node, handle) = try mount.open("file", containing: "text")
    let before = Linux.Clock.monotonic
    try mount.client.fallocate(node, handle, offset: 0, length: 1 << 20, mode: 0)
    let passed = UInt64(Linux.Clock.monotonic - before)
    _ = try mount.client.getattr(node)
    let reading = mount.device.operationReadings.first { $0.operation == "fallocate" }
    let allocation = try #require(reading?.latency)
    #expect(allocation.count == 1)
    #expect(allocation.longestNanoseconds > 0 && allocation.longestNanoseconds <= passed + 10_000_000_000)
    mount.close()
  }

  /// One client thread's work in its own directory, with looks into the others' and at a file that all share.
  private static func work(_ client: FuseClient, _ number: Int, rounds: Int, failures: borrowing Atomic<Int>) throws {
    let own = try client.mkdir(Fuse.rootID, "d\(number)").nodeid
    var forgets: [(node: UInt64, count: UInt64)] = [(own, 1)]
    func forget(_ node: UInt64) throws {
      var request = FuseRequest(.forget, node: node)
      request.append(FuseForgetIn(nlookup: 1))
      request.isAnswered = false
      request.queue = .request(0)
      _ = try client.perform(request)
    }
    for round in 0..<rounds {
      let text = Array("thread \(number) round \(round)".utf8)
      let made = try client.create(own, "f\(round)", flags: UInt32(O_RDWR | O_CREAT | O_EXCL))
      let (node, handle) = (made.entry.nodeid, made.open.fh)
      if try client.write(node, handle, offset: 0, text) != text.count { failures.add(1, ordering: .relaxed) }
      if try client.read(node, handle, offset: 0, count: 100) != text { failures.add(1, ordering: .relaxed) }
      try client.release(node, handle)
      if round % 3 == 0 {
        try client.rename(own, "f\(round)", to: own, "moved\(round)")
        if try client.lookup(own, "moved\(round)").nodeid != node { failures.add(1, ordering: .relaxed) }
        try forget(node)
      }
      if round % 5 == 0 { try client.unlink(own, round % 3 == 0 ? "moved\(round)" : "f\(round)") }
      try forget(node)
      // The same inodes as all other threads, found and forgotten all the time.
      let shared = try client.lookup(Fuse.rootID, "shared")
      if try client.getattr(shared.nodeid).attr.ino != shared.attr.ino { failures.add(1, ordering: .relaxed) }
      for entry in try client.list(Fuse.rootID, plus: true) {
        if let node = entry.entry?.nodeid, node != 0 { try forget(node) }
      }
      try forget(shared.nodeid)
    }
    for one in forgets { try forget(one.node) }
    forgets = []
  }

  private final class Tally: Sendable {
    let wrong = Atomic<Int>(0)
    let errors = Mutex<[String]>([])
  }

  @Test(arguments: InodeFileHandles.allCases) func queuesServedAtTheSameTimeAgree(mode: InodeFileHandles) throws {
    let queues = 4
    let rounds = Host.isSlow ? 2000 : 60
    let mount = try Mount(queues: queues, memoryMiB: 32) {
      $0.inodeFileHandles = mode
      $0.descriptorCacheLimit = 1
    }
    try Host.write("", to: mount.path("shared"))
    let tally = Tally()
    var jobs: [Job] = []
    for number in 0..<queues {
      // Each thread owns one queue and a client of its own; the high-priority queue is nobody's.
      let client = FuseClient(
        highPriority: mount.driver.queues[0], requests: [mount.driver.queues[number + 1]], ram: mount.driver.ram)
      let handed = Handed(value: client)
      jobs.append(
        try Job {
          do {
            try ShareTests.work(handed.value, number, rounds: rounds, failures: tally.wrong)
          } catch {
            tally.errors.withLock { $0.append("\(error)") }
          }
        })
    }
    for job in jobs { job.join() }
    #expect(tally.wrong.load(ordering: .relaxed) == 0)
    #expect(tally.errors.withLock { $0 } == [])
    #expect(mount.device.population == (0, 0))
    for number in 0..<queues {
      let expected = (0..<rounds).filter { $0 % 5 != 0 }.map { $0 % 3 == 0 ? "moved\($0)" : "f\($0)" }
      #expect(try Host.names(mount.path("d\(number)")) == expected.sorted())
      #expect(try Host.text(mount.path("d\(number)/f1")) == "thread \(number) round 1")
    }
  }

  @Test func forgetsOnTheHighPriorityQueueRaceWithLookups() throws {
    let mount = try Mount(queues: 1)
    try Host.write("", to: mount.path("file"))
    for _ in 0..<(Host.isSlow ? 20_000 : 500) {
      let first = try mount.client.lookup(Fuse.rootID, "file").nodeid
      var lookup = FuseRequest(.lookup, node: Fuse.rootID)
      lookup.append(name: "file")
      lookup.replyByteCount = FuseEntryOut.byteCount
      let ticket = try mount.client.submit(lookup)
      try mount.client.forget(first)
      let second: FuseEntryOut = try mount.client.wait(for: ticket).value()
      _ = try mount.client.getattr(second.nodeid)
      try mount.client.forget(second.nodeid)
      #expect(mount.device.population.inodes == 0)
    }
  }
}
