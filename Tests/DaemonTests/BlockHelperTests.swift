// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import BlockProtocol
import Foundation
import Frontend
import Linux
import Support
import Testing
import VirtioProtocol

/// The helper threads of `--engine=threads`, counted from outside. Invariants:
/// - a request that comes alone is done without one; several at once have several;
/// - those that are not needed any more end, and come back when they are.
@Suite(.timeLimit(.minutes(30))) struct BlockHelperTests {
  private static let blockByteCount = 4096
  private static let blockCount = 256

  private func helperCount(_ program: RunningProgram) throws -> Int {
    let children = try Path("/proc/\(program.identifier)/task/\(program.identifier)/children").contents()
    let server = try #require(children.split(separator: " ").first)
    let tasks = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(server)/task")
    return tasks.count { (try? Path("/proc/\(server)/task/\($0)/comm").contents()) == "blk-helper\n" }
  }

  private func bytes(_ block: Int) -> [UInt8] {
    (0..<Self.blockByteCount).map { UInt8(truncatingIfNeeded: block &+ $0 / 512) }
  }

  /// Reads that come together, more than once: a loaded machine may keep the daemon from seeing two of them at once.
  private func readTogether(_ client: BlockClient, _ program: RunningProgram) throws -> Int {
    for _ in 0..<100 {
      var wanted: [UInt64: Int] = [:]
      for block in 0..<32 {
        let request = BlockRequest(
          BlockRequestHeader(.read, sector: UInt64(block * 8)), receivedByteCount: Self.blockByteCount)
        wanted[try client.add(request)] = block
      }
      client.flush()
      while !wanted.isEmpty {
        let (token, answer) = try client.complete()
        let block = try #require(wanted[token])
        wanted[token] = nil
        #expect(try answer.checked().data == bytes(block))
      }
      let count = try helperCount(program)
      if count > 0 { return count }
    }
    return 0
  }

  @Test func `helpers are there while they are needed`() async throws {
    let place = try Workplace()
    // On a disk, where there is direct I/O.
    let image = "/var/tmp/martlet-helpers-\(getpid()).img"
    defer { try? FileManager.default.removeItem(atPath: image) }
    try Data((0..<Self.blockCount).flatMap { bytes($0) }).write(to: URL(fileURLWithPath: image))
    let program = try RunningProgram(
      [
        BlockDaemonTests.binary, "--blk-file=\(image)", "--socket-path=\(place.file("s"))", "--engine=threads",
        "--direct=prefer",
      ], in: place)
    try await program.waitUntil("serving") { program.log.contains("] serving ") }
    var wishes = DriverWishes()
    wishes.features.insert(.device(BlockFeatureBit.flush))
    let driver = try VhostUserDriver(
      try FrontendConnection(path: place.file("s")), ram: try GuestRAM(byteCount: 8 << 20), wishes: wishes)
    try driver.start()
    let client = BlockClient(driver.queues[0])

    for block in 0..<64 {
      #expect(try client.read(sector: UInt64(block * 8), byteCount: Self.blockByteCount) == bytes(block))
      try client.write(sector: UInt64(block * 8), bytes(block))
    }
    #expect(try helperCount(program) == 0, "for requests that came alone")
    for _ in 0..<2 {
      #expect(try readTogether(client, program) > 0)
      try await program.waitUntil("the helpers ended") { (try? helperCount(program)) == 0 }
    }
    driver.connection.close()
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
  }
}
