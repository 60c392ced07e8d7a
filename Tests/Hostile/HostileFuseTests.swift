// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Frontend
import FuseProtocol
import Linux
import Testing
import Wire

/// A guest that sends whatever it likes to a share. Invariants, after 100,000 requests:
/// - each request with room for an answer gets one that Linux would take: its own number, a true length, an errno;
/// - nothing outside of the shared directory has changed or was read, nor anything inside of a read-only one;
/// - no descriptor and no inode is left when the guest is gone, and private memory grew by no more than 64 MiB;
/// - an honest guest is served afterwards.
@Suite(.serialized, .timeLimit(.minutes(30)))
struct HostileFuseTests {
  private static let requests = 25_000
  private static let inFlight = 12

  @Test("25,000 random requests to each kind of share", arguments: ShareKind.allCases)
  func randomRequests(_ kind: ShareKind) async throws {
    let seed = Campaign.seed
    await #expect(processExitsWith: .success) { [seed = seed as UInt64, kind = kind as ShareKind] in
      reporting {
        let share = try HostileShare(kind)
        let victim = try Victim(share.device)
        try share.expectServes(victim)
        let before = try Footprint.now()
        var fuzzer = FuseFuzzer(dice: Campaign.dice("fuse", kind.rawValue.utf8.count, seed: seed))
        try HostileFuseTests.attack(victim, &fuzzer, count: HostileFuseTests.requests * Campaign.scale)
        try share.expectServes(victim)
        #expect(eventually { share.device.population == (0, 0) }, "inodes and files of a guest that is gone")
        try Footprint.expectSame(as: before, growthMiB: 64)
        victim.close()
        try share.expectUntouched()
        share.remove()
      }
    }
  }

  /// One guest's life.
  private static func attack(_ victim: Victim, _ fuzzer: inout FuseFuzzer, count: Int) throws {
    let driver = try HostileShare.attach(victim)
    let client = FuseClient(driver)
    let flags: FuseInitFlags = [
      .posixLocks, .flockLocks, .doReaddirplus, .maxPages, .submounts, .posixACL, .writebackCache, .handleKillprivV2,
      .createSuppGroup, .securityCtx,
    ]
    try client.initialize(flags)
    let ends = [FuseOpcode.destroy.rawValue, FuseOpcode.initialize.rawValue]
    var dice = Dice(seed: 1)
    var sent = 0
    while sent < count {
      var batch: [(request: FuseRequest, ticket: FuseTicket)] = []
      for _ in 0..<1 + dice.roll(inFlight) {
        client.argumentLayout = dice.pick([.joined, .joined, .separate, .single])
        client.uid = UInt32(dice.roll(3))
        client.gid = UInt32(dice.roll(3))
        let request = fuzzer.request()
        batch.append((request, try client.submit(request)))
        sent += 1
      }
      for (request, ticket) in batch { check(try client.wait(for: ticket), to: request, &fuzzer) }
      // What comes after the end of the mount is refused: a new one, so that there is something to break.
      if batch.contains(where: { ends.contains($0.request.opcode) }) {
        try client.initialize(flags)
        fuzzer.forgetAll()
      }
    }
    try driver.stop()
    driver.connection.close()
  }

  /// Every answer is one that Linux would take, or none where there was no room or no wish for one.
  private static func check(_ reply: FuseReply, to request: FuseRequest, _ fuzzer: inout FuseFuzzer) {
    guard reply.usedLength > 0 else { return }
    let what = "opcode \(request.opcode), node \(request.nodeid)"
    guard let header = reply.header else {
      Issue.record("\(reply.usedLength) bytes of answer: \(what)")
      return
    }
    #expect(header.unique == reply.unique, "\(what)")
    #expect(Int(header.len) == reply.usedLength, "\(what)")
    #expect(header.error <= 0 && header.error > -512, "\(what)")
    #expect(header.error == 0 || reply.body.isEmpty, "\(what)")
    if header.error == 0 { fuzzer.learn(request.opcode, request.nodeid, reply.body) }
  }

  @Test(
    "names that are no names are refused by every operation", arguments: ["", ".", "..", "a/b", "/", "../sentinel"])
  func badNames(_ name: String) async throws {
    await #expect(processExitsWith: .success) { [name = name as String] in
      reporting {
        let share = try HostileShare(.everything)
        let victim = try Victim(share.device)
        let client = FuseClient(try HostileShare.attach(victim))
        try client.initialize([.maxPages])
        let root = Fuse.rootID
        let file = try client.lookup(root, "file0").nodeid
        let refusals: [(String, () throws -> Void)] = [
          ("mkdir", { _ = try client.mkdir(root, name) }),
          ("mknod", { _ = try client.mknod(root, name, mode: 0o100644) }),
          ("symlink", { _ = try client.symlink(root, name, to: "x") }),
          ("link", { _ = try client.link(file, to: root, name) }),
          ("create", { _ = try client.create(root, name, flags: 0o102) }),
          ("unlink", { try client.unlink(root, name) }),
          ("rmdir", { try client.rmdir(root, name) }),
          ("rename from", { try client.rename(root, name, to: root, "x") }),
          ("rename to", { try client.rename(root, "file1", to: root, name) }),
          ("rename2 from", { try client.rename2(root, name, to: root, "x", flags: 0) }),
          ("rename2 to", { try client.rename2(root, "file1", to: root, name, flags: 0) }),
        ]
        for (operation, attempt) in refusals {
          #expect(throws: FuseError.self, "\(operation)") { try attempt() }
        }
        // LOOKUP of "." and ".." is part of exporting by NFS, but never leaves the share.
        if let entry = try? client.lookup(root, name), entry.nodeid != 0 {
          #expect(name == "." || name == "..")
          #expect(entry.nodeid == root)
        }
        victim.close()
        try share.expectUntouched()
        share.remove()
      }
    }
  }

  @Test("symlinks are read, never followed")
  func symlinksStay() async throws {
    await #expect(processExitsWith: .success) {
      reporting {
        let share = try HostileShare(.plain)
        let victim = try Victim(share.device)
        let client = FuseClient(try HostileShare.attach(victim))
        try client.initialize([.maxPages])
        let link = try client.lookup(Fuse.rootID, "link")
        #expect(link.attr.mode & 0o170000 == 0o120000)
        #expect(try client.readlink(link.nodeid) == Array("../sentinel".utf8))
        #expect(throws: FuseError.self) { try client.open(link.nodeid, flags: 0) }
        #expect(throws: FuseError.self) { try client.truncate(link.nodeid, size: 0) }
        let directory = try client.lookup(Fuse.rootID, "linkdir")
        #expect(throws: FuseError.self) { try client.lookup(directory.nodeid, "file0") }
        #expect(throws: FuseError.self) { try client.opendir(directory.nodeid) }
        #expect(throws: FuseError.self) { try client.create(directory.nodeid, "x", flags: 0o102) }
        var change = FuseSetattrIn()
        change.valid = .mode
        change.mode = 0o777
        _ = try? client.setattr(link.nodeid, change)
        _ = try? client.create(Fuse.rootID, "link", flags: 0o102)
        victim.close()
        try share.expectUntouched()
        share.remove()
      }
    }
  }

  @Test("a fifo without a writer does not hold its queue", arguments: [UInt32(0), 1, 2, 0o4000])
  func fifoDoesNotBlock(flags: UInt32) async throws {
    await #expect(processExitsWith: .success) { [flags = flags as UInt32] in
      reporting {
        let share = try HostileShare(.plain)
        let victim = try Victim(share.device)
        let client = FuseClient(try HostileShare.attach(victim))
        try client.initialize([.maxPages])
        let fifo = try client.lookup(Fuse.rootID, "fifo")
        _ = try? client.open(fifo.nodeid, flags: flags)
        #expect(try client.getattr(Fuse.rootID).attr.mode & 0o170000 == 0o040000)
        victim.close()
        share.remove()
      }
    }
  }
}
