// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing
import Wire

/// Reads and writes that come together on one queue: of files that the guest opened with O_DIRECT, and through the page
/// cache, warm or cold, on a file system that can read without waiting and on one that cannot.
///
/// Invariants: every request is answered once, with its own data, in whatever order the disk is done; what was answered
/// is in the file; a queue that is stopped answers first; a short file reads short.
@Suite(.serialized) struct TransferTests {
  private static let block = 4096

  enum Way: String, CaseIterable {
    case direct
    case warm
    case cold
    case memory
  }

  private func pattern(_ index: Int) -> [UInt8] {
    (0..<TransferTests.block).map { UInt8(truncatingIfNeeded: ($0 &* 31) ^ (index &* 7) ^ ($0 >> 8)) }
  }

  private func mount(_ way: Way) throws -> Mount {
    try Mount(on: way == .memory ? .memory : .disk, memoryMiB: 32) { $0.allowDirectIO = way == .direct }
  }

  private func openFlags(_ way: Way) -> UInt32 {
    UInt32(bitPattern: OpenFlags.readWrite | (way == .direct ? OpenFlags.direct : 0))
  }

  /// The disk has to be asked again.
  private func cool(_ path: String, _ way: Way) throws {
    guard way == .cold else { return }
    let file = try Host.open(path, OpenFlags.readWrite)
    try file.file.sync(dataOnly: false)
    file.file.dropCachedPages()
  }

  /// One request with its data in page-aligned memory of its own, as O_DIRECT wants it.
  private struct AlignedRequest {
    let data: GuestBuffer
    let reply: GuestBuffer
  }

  private func submit(
    _ mount: Mount, _ opcode: FuseOpcode, _ node: UInt64, _ handle: UInt64, block index: Int, token: UInt64
  ) throws -> AlignedRequest {
    let block = TransferTests.block
    let isWrite = opcode == .write
    let request = try mount.driver.ram.allocate(80)
    let result = AlignedRequest(
      data: try mount.driver.ram.allocate(block, alignment: 4096), reply: try mount.driver.ram.allocate(24))
    var writer = ByteWriter(request.segment)
    writer.append(
      FuseInHeader(len: UInt32(80 + (isWrite ? block : 0)), opcode: opcode.rawValue, unique: token, nodeid: node))
    if isWrite {
      writer.append(FuseWriteIn(fh: handle, offset: UInt64(index * block), size: UInt32(block)))
      for (place, byte) in pattern(index).enumerated() { result.data.segment.store(byte, at: place) }
    } else {
      writer.append(FuseReadIn(fh: handle, offset: UInt64(index * block), size: UInt32(block)))
    }
    try mount.driver.queues[1].add(
      readable: isWrite ? [request, result.data] : [request],
      writable: isWrite ? [result.reply] : [result.reply.part(from: 0, count: 16), result.data], token: token)
    return result
  }

  private func submitRelease(
    _ mount: Mount, _ node: UInt64, _ handle: UInt64, token: UInt64
  ) throws -> AlignedRequest {
    let request = try mount.driver.ram.allocate(FuseInHeader.byteCount + FuseReleaseIn.byteCount)
    let reply = try mount.driver.ram.allocate(FuseOutHeader.byteCount)
    var writer = ByteWriter(request.segment)
    writer.append(
      FuseInHeader(len: UInt32(request.count), opcode: FuseOpcode.release.rawValue, unique: token, nodeid: node))
    writer.append(FuseReleaseIn(fh: handle))
    try mount.driver.queues[1].add(readable: [request], writable: [reply], token: token)
    return AlignedRequest(data: reply, reply: reply)
  }

  /// Waits for an answer to each; returns what each token's answer says: the header and the length used.
  private func answers(_ mount: Mount, _ requests: [AlignedRequest]) throws -> [(error: Int32, length: Int)] {
    let queue = mount.driver.queues[1]
    var found = [(error: Int32, length: Int)](repeating: (-1, -1), count: requests.count)
    var count = 0
    while count < requests.count {
      guard let used = try queue.takeUsed() else {
        try queue.wait(timeoutNanoseconds: 60_000_000_000)
        continue
      }
      let header = try #require(requests[Int(used.token)].reply.segment.load(FuseOutHeader.self))
      #expect(header.unique == used.token)
      #expect(found[Int(used.token)].length == -1, "answered twice")
      found[Int(used.token)] = (header.error, Int(used.length))
      count += 1
    }
    return found
  }

  @Test("a hundred writes and reads in flight each carry their own block", arguments: Way.allCases)
  func manyInFlight(_ way: Way) throws {
    let mount = try mount(way)
    defer { mount.close() }
    try Host.write(String(repeating: "x", count: 100 * TransferTests.block), to: mount.path("f"))
    let node = try mount.node("f")
    let handle = try mount.client.open(node, flags: openFlags(way)).fh
    let writes = try (0..<100).map { try submit(mount, .write, node, handle, block: $0, token: UInt64($0)) }
    mount.driver.queues[1].submit()
    for (index, answer) in try answers(mount, writes).enumerated() {
      #expect(answer == (0, 24), "write \(index)")
      #expect(writes[index].reply.segment.load(UInt32.self, at: 16) == UInt32(TransferTests.block))
    }
    let contents = try Data(contentsOf: URL(filePath: mount.path("f")))
    for index in 0..<100 {
      let found = contents[index * TransferTests.block..<(index + 1) * TransferTests.block]
      #expect([UInt8](found) == pattern(index), "block \(index)")
    }
    try cool(mount.path("f"), way)
    let reads = try (0..<100).map { try submit(mount, .read, node, handle, block: 99 - $0, token: UInt64($0)) }
    mount.driver.queues[1].submit()
    for (index, answer) in try answers(mount, reads).enumerated() {
      #expect(answer == (0, 16 + TransferTests.block), "read \(index)")
      #expect(reads[index].data.segment.bytes() == pattern(99 - index), "read \(index)")
    }
    try mount.client.release(node, handle)
  }

  @Test("reads over the end of the file are short, and behind it empty", arguments: Way.allCases)
  func shortReads(_ way: Way) throws {
    let mount = try mount(way)
    defer { mount.close() }
    let byteCount = 3 * TransferTests.block + 100
    try Host.write(String(repeating: "y", count: byteCount), to: mount.path("f"))
    let node = try mount.node("f")
    let handle = try mount.client.open(node, flags: openFlags(way)).fh
    try cool(mount.path("f"), way)
    let reads = try (0..<8).map { try submit(mount, .read, node, handle, block: $0, token: UInt64($0)) }
    mount.driver.queues[1].submit()
    #expect(try answers(mount, reads).map { $0.length - 16 } == [4096, 4096, 4096, 100, 0, 0, 0, 0])
    try mount.client.release(node, handle)
  }

  @Test("a file that is closed with reads in flight still answers them", arguments: Way.allCases)
  func closedMeanwhile(_ way: Way) throws {
    let mount = try mount(way)
    defer { mount.close() }
    try Host.write(String(repeating: "z", count: 64 * TransferTests.block), to: mount.path("f"))
    let node = try mount.node("f")
    for _ in 0..<20 {
      try cool(mount.path("f"), way)
      let handle = try mount.client.open(node, flags: openFlags(way)).fh
      var requests = try (0..<32).map { try submit(mount, .read, node, handle, block: $0, token: UInt64($0)) }
      requests.append(try submitRelease(mount, node, handle, token: 32))
      mount.driver.queues[1].submit()
      // The daemon takes them in order: all were begun when the file was closed.
      for answer in try answers(mount, requests) { #expect(answer.error == 0) }
    }
  }

  @Test("stopping the queue with reads in flight answers them first", arguments: Way.allCases)
  func stoppedMeanwhile(_ way: Way) throws {
    let mount = try mount(way)
    defer { mount.close() }
    try Host.write(String(repeating: "s", count: 64 * TransferTests.block), to: mount.path("f"))
    let node = try mount.node("f")
    let handle = try mount.client.open(node, flags: openFlags(way)).fh
    try cool(mount.path("f"), way)
    let reads = try (0..<48).map { try submit(mount, .read, node, handle, block: $0, token: UInt64($0)) }
    mount.driver.queues[1].submit()
    try mount.driver.queues[1].wait(timeoutNanoseconds: 60_000_000_000)
    try mount.driver.stop()
    var answered = 0
    while let used = try mount.driver.queues[1].takeUsed() {
      answered += 1
      #expect(reads[Int(used.token)].reply.segment.load(FuseOutHeader.self)?.error == 0)
      #expect(reads[Int(used.token)].data.segment.bytes().allSatisfy { $0 == UInt8(ascii: "s") })
    }
    #expect(answered > 0)
  }
}
