// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Frontend
import Linux
import Support
import Testing

/// `--pin-memory`, seen from outside: what io_uring has pinned for a process is its VmPin (proc_pid_status(5)).
/// Invariants:
/// - all of the guest's memory is pinned, and no more; what the frontend takes away, and all when it leaves, is let go,
///   also by queues that do not run, and is not mapped any more;
/// - requests move the bytes of the memory that is there now, whatever was there before.
@Suite(.timeLimit(.minutes(30))) struct BlockPinningTests {
  private let place: Workplace

  init() throws {
    place = try Workplace()
    try Data(count: 1 << 20).write(to: URL(fileURLWithPath: place.file("image")))
  }

  private func start(_ what: String) async throws -> RunningProgram {
    let program = try RunningProgram(
      [
        BlockDaemonTests.binary, "--blk-file=\(place.file("image"))", "--socket-path=\(place.file("s"))",
        "--pin-memory=\(what)", "--direct=prefer", "--num-queues=2",
      ], in: place)
    try await program.waitUntil("serving") { program.log.contains("] serving ") }
    return program
  }

  private func attach(_ regions: [GuestRegionLayout]) throws -> VhostUserDriver {
    var wishes = DriverWishes()
    wishes.memory = .slots
    wishes.queueCount = 2
    let driver = try VhostUserDriver(
      try FrontendConnection(path: place.file("s")), ram: try GuestRAM(regions), wishes: wishes)
    try driver.start()
    return driver
  }

  private func region(_ number: UInt64, kibibytes: Int) -> GuestRegionLayout {
    GuestRegionLayout(
      guestAddress: number << 32, byteCount: kibibytes << 10, userAddress: 0x7f00_0000_0000 + number << 32)
  }

  /// Of the process that serves.
  private func server(of program: RunningProgram) throws -> Int32 {
    let children = try Path("/proc/\(program.identifier)/task/\(program.identifier)/children").contents()
    return try #require(Int32(children.split(separator: " ").first ?? ""))
  }

  private func expectPinned(_ kibibytes: Int, _ program: RunningProgram, _ what: String) async throws {
    let server = try server(of: program)
    try await program.waitUntil("\(kibibytes) KiB pinned \(what)") {
      (try? DaemonProcess.status(server, "VmPin")) == "\(kibibytes) kB"
    }
  }

  private func expectMapped(_ count: Int, _ program: RunningProgram, _ what: String) async throws {
    let server = try server(of: program)
    try await program.waitUntil("\(count) regions mapped \(what)") {
      guard let maps = try? Path("/proc/\(server)/maps").contents() else { return false }
      return maps.split(separator: "\n").count { $0.contains("/memfd:guest-memory") } == count
    }
  }

  /// Writes through each queue, from wherever the driver's buffers lie, and compares with the image and what is read.
  private func checkRequests(_ driver: VhostUserDriver, seed: UInt8) throws {
    for queue in driver.queues {
      let client = BlockClient(queue)
      for (number, byteCount) in [512, 4096, 64 << 10].enumerated() {
        let sector = queue.index * 1024 + number * 256
        let bytes = (0..<byteCount).map { UInt8(truncatingIfNeeded: $0 / 512 &* 7) &+ seed &+ UInt8(number) }
        try client.write(sector: UInt64(sector), bytes)
        let image = try Data(contentsOf: URL(fileURLWithPath: place.file("image")))
        #expect(Array(image[sector * 512..<sector * 512 + byteCount]) == bytes)
        #expect(try client.read(sector: UInt64(sector), byteCount: byteCount) == bytes)
      }
    }
  }

  @Test func `what the frontend shares is pinned once for each queue, and let go with it`() async throws {
    let program = try await start("on")
    let driver = try attach([region(0, kibibytes: 1024), region(1, kibibytes: 64)])
    try await expectPinned(2 * (1024 + 64), program, "at the start")
    try checkRequests(driver, seed: 1)

    try driver.plug(region(2, kibibytes: 256))
    try await expectPinned(2 * (1024 + 64 + 256), program, "with plugged memory")
    try await expectMapped(3, program, "with plugged memory")
    try checkRequests(driver, seed: 50)
    let plugged = try #require(driver.ram.unplug(at: 2 << 32))
    try driver.connection.removeMemory(plugged, needReply: true)
    try await expectPinned(2 * (1024 + 64), program, "without it")
    try await expectMapped(2, program, "without it")
    try checkRequests(driver, seed: 100)
    driver.connection.close()
    try await expectPinned(0, program, "when the frontend has left")

    // Another guest at the same addresses.
    let next = try attach([region(0, kibibytes: 1024)])
    try await expectPinned(2 * 1024, program, "for the next guest")
    try checkRequests(next, seed: 150)
    next.connection.close()
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
    #expect(!program.log.contains("cannot be pinned"), "\(program.log)")
  }

  @Test(arguments: [DriverWishes.MemoryMessages.slots, .table])
  func `a queue that does not run keeps no memory that has changed`(
    _ messages: DriverWishes.MemoryMessages
  ) async throws {
    let program = try await start("on")
    let driver = try attach([region(0, kibibytes: 1024), region(1, kibibytes: 64)])
    try await expectPinned(2 * (1024 + 64), program, "at the start")
    try await expectMapped(2, program, "at the start")
    _ = try driver.connection.getRingBase(1)
    if messages == .slots {
      let gone = try #require(driver.ram.unplug(at: 1 << 32))
      try driver.connection.removeMemory(gone, needReply: true)
    } else {
      _ = try #require(driver.ram.unplug(at: 1 << 32))
      try driver.connection.setMemoryTable(driver.ram, needReply: true)
    }
    try await expectPinned(1024, program, "by the queue that runs")
    try await expectMapped(1, program, "when a region is gone")
    let bytes = (0..<4096).map { UInt8(truncatingIfNeeded: $0 / 512 &* 7) }
    let client = BlockClient(driver.queues[0])
    try client.write(sector: 8, bytes)
    #expect(try client.read(sector: 8, byteCount: 4096) == bytes)
    driver.connection.close()
    try await expectPinned(0, program, "when the frontend has left")
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
  }

  /// Free huge pages of 2 MiB; nobody else needs to have left any.
  private static var freeHugePages: Int {
    let lines = (try? Path("/proc/meminfo").contents())?.split(separator: "\n") ?? []
    guard lines.contains(where: { $0.hasPrefix("Hugepagesize:") && $0.hasSuffix(" 2048 kB") }) else { return 0 }
    return lines.first { $0.hasPrefix("HugePages_Free:") }?.split(separator: " ").last.flatMap { Int($0) } ?? 0
  }

  @Test(.enabled(if: Self.freeHugePages >= 2, "needs two free huge pages of 2 MiB (vm.nr_hugepages)"))
  func `of memory in huge pages all is pinned if these are to be`() async throws {
    let program = try await start("huge")
    var wishes = DriverWishes()
    wishes.queueCount = 2
    let ram = try GuestRAM([region(0, kibibytes: 4096)], hugePages: true)
    let driver = try VhostUserDriver(try FrontendConnection(path: place.file("s")), ram: ram, wishes: wishes)
    try driver.start()
    try await expectPinned(2 * 4096, program, "in huge pages")
    try checkRequests(driver, seed: 1)
    driver.connection.close()
    try await expectPinned(0, program, "when the frontend has left")
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
  }

  @Test func `memory in ordinary pages is left alone if only huge ones are to be pinned`() async throws {
    let program = try await start("huge")
    let driver = try attach([region(0, kibibytes: 1024)])
    try checkRequests(driver, seed: 1)
    #expect(try DaemonProcess.status(try server(of: program), "VmPin") == "0 kB")
    driver.connection.close()
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
  }
}
