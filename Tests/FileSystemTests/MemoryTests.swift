// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

//
// Each measures in a process of its own, where nothing else allocates.

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing
import VhostUser

/// What shares cost the host. Invariants: a known inode costs about what its table entry takes; a share that nobody
/// uses costs next to nothing; a guest that left has given everything back.
@Suite(.timeLimit(.minutes(30)))
struct MemoryTests {
  /// Passes a measured figure on from the process that took it.
  private func show(_ result: ExitTest.Result?) {
    let text = String(decoding: result?.standardOutputContent ?? [], as: UTF8.self)
    for line in text.split(separator: "\n") where line.hasPrefix("figure: ") { print(line) }
  }

  @Test func aKnownInodeCostsLessThan220Bytes() async {
    show(
      await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
        let count = 100_000
        let mount = try Mount(on: .memory, memoryMiB: 16)
        for directory in 0..<10 { try Host.makeDirectory(mount.path("d\(directory)")) }
        for index in 0..<count {
          let file = try Host.open(mount.path("d\(index % 10)/\(index)"), O_CREAT | O_WRONLY, mode: 0o600)
          _ = file.file
        }
        func lookUpAll(_ last: Int) throws {
          for directory in 0..<last {
            let node = try mount.node("d\(directory)")
            let handle = try mount.client.opendir(node).fh
            var offset: UInt64 = 0
            while true {
              // The answers are not taken apart: that would measure the client.
              let request = mount.client.readRequest(.readdirplus, node, handle, offset: offset, count: 64 << 10)
              let body = try mount.client.perform(request).checkedBody()
              guard let end = lastOffset(body) else { break }
              offset = end
            }
            try mount.client.releasedir(node, handle)
          }
        }
        // The first request warms up what is not about inodes.
        let node = try mount.node("d0")
        try mount.client.forget(node)
        _ = try mount.client.list(Fuse.rootID, plus: true, capacity: 64 << 10)
        let before = try Host.memory("RssAnon")
        try lookUpAll(10)
        let after = try Host.memory("RssAnon")
        #expect(mount.device.population.inodes >= count)
        let each = (after - before) * 1024 / count
        print("figure: \(each) bytes of private memory for each of \(mount.device.population.inodes) known inodes")
        #expect(each < 220)
        mount.close()
        #expect(mount.device.population == (0, 0))
      })
  }

  @Test func anIdleShareCostsLessThan64KiB() async {
    show(
      await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
        let count = 50
        let queues = 1
        func start(_ number: Int) throws -> (Endpoint, FileSystemDevice) {
          let path = "/tmp/martlet-idle-\(getpid())-\(number).sock"
          var options = ShareOptions(name: "idle")
          options.requestQueues = queues
          let device = try Mount.device(options, sharing: "/var/tmp")
          let endpoint = Endpoint(listener: try ListeningSocket(path: path, mode: 0o700), device: device)
          let thread = try Linux.Thread(name: "idle") { _ = endpoint.run() }
          IdleThreads.hold(thread)
          return (endpoint, device)
        }
        var shares = [try start(0)]
        let before = try Host.memory("RssAnon")
        for number in 1...count { shares.append(try start(number)) }
        try await Task.sleep(for: .milliseconds(200))
        let each = (try Host.memory("RssAnon") - before) / count
        print("figure: \(each) KiB of private memory for each of \(count) idle shares with \(queues) request queue")
        #expect(each < 64)
        for share in shares { share.0.stop() }
        for number in 0...count { unlinkSocket(number) }
      })
  }

  @Test func mountingAgainAndAgainLeaksNothing() async {
    show(
      await #expect(processExitsWith: .success, observing: [\.standardOutputContent]) {
        func round() throws {
          let mount = try Mount(on: .memory, queues: 2)
          for index in 0..<50 { try Host.write("", to: mount.path("\(index)")) }
          for entry in try mount.client.list(Fuse.rootID, plus: true) {
            if let node = entry.entry?.nodeid, node != 0 { _ = try mount.client.open(node, flags: 0) }
          }
          mount.close()
        }
        for _ in 0..<5 { try round() }
        let descriptors = try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count
        let memory = try Host.memory("RssAnon")
        let rounds = Host.isSlow ? 1000 : 40
        for _ in 0..<rounds { try round() }
        // One per mount would be twice as many; the runtime opens some of its own when it first needs them.
        #expect(try FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd").count < descriptors + rounds / 2)
        let growth = try Host.memory("RssAnon") - memory
        print("figure: \(growth) KiB more private memory after \(rounds) mounts")
        #expect(growth < 40 * 32, "what allocators keep, and no amount per mount")
      })
  }
}

/// Threads of endpoints that run until the process ends.
private enum IdleThreads {
  static func hold(_ thread: consuming Linux.Thread) {
    // Nothing to do: a thread that is not joined runs on.
    _ = consume thread
  }
}

private func unlinkSocket(_ number: Int) {
  try? FileManager.default.removeItem(atPath: "/tmp/martlet-idle-\(getpid())-\(number).sock")
}

/// Where reading goes on after an answer to READDIRPLUS; nil at the end.
private func lastOffset(_ body: [UInt8]) -> UInt64? {
  var offset = 0
  var last: UInt64?
  while let entry = body.load(FuseDirentplus.self, at: offset) {
    last = entry.dirent.off
    offset += FuseDirentplus.direntSize(nameLength: Int(entry.dirent.namelen))
  }
  return last
}
