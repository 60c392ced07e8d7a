// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FuseProtocol
import Testing
import Wire

/// Whole FUSE messages as bytes, written down by hand from fuse.h 7.45: for structs that the installed header lacks
/// this is the only proof, for the others a second one.
@Suite struct FuseGoldenTests {
  @Test func lookupRequest() throws {
    let golden = hex(
      """
      2c000000 01000000 0700000000000000 0100000000000000 e8030000 64000000 d2040000 0000 0000
      61 62 63 00
      """)
    let header = FuseInHeader(
      len: 44, opcode: FuseOpcode.lookup.rawValue, unique: 7, nodeid: 1, uid: 1000, gid: 100, pid: 1234)
    #expect(encoded(header) + Array("abc\0".utf8) == golden)
    try withScratch(golden.count, filledWith: golden) { segment in
      let reader = Reading(segment)
      let parsed = try #require(reader.read(FuseInHeader.self))
      #expect(parsed.operation == .lookup && parsed.unique == 7 && parsed.nodeid == Fuse.rootID)
      #expect(parsed.uid == 1000 && parsed.gid == 100 && parsed.pid == 1234 && parsed.extensionByteCount == 0)
      #expect(reader.readName()?.equals("abc") == true)
      #expect(reader.remaining == 0)
    }
  }

  @Test func extensionLengthIsInUnitsOfEightBytes() throws {
    let bytes = [UInt8](repeating: 0, count: 36) + hex("0300 0000")
    #expect(decoded(FuseInHeader.self, bytes)?.extensionByteCount == 24)
  }

  @Test func errorReply() {
    #expect(encoded(FuseOutHeader(len: 16, error: -2, unique: 9)) == hex("10000000 feffffff 0900000000000000"))
  }

  @Test func entryReply() throws {
    let golden = hex(
      """
      0500000000000000 0000000000000000 0a00000000000000 1400000000000000 01000000 02000000
      2a00000000000000 0010000000000000 0800000000000000
      0100000000000000 ffffffffffffffff 0300000000000000
      04000000 05000000 06000000 a4810000 01000000 e8030000 64000000 00000000 00100000 01000000
      """)
    var attr = FuseAttr()
    attr.ino = 42
    attr.size = 4096
    attr.blocks = 8
    attr.atime = 1
    attr.mtime = UInt64(bitPattern: -1)
    attr.ctime = 3
    attr.atimensec = 4
    attr.mtimensec = 5
    attr.ctimensec = 6
    attr.mode = 0o100644
    attr.nlink = 1
    attr.uid = 1000
    attr.gid = 100
    attr.blksize = 4096
    attr.flags = .submount
    let entry = FuseEntryOut(
      nodeid: 5, entryValid: 10, attrValid: 20, entryValidNsec: 1, attrValidNsec: 2, attr: attr)
    #expect(encoded(entry) == golden)
    #expect(golden.count == 128)
    let parsed = try #require(decoded(FuseEntryOut.self, golden))
    #expect(parsed.attr.mode == 0o100644 && Int64(bitPattern: parsed.attr.mtime) == -1)
    #expect(
      encoded(FuseAttrOut(attrValid: 1, attr: attr)) == hex("01000000000000000000000000000000") + golden.suffix(88))
  }

  @Test func initRequestOfAKernelWithFlags2() throws {
    let golden = hex("07000000 2d000000 00000200 09000040 04010000") + [UInt8](repeating: 0, count: 44)
    let request = try #require(decoded(FuseInitIn.self, golden))
    #expect(request.major == 7 && request.minor == 45 && request.maxReadahead == 131072)
    #expect(
      request.features == [.asyncRead, .atomicOTrunc, .initExt, .createSuppGroup, .allowIdmap])
    var made = FuseInitIn()
    made.major = 7
    made.minor = 45
    made.maxReadahead = 131072
    made.features = request.features
    #expect(encoded(made) == golden)
    let old = try #require(decoded(FuseInitInCompat.self, Array(golden.prefix(16))))
    #expect(old.minor == 45 && old.flags == request.flags)
  }

  @Test func flags2CountsOnlyWithInitExt() {
    #expect(FuseInitFlags(flags: 1, flags2: 0xffff_ffff) == .asyncRead)
    let both = FuseInitFlags(flags: 1 << 30, flags2: 1 << 10)
    #expect(both == [.initExt, .requestTimeout])
    #expect(both.low == 1 << 30 && both.high == 1 << 10)
  }

  @Test func initReplyHasTheFieldsSince738() throws {
    var reply = FuseInitOut()
    reply.major = 7
    reply.minor = 45
    reply.maxReadahead = 0x20000
    reply.features = [.asyncRead, .initExt, .securityCtx]
    reply.maxBackground = 0xffff
    reply.congestionThreshold = 0xbfff
    reply.maxWrite = 0x100000
    reply.timeGran = 1
    reply.maxPages = 256
    reply.mapAlignment = 12
    reply.maxStackDepth = 2
    reply.requestTimeout = 30
    let golden =
      hex("07000000 2d000000 00000200 01000040 ffff ffbf 00001000 01000000 0001 0c00 01000000 02000000 1e00")
      + [UInt8](repeating: 0, count: 22)
    #expect(encoded(reply) == golden)
    #expect(golden.count == 64)
  }

  @Test func openReplyHasTheBackingID() {
    let reply = FuseOpenOut(fh: 3, openFlags: [.keepCache, .passthrough], backingId: -1)
    #expect(encoded(reply) == hex("0300000000000000 82000000 ffffffff"))
    #expect(encoded(FuseOpenOut(fh: 3)) == hex("0300000000000000 00000000 00000000"))
  }

  @Test func setattrRequest() throws {
    let golden = hex(
      """
      48040000 00000000 0900000000000000 0002000000000000 0000000000000000
      0100000000000000 0200000000000000 0300000000000000
      04000000 05000000 06000000 ff010000 00000000 e8030000 64000000 00000000
      """)
    let request = try #require(decoded(FuseSetattrIn.self, golden))
    #expect(request.valid == [.size, .fh, .ctime])
    #expect(request.fh == 9 && request.size == 512 && request.ctime == 3 && request.ctimensec == 6)
    #expect(request.mode == 0o777 && request.uid == 1000 && request.gid == 100)
    #expect(encoded(request) == golden)
  }

  @Test func statxMessages() throws {
    var request = FuseStatxIn()
    request.getattrFlags = .fh
    request.fh = 4
    request.sxFlags = 0x100
    request.sxMask = 0xfff
    #expect(encoded(request) == hex("01000000 00000000 0400000000000000 00010000 ff0f0000"))

    var reply = FuseStatxOut()
    reply.attrValid = 1
    reply.attrValidNsec = 2
    reply.flags = .submount
    reply.stat.mask = 0xfff
    reply.stat.blksize = 4096
    reply.stat.attributes = 0x10
    reply.stat.nlink = 1
    reply.stat.uid = 2
    reply.stat.gid = 3
    reply.stat.mode = 0o100600
    reply.stat.ino = 4
    reply.stat.size = 5
    reply.stat.blocks = 6
    reply.stat.attributesMask = 7
    reply.stat.atime = FuseSxTime(tvSec: -1, tvNsec: 8)
    reply.stat.btime = FuseSxTime(tvSec: 9, tvNsec: 10)
    reply.stat.ctime = FuseSxTime(tvSec: 11, tvNsec: 12)
    reply.stat.mtime = FuseSxTime(tvSec: 13, tvNsec: 14)
    reply.stat.rdevMajor = 15
    reply.stat.rdevMinor = 16
    reply.stat.devMajor = 17
    reply.stat.devMinor = 18
    let golden =
      hex(
        """
        0100000000000000 02000000 01000000 0000000000000000 0000000000000000
        ff0f0000 00100000 1000000000000000 01000000 02000000 03000000 8081 0000
        0400000000000000 0500000000000000 0600000000000000 0700000000000000
        ffffffffffffffff 08000000 00000000 0900000000000000 0a000000 00000000
        0b00000000000000 0c000000 00000000 0d00000000000000 0e000000 00000000
        0f000000 10000000 11000000 12000000
        """) + [UInt8](repeating: 0, count: 112)
    #expect(encoded(reply) == golden)
    #expect(golden.count == 32 + 256)
  }

  @Test func copyFileRange64() {
    #expect(encoded(FuseCopyFileRangeOut(bytesCopied: 1 << 40)) == hex("0000000000010000"))
    let request = FuseCopyFileRangeIn(fhIn: 1, offIn: 2, nodeidOut: 3, fhOut: 4, offOut: 5, len: 6)
    #expect(
      encoded(request) == (1...6).flatMap { [$0, 0, 0, 0, 0, 0, 0, 0] } + [UInt8](repeating: 0, count: 8))
  }

  @Test func createWithSecurityContextAndGroup() throws {
    // Names and struct left out: what follows them, 48 bytes.
    let golden = hex(
      """
      20000000 01000000
      06000000 00000000 7365632e6100 6c6162656c00 00000000
      10000000 20000000 01000000 64000000
      """)
    try withScratch(golden.count, filledWith: golden) { segment in
      let reader = Reading(segment)
      let contexts = try #require(reader.read(FuseSecctxHeader.self))
      #expect(contexts.size == 32 && contexts.nrSecctx == 1)
      #expect(contexts.nrSecctx <= FuseExtensionType.maximumSecurityContexts)
      let context = try #require(reader.read(FuseSecctx.self))
      #expect(reader.readName()?.equals("sec.a") == true)
      #expect(reader.readBytes(Int(context.size))?.bytes() == Array("label\0".utf8))
      _ = reader.readBytes(4)
      let extra = try #require(reader.read(FuseExtHeader.self))
      #expect(extra.type == FuseExtensionType.groups && extra.size == 16)
      #expect(reader.read(FuseSuppGroups.self)?.nrGroups == 1)
      #expect(reader.read(UInt32.self) == 100)
      #expect(reader.remaining == 0)
    }
  }

  @Test func directoryEntryIsPaddedToEightBytes() {
    let name = Array("hello".utf8)
    let size = FuseDirent.direntSize(nameLength: name.count)
    #expect(size == 32)
    withScratch(size) { target in
      let writer = Writing(target)
      #expect(writer.append(FuseDirent(ino: 9, off: 1, namelen: 5, type: 8)))
      for byte in name { #expect(writer.append(byte)) }
      #expect(writer.appendZeroes(size - writer.count))
      #expect(
        target.bytes() == hex("0900000000000000 0100000000000000 05000000 08000000 68656c6c6f 000000"))
    }
    #expect(FuseDirentplus.direntSize(nameLength: 8) == 160)
    #expect(FuseDirentplus.direntSize(nameLength: 9) == 168)
  }

  @Test func configHasTheTagWithoutNULAtFullLength() throws {
    let config = try #require(FileSystemConfig(tag: "share".utf8, numRequestQueues: 2))
    #expect(encoded(config) == Array("share".utf8) + [UInt8](repeating: 0, count: 31) + hex("02000000"))
    let long = [UInt8](repeating: 0x61, count: 36)
    #expect(FileSystemConfig(tag: long, numRequestQueues: 1).map { encoded($0) } == long + hex("01000000"))
  }

  @Test(arguments: ["", String(repeating: "x", count: 37), "a\0b"])
  func configRefusesATagThatTheGuestCouldNotName(tag: String) {
    #expect(FileSystemConfig(tag: tag.utf8, numRequestQueues: 1) == nil)
  }
}
