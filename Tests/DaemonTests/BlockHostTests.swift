// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import BlockProtocol
import CSeccomp
import Foundation
import Frontend
import Linux
import Support
import Synchronization
import Testing

/// martlet-blk on hosts that are against it: io_uring forbidden, writes refused, the image somebody else's. Invariants:
/// - where io_uring cannot be had threads do its work, all of it, and the log says so once;
/// - what the host refuses is an error for the guest, the daemon lives, and what the host allows goes on.
@Suite(.timeLimit(.minutes(30))) struct BlockHostTests {
  /// The program started behind a filter that refuses io_uring_setup(2), as containers and kernel.io_uring_disabled do.
  /// Only a thread of its own gets the filter here, and what it starts inherits it.
  private static func startWithoutRings(_ arguments: [String], in place: Workplace) throws -> RunningProgram {
    let outcome = Mutex<Result<RunningProgram, any Error>?>(nil)
    let thread = try Linux.Thread(name: "no-rings") {
      let result = Result {
        try forbidRings()
        return try RunningProgram([BlockDaemonTests.binary] + arguments, in: place)
      }
      outcome.withLock { $0 = result }
    }
    thread.join()
    return try #require(outcome.withLock { $0 }).get()
  }

  private static func forbidRings() throws {
    // Macros of <seccomp.h>: SCMP_ACT_ALLOW, SCMP_ACT_ERRNO(EPERM).
    let allow: UInt32 = 0x7fff_0000
    let refuse: UInt32 = 0x0005_0001
    guard let filter = unsafe seccomp_init(allow) else { throw Trouble("no filter") }
    defer { unsafe seccomp_release(filter) }
    let number = unsafe seccomp_syscall_resolve_name("io_uring_setup")
    guard number >= 0, unsafe seccomp_rule_add_array(filter, refuse, number, 0, nil) == 0,
      unsafe seccomp_load(filter) == 0
    else { throw Trouble("the filter cannot be loaded") }
  }

  private func makeImage(_ place: Workplace) throws -> String {
    let path = place.file("image")
    try Data((0..<1 << 20).map { UInt8(truncatingIfNeeded: $0 >> 9) }).write(to: URL(fileURLWithPath: path))
    return path
  }

  private func attach(_ place: Workplace, queues: Int = 1) throws -> VhostUserDriver {
    var wishes = DriverWishes()
    wishes.queueCount = queues
    let driver = try VhostUserDriver(
      try FrontendConnection(path: place.file("s")), ram: try GuestRAM(byteCount: 8 << 20), wishes: wishes)
    try driver.start()
    return driver
  }

  @Test(arguments: ["off", "on"], ["namespace", "none"])
  func whereRingsAreForbiddenThreadsServe(_ direct: String, _ sandbox: String) async throws {
    let place = try Workplace()
    let image = try makeImage(place)
    let arguments = ["--blk-file=\(image)", "--socket-path=\(place.file("s"))", "--num-queues=2"]
    let program = try Self.startWithoutRings(
      arguments + ["--direct=\(direct)", "--sandbox=\(sandbox)"], in: place)
    try await program.waitUntil("serving") { program.log.contains("] serving ") }
    let line = "io_uring cannot be used (Operation not permitted): threads do its work, which costs more"
    #expect(program.log.components(separatedBy: line).count == 2, "\(program.log)")

    let driver = try attach(place, queues: 2)
    for queue in driver.queues {
      let client = BlockClient(queue)
      for number in 0..<40 {
        let sector = UInt64(number * 16 + queue.index * 8)
        #expect(try client.read(sector: sector, byteCount: 512) == [UInt8](repeating: UInt8(sector & 255), count: 512))
        try client.write(sector: sector, [UInt8](repeating: UInt8(number), count: 1024))
      }
      try client.flushCache()
      for number in 0..<40 {
        let bytes = try client.read(sector: UInt64(number * 16 + queue.index * 8), byteCount: 1024)
        #expect(bytes == [UInt8](repeating: UInt8(number), count: 1024))
      }
    }
    let bytes = try [UInt8](Data(contentsOf: URL(fileURLWithPath: image)))
    #expect(Array(bytes[(39 * 16 + 8) * 512..<(39 * 16 + 10) * 512]) == [UInt8](repeating: 39, count: 1024))
    driver.connection.close()
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
  }

  @Test func whoeverInsistsOnRingsIsToldThatThereAreNone() throws {
    let place = try Workplace()
    let program = try Self.startWithoutRings(
      ["--blk-file=\(try makeImage(place))", "--socket-path=\(place.file("s"))", "--engine=io_uring"], in: place)
    let outcome = try program.waitBlocking()
    #expect(outcome.code == 1 && outcome.errorLines.count == 1, "\(outcome.errors)")
    #expect(outcome.errors.contains("io_uring cannot be used (Operation not permitted); allow it, or give"))
    #expect(!place.exists("s"))
  }

  /// RLIMIT_FSIZE makes the host refuse every write behind a place (EFBIG), and sends SIGXFSZ with it.
  @Test(arguments: ["off", "on"], ["auto", "threads"])
  func aWriteThatTheHostRefusesIsAnErrorAndNotTheEnd(_ direct: String, _ engine: String) async throws {
    let place = try Workplace()
    let image = try makeImage(place)
    let program = try RunningProgram(
      [
        BlockDaemonTests.binary, "--blk-file=\(image)", "--socket-path=\(place.file("s"))", "--direct=\(direct)",
        "--engine=\(engine)",
      ], in: place, wrapper: ["prlimit", "--fsize=524288"])
    try await program.waitUntil("serving") { program.log.contains("] serving ") }
    let driver = try attach(place)
    let client = BlockClient(driver.queues[0])
    for round in 0..<3 {
      let bytes = [UInt8](repeating: 200 + UInt8(round), count: 4096)
      let write = BlockRequest(BlockRequestHeader(.write, sector: 1536), sent: bytes)
      #expect(try client.answer(to: write).status == BlockStatus.ioError.rawValue)
      try client.write(sector: 8, bytes)
      try client.flushCache()
      #expect(try client.read(sector: 8, byteCount: 4096) == bytes)
      #expect(try client.read(sector: 1536, byteCount: 512) == [UInt8](repeating: 0, count: 512))
    }
    #expect(program.log.contains("a write of the image '\(image)' failed: File too large"), "\(program.log)")
    driver.connection.close()
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
  }

  @Test func anImageOfSomebodyElseIsRefused() throws {
    let place = try Workplace()
    let image = try makeImage(place)
    try FileManager.default.setAttributes([.posixPermissions: 0], ofItemAtPath: image)
    var binary = BlockDaemonTests.binary
    var wrapper: [String] = []
    if DaemonProcess.isRoot {
      binary = try DaemonProcess.binaryForEverybody(in: place, "martlet-blk")
      wrapper = ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"]
    }
    for (more, hint) in [([], "or give --read-only"), (["--read-only"], "start as a user who may read it")] {
      let outcome = try RunningProgram(
        [binary, "--blk-file=\(image)", "--socket-path=\(place.file("s"))"] + more, in: place, wrapper: wrapper
      ).waitBlocking()
      #expect(outcome.code == 1 && outcome.errorLines.count == 1, "\(outcome.errors)")
      #expect(outcome.errors.contains("no permission to open the image '\(image)'"), "\(outcome.errors)")
      #expect(outcome.errors.contains(hint), "\(outcome.errors)")
    }
  }
}
