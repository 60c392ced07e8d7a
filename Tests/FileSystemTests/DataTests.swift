// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing
import Wire

/// File contents. Invariants: a READ is short only at the end of the file; a WRITE writes exactly `size` bytes,
/// whatever the buffers hold; no offset and no number of segments upsets the server.
@Suite(.timeLimit(.minutes(30)))
struct DataTests {
  private let root = Fuse.rootID

  private func pattern(_ count: Int, seed: Int = 0) -> [UInt8] {
    (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 31 &+ $0 >> 8 &+ seed) }
  }

  @Test func readsAreShortOnlyAtTheEnd() throws {
    let mount = try Mount()
    let file = try mount.open("file")
    let bytes = pattern(10_000)
    #expect(try mount.client.write(file.node, file.handle, offset: 0, bytes) == bytes.count)
    func read(_ offset: UInt64, _ count: Int) throws -> [UInt8] {
      try mount.client.read(file.node, file.handle, offset: offset, count: count)
    }
    #expect(try read(0, 10_000) == bytes)
    #expect(try read(0, 65536) == bytes)
    #expect(try read(4096, 4096) == Array(bytes[4096..<8192]))
    #expect(try read(9_999, 100) == [bytes[9_999]])
    #expect(try read(10_000, 100) == [])
    #expect(try read(1 << 40, 100) == [])
    #expect(try read(0, 0) == [])
  }

  @Test func holesReadAsZeroes() throws {
    let mount = try Mount()
    let file = try mount.open("file")
    _ = try mount.client.write(file.node, file.handle, offset: 1 << 20, [7])
    #expect(
      try mount.client.read(file.node, file.handle, offset: (1 << 20) - 8, count: 100) == [0, 0, 0, 0, 0, 0, 0, 0, 7])
    #expect(try mount.client.getattr(file.node).attr.size == 1 << 20 + 1)
    #expect(try Host.status(mount.path("file")).st_blocks < 64)
  }

  @Test func aWriteWritesItsSizeAndNotWhatElseIsInTheBuffers() throws {
    let mount = try Mount()
    let file = try mount.open("file", containing: String(repeating: "x", count: 8192))
    for layout in [FuseArgumentLayout.joined, .separate, .single] {
      mount.client.argumentLayout = layout
      var request = FuseRequest(.write, node: file.node)
      request.append(FuseWriteIn(fh: file.handle, offset: 0, size: 100))
      request.data = [UInt8](repeating: UInt8(ascii: "y"), count: 4096)
      request.replyByteCount = FuseWriteOut.byteCount
      let reply: FuseWriteOut = try mount.client.perform(request).value()
      #expect(reply.size == 100)
      let bytes = try Host.bytes(mount.path("file"))
      #expect(bytes.count == 8192)
      #expect(bytes.prefix(100).allSatisfy { $0 == UInt8(ascii: "y") })
      #expect(bytes.dropFirst(100).allSatisfy { $0 == UInt8(ascii: "x") })
    }
  }

  @Test func aWriteOfMoreThanTheBuffersHoldIsRefused() throws {
    let mount = try Mount()
    let file = try mount.open("file", containing: "text")
    for size in [5, 4097, .max] as [UInt32] {
      var request = FuseRequest(.write, node: file.node)
      request.append(FuseWriteIn(fh: file.handle, offset: 0, size: size))
      request.data = [1, 2, 3, 4]
      request.replyByteCount = FuseWriteOut.byteCount
      expectRefused(.invalid) { try mount.client.perform(request).checkedBody() }
    }
    #expect(try Host.text(mount.path("file")) == "text")
  }

  @Test func aReadOfLessThanTheBuffersHoldReturnsItsSize() throws {
    let mount = try Mount()
    let file = try mount.open("file", containing: String(repeating: "x", count: 8192))
    var request = FuseRequest(.read, node: file.node)
    request.append(FuseReadIn(fh: file.handle, offset: 0, size: 100))
    request.replyDataByteCount = 4096
    #expect(try mount.client.perform(request).checkedBody().count == 100)
  }

  @Test func aReadOfMoreThanTheBuffersHoldFillsThem() throws {
    let mount = try Mount()
    let file = try mount.open("file", containing: String(repeating: "x", count: 8192))
    for size in [4097, .max] as [UInt32] {
      var request = FuseRequest(.read, node: file.node)
      request.append(FuseReadIn(fh: file.handle, offset: 0, size: size))
      request.replyDataByteCount = 4096
      #expect(try mount.client.perform(request).checkedBody().count == 4096)
    }
  }

  @Test func moreSegmentsThanOneCallTakesArriveWhole() throws {
    let mount = try Mount(queueSize: 8192, memoryMiB: 16)
    mount.client.pageByteCount = 317
    let file = try mount.open("file")
    // 3308 segments; preadv2 and pwritev2 take 1024.
    let bytes = pattern(1 << 20)
    #expect(try mount.client.write(file.node, file.handle, offset: 5, bytes) == bytes.count)
    #expect(try Host.bytes(mount.path("file")).dropFirst(5).elementsEqual(bytes))
    #expect(try mount.client.read(file.node, file.handle, offset: 5, count: 1 << 20) == bytes)
  }

  @Test(arguments: [1 << 63, .max, UInt64(Int64.max), (1 << 63) - 4096, UInt64(Int64.max) - UInt64(UInt32.max)])
  func offsetsPastTheEndOfTheWorldAreErrors(offset: UInt64) throws {
    let mount = try Mount()
    let file = try mount.open("file", containing: "text")
    let (node, handle) = file
    // Up to the largest file there is nothing there; beyond it is no offset.
    let read = try unlessRefused(.invalid) { try mount.client.read(node, handle, offset: offset, count: 8192) }
    #expect(read == nil || read == [])
    let written = try unlessRefused(.fileTooLarge, .invalid) {
      try mount.client.write(node, handle, offset: offset, [1])
    }
    #expect(written == nil)
    #expect(throws: FuseError.self) { try mount.client.fallocate(node, handle, offset: offset, length: 4096) }
    #expect(throws: FuseError.self) { try mount.client.lseek(node, handle, offset: offset, whence: 3) }
    #expect(throws: FuseError.self) { try mount.client.truncate(node, size: offset) }
    for range in [
      FuseCopyFileRangeIn(fhIn: handle, offIn: offset, nodeidOut: node, fhOut: handle, offOut: 8, len: 4),
      FuseCopyFileRangeIn(fhIn: handle, offIn: 0, nodeidOut: node, fhOut: handle, offOut: offset, len: 4),
    ] {
      let copied = try unlessRefused(.invalid, .fileTooLarge, .overflow) {
        try mount.client.copyFileRange64(node, range)
      }
      #expect(copied == nil || copied == 0)
    }
    #expect(try Host.text(mount.path("file")) == "text")
  }

  @Test func holesAndDataAreFound() throws {
    let mount = try Mount()
    let file = try mount.open("file")
    _ = try mount.client.write(file.node, file.handle, offset: 1 << 20, [UInt8](repeating: 1, count: 4096))
    try mount.client.truncate(file.node, size: 3 << 20)
    let (seekData, seekHole) = (UInt32(3), UInt32(4))
    func seek(_ offset: UInt64, _ whence: UInt32) throws -> UInt64 {
      try mount.client.lseek(file.node, file.handle, offset: offset, whence: whence)
    }
    #expect(try seek(0, seekData) == 1 << 20)
    #expect(try seek(1 << 20, seekHole) == 1 << 20 + 4096)
    #expect(try seek(0, seekHole) == 0)
    expectRefused(Errno(ENXIO)) { try seek(2 << 20, seekData) }
    expectRefused(Errno(ENXIO)) { try seek(4 << 20, seekHole) }
    for whence in [0, 1, 2, 5, .max] as [UInt32] { expectRefused(.invalid) { try seek(0, whence) } }
  }

  @Test func spaceIsReservedAndGivenBack() throws {
    let mount = try Mount()
    let file = try mount.open("file", containing: String(repeating: "x", count: 65536))
    let (keepSize, punch, zero) = (UInt32(1), UInt32(2), UInt32(16))
    try mount.client.fallocate(file.node, file.handle, offset: 0, length: 1 << 20)
    #expect(try mount.client.getattr(file.node).attr.size == 1 << 20)
    #expect(try Host.status(mount.path("file")).st_blocks >= 2048)
    try mount.client.fallocate(file.node, file.handle, offset: 0, length: 2 << 20, mode: keepSize)
    #expect(try mount.client.getattr(file.node).attr.size == 1 << 20)
    try mount.client.fallocate(file.node, file.handle, offset: 4096, length: 8192, mode: punch | keepSize)
    try mount.client.fallocate(file.node, file.handle, offset: 20_000, length: 100, mode: zero | keepSize)
    let bytes = try Host.bytes(mount.path("file"))
    #expect(bytes[4095] == 120 && bytes[4096] == 0 && bytes[12_287] == 0 && bytes[12_288] == 120)
    #expect(bytes[19_999] == 120 && bytes[20_000] == 0 && bytes[20_100] == 120)
    expectRefused(.notSupported) {
      try mount.client.fallocate(file.node, file.handle, offset: 0, length: 1, mode: punch)
    }
    expectRefused(.invalid) { try mount.client.fallocate(file.node, file.handle, offset: 0, length: 0) }
  }

  @Test func rangesAreCopiedInBothWidths() throws {
    let mount = try Mount()
    let bytes = pattern(100_000)
    let source = try mount.open("source")
    _ = try mount.client.write(source.node, source.handle, offset: 0, bytes)
    let target = try mount.open("target")
    var range = FuseCopyFileRangeIn(
      fhIn: source.handle, offIn: 10, nodeidOut: target.node, fhOut: target.handle, offOut: 5, len: 1000)
    #expect(try mount.client.copyFileRange(source.node, range) == 1000)
    #expect(try Host.bytes(mount.path("target")) == [0, 0, 0, 0, 0] + bytes[10..<1010])
    range.len = .max
    range.offIn = 0
    range.offOut = 0
    #expect(try mount.client.copyFileRange64(source.node, range) == 100_000)
    #expect(try Host.bytes(mount.path("target")) == bytes)
    range.offIn = 99_999
    #expect(try mount.client.copyFileRange(source.node, range) == 1)
    range.offIn = 200_000
    #expect(try mount.client.copyFileRange(source.node, range) == 0)
    range.flags = 1
    expectRefused(.invalid) { try mount.client.copyFileRange(source.node, range) }
    range.flags = 1 << 40
    #expect(throws: FuseError.self) { try mount.client.copyFileRange64(source.node, range) }
  }

  @Test func syncsSucceed() throws {
    let mount = try Mount()
    let file = try mount.open("file", containing: "text")
    _ = try mount.client.write(file.node, file.handle, offset: 0, [1])
    try mount.client.fsync(file.node, file.handle)
    try mount.client.fsync(file.node, file.handle, dataOnly: true)
    try mount.client.flush(file.node, file.handle)
    let directory = try mount.client.opendir(root).fh
    try mount.client.fsyncdir(root, directory)
    try mount.client.syncfs()
    expectRefused(.noEntry) { try mount.client.syncfs(1 << 50) }
  }

  /// The chain's length and the answer's are 32 bits wide, what a chain's descriptors can add up to is not.
  @Test func aReadOf4GiBIntoOneBufferMapped4096TimesIsAnswered() throws {
    let mount = try Mount(queueSize: 8192, memoryMiB: 4)
    let path = mount.path("sparse")
    try Host.write("", to: path)
    guard unsafe truncate(path, 5 << 30) == 0 else { throw Errno(errno) }
    let file = try mount.open("sparse", flags: O_RDONLY)
    let ram = mount.client.ram
    let question = try ram.allocate(FuseInHeader.byteCount + FuseReadIn.byteCount)
    let header = FuseInHeader(
      len: UInt32(question.count), opcode: FuseOpcode.read.rawValue, unique: 99, nodeid: file.node, uid: 0, gid: 0,
      pid: 0, totalExtLen: 0)
    question.segment.store(header)
    question.segment.store(FuseReadIn(fh: file.handle, offset: 0, size: .max), at: FuseInHeader.byteCount)
    let answer = try ram.allocate(FuseOutHeader.byteCount)
    let buffer = try ram.allocate(1 << 20, alignment: 4096)
    let queue = mount.client.requests[0]
    let many = [GuestBuffer](repeating: buffer, count: 4097)
    try queue.add(readable: [question], writable: [answer] + many, token: 1)
    queue.submit()
    let used = try queue.takeNext(timeoutNanoseconds: 60_000_000_000)
    let reply = answer.segment.load(FuseOutHeader.self)
    #expect(reply?.unique == 99)
    #expect(reply?.len == used.length)
    _ = try mount.client.getattr(root)
  }
}
