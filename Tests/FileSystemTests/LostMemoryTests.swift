// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing
import Wire

/// A frontend that truncates its guest memory while the share works on requests in it. Invariants: the share lives and
/// serves the next frontend; nothing of the old one is left; no byte is written to a file that the guest did not send.
@Suite(.timeLimit(.minutes(30)))
struct LostMemoryTests {
  private static let piece = 64 << 10
  private static let pieces = 12

  @Test func theShareLivesAndNoFileHoldsWhatNobodySent() throws {
    for _ in 0..<8 {
      let mount = try Mount(queues: 2, memoryMiB: 8)
      let size = Self.piece * Self.pieces
      try Host.write(String(repeating: "B", count: size), to: mount.path("file"))
      let (node, handle) = try mount.open("file")
      let ram = mount.driver.ram
      for number in 0..<Self.pieces {
        let offset = UInt64(number * Self.piece)
        // Payloads have pages of their own, as the guest's page cache has.
        let payload = try ram.allocate(Self.piece, alignment: 4096)
        payload.segment.copy([UInt8](repeating: UInt8(ascii: "A"), count: Self.piece))
        let write = FuseWriteIn(fh: handle, offset: offset, size: UInt32(Self.piece))
        try mount.driver.queues[1].add(.write, node, write.bytes, sends: payload)
        let read = FuseReadIn(fh: handle, offset: offset, size: UInt32(Self.piece))
        let room = try ram.allocate(Self.piece, alignment: 4096)
        try mount.driver.queues[2].add(.read, node, read.bytes, takes: room)
      }
      for queue in mount.driver.queues { queue.submit() }
      _ = Poll.wait(nil, nil, timeoutNanoseconds: Int64.random(in: 0...2_000_000))
      // From here on this side touches none of its memory; the device has requests in it.
      try #require(ram.regions.first).file.setSize(0)
      expectCutOff(mount)
      let contents = try Data(contentsOf: URL(filePath: mount.path("file")))
      #expect(contents.count == size)
      #expect(contents.allSatisfy { $0 == UInt8(ascii: "A") || $0 == UInt8(ascii: "B") })
      try expectServes(mount)
      mount.close()
    }
  }

  /// Half a name is no name that anybody sent.
  @Test func aRequestWhoseArgumentsAreGoneIsNotDone() throws {
    let mount = try Mount(memoryMiB: 8)
    try Host.write("B", to: mount.path("file"))
    _ = try mount.open("file")
    let ram = mount.driver.ram
    let boundary = 6 << 20
    let name = Array("half-and-half".utf8) + [0]
    var header = FuseInHeader()
    let arguments = FuseMkdirIn(mode: 0o755, umask: 0).bytes + name
    header.len = UInt32(FuseInHeader.byteCount + arguments.count)
    header.opcode = FuseOpcode.mkdir.rawValue
    header.unique = 77
    header.nodeid = Fuse.rootID
    // Four letters lie before the boundary.
    let start = boundary - Int(header.len) + name.count - 4
    let request = try #require(ram.buffer(at: UInt64(start), count: Int(header.len)))
    request.segment.copy(header.bytes + arguments)
    let answer = try #require(ram.buffer(at: UInt64(boundary - 8192), count: 256))
    try mount.driver.queues[1].add(readable: [request], writable: [answer], indirect: false)
    try #require(ram.regions.first).file.setSize(Int64(boundary))
    mount.driver.queues[1].submit()
    expectCutOff(mount)
    #expect(try FileManager.default.contentsOfDirectory(atPath: mount.directory) == ["file"])
    mount.close()
  }

  /// The device has forgotten the guest. One that had answered everything before the memory went does not look at it
  /// until it is kicked.
  private func expectCutOff(_ mount: Mount) {
    let end = Linux.Clock.monotonic + 60_000_000_000
    while mount.device.population != (0, 0), Linux.Clock.monotonic < end {
      _ = Poll.wait(nil, nil, timeoutNanoseconds: 1_000_000)
      for queue in mount.driver.queues { queue.kick() }
    }
    #expect(mount.device.population == (0, 0))
  }

  private func expectServes(_ mount: Mount) throws {
    var wishes = DriverWishes()
    wishes.queueCount = 3
    let next = try VhostUserDriver(
      try FrontendConnection(path: mount.socketPath), ram: try GuestRAM(byteCount: 8 << 20), wishes: wishes)
    try next.start()
    let client = FuseClient(next)
    try client.initialize(Mount.linux)
    let node = try client.lookup(Fuse.rootID, "file").nodeid
    let handle = try client.open(node, flags: 0).fh
    let first = try client.read(node, handle, offset: 0, count: 1)
    #expect(first == [UInt8(ascii: "A")] || first == [UInt8(ascii: "B")])
    next.connection.close()
  }
}
