// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import BlockProtocol
import Foundation
import Frontend
import Linux
import Support
import Testing
import VirtioProtocol

/// `--format null`: a volume of nothing, for measuring. Invariants:
/// - it answers what a disk of its size would: ranges are checked, read-only refuses, and its size is what was said;
/// - reads leave the guest's memory as it is, and nothing of the host is read or written.
@Suite(.timeLimit(.minutes(30))) struct BlockNothingTests {
  private let place: Workplace

  init() throws {
    place = try Workplace()
  }

  private func start(_ more: [String]) async throws -> (RunningProgram, VhostUserDriver) {
    let program = try RunningProgram([BlockDaemonTests.binary, "--socket-path=\(place.file("s"))"] + more, in: place)
    try await program.waitUntil("serving") { program.log.contains("] serving ") }
    var wishes = DriverWishes()
    for bit in [BlockFeatureBit.flush, BlockFeatureBit.discard, BlockFeatureBit.writeZeroes] {
      wishes.features.insert(.device(bit))
    }
    let driver = try VhostUserDriver(
      try FrontendConnection(path: place.file("s")), ram: try GuestRAM(byteCount: 8 << 20), wishes: wishes)
    try driver.start()
    return (program, driver)
  }

  @Test(arguments: ["auto", "threads"])
  func `it answers as a disk of its size and keeps nothing`(_ engine: String) async throws {
    let (program, driver) = try await start(
      ["--format=null", "--size=3M", "--engine=\(engine)", "--serial=NOTHING", "--control-socket=\(place.file("c"))"])
    let client = BlockClient(driver.queues[0])
    #expect(try driver.config(count: 8) == [0, 0x18, 0, 0, 0, 0, 0, 0])
    #expect(try client.identifier() == "NOTHING")

    try client.write(sector: 8, [UInt8](repeating: 7, count: 4096))
    try client.flushCache()
    try client.discard(BlockRange(sector: 0, numSectors: 16))
    try client.writeZeroes(BlockRange(sector: 0, numSectors: 16, flags: BlockRange.unmap))
    // The client fills what it will receive with ones.
    #expect(try client.read(sector: 8, byteCount: 4096) == [UInt8](repeating: 0xff, count: 4096))
    // To the last sector, and no further.
    #expect(try client.read(sector: 0x17ff, byteCount: 512).count == 512)
    #expect(throws: BlockError.refused(.ioError)) {
      try client.write(sector: 0x17ff, [UInt8](repeating: 7, count: 1024))
    }
    #expect(throws: BlockError.refused(.ioError)) { _ = try client.read(sector: 0x1800, byteCount: 512) }
    #expect(throws: BlockError.refused(.ioError)) { try client.discard(BlockRange(sector: 0x17ff, numSectors: 2)) }

    let control = try RunningProgram(
      [BuildFolder.program("martlet"), "control", "--control-socket=\(place.file("c"))", "resize", "4M"], in: place)
    let outcome = try await control.wait()
    #expect(outcome.code == 1 && outcome.errors.contains("a volume of nothing keeps its size"), "\(outcome.errors)")
    driver.connection.close()
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
    #expect(!program.log.contains("failed") && !program.log.contains("cannot"), "\(program.log)")
  }

  @Test func `what is read-only refuses to forget`() async throws {
    let (program, driver) = try await start(["--read-only", "--format=null", "--size=1M"])
    let client = BlockClient(driver.queues[0])
    #expect(try client.read(sector: 0, byteCount: 512).count == 512)
    #expect(throws: BlockError.refused(.ioError)) { try client.write(sector: 0, [UInt8](repeating: 7, count: 512)) }
    driver.connection.close()
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
  }
}
