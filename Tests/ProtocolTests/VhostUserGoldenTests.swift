// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import VhostUserProtocol
import Wire

/// Whole vhost-user messages as they go over the socket, written down by hand from vhost-user.rst: the structs make
/// these bytes, and these bytes make the structs.
@Suite struct VhostUserGoldenTests {
  /// The bytes of a message: header, then payload.
  private func message<Payload: WireValue>(_ request: FrontendRequest, _ payload: Payload) -> [UInt8] {
    encoded(MessageHeader(request, size: UInt32(Payload.byteCount))) + encoded(payload)
  }

  /// Takes a message apart.
  private func parse<Payload: WireValue>(_: Payload.Type, _ bytes: [UInt8]) throws -> (MessageHeader, Payload) {
    try withScratch(bytes.count, filledWith: bytes) { segment in
      let reader = Reading(segment)
      let header = try #require(reader.read(MessageHeader.self))
      let payload = try #require(reader.read(Payload.self))
      #expect(reader.remaining == 0)
      return (header, payload)
    }
  }

  @Test func headerCarriesVersionReplyAndNeedReply() throws {
    #expect(encoded(MessageHeader(FrontendRequest.getFeatures)) == hex("01000000 01000000 00000000"))
    let needy = MessageHeader(FrontendRequest.setFeatures, size: 8, needReply: true)
    #expect(encoded(needy) == hex("02000000 09000000 08000000"))
    #expect(needy.needsReply && !needy.isReply && needy.hasSupportedVersion)
    #expect(encoded(needy.replyHeader(size: 8)) == hex("02000000 05000000 08000000"))
    #expect(needy.replyHeader(size: 8).isReply && !needy.replyHeader(size: 8).needsReply)
    #expect(encoded(MessageHeader(BackendRequest.shmemMap, size: 40)) == hex("09000000 01000000 28000000"))
    let future = try #require(decoded(MessageHeader.self, hex("01000000 02000000 00000000")))
    #expect(!future.hasSupportedVersion)
  }

  @Test func setVringAddr() throws {
    let golden = hex(
      """
      09000000 01000000 28000000
      02000000 01000000
      0010000000000000 0030000000000000 0020000000000000 efcdab8967452301
      """)
    let payload = VringAddress(
      index: 2, flags: .log, descriptor: 0x1000, used: 0x3000, available: 0x2000, log: 0x0123_4567_89ab_cdef)
    #expect(message(.setVringAddr, payload) == golden)
    let (header, parsed) = try parse(VringAddress.self, golden)
    #expect(header.request == FrontendRequest.setVringAddr.rawValue)
    #expect(parsed.index == 2 && parsed.flags == .log && parsed.descriptor == 0x1000 && parsed.used == 0x3000)
    #expect(parsed.available == 0x2000 && parsed.log == 0x0123_4567_89ab_cdef)
  }

  @Test func setVringBaseAndItsRelatives() throws {
    #expect(
      message(.setVringBase, VringState(index: 1, num: 0x1234)) == hex("0a000000010000000800000001000000 34120000"))
    #expect(message(.setVringEnable, VringState(index: 1, num: 1)) == hex("12000000010000000800000001000000 01000000"))
  }

  @Test func vringDescriptorSaysWhetherOneComesAlong() {
    #expect(encoded(VringFileDescriptor(index: 3, hasDescriptor: true)) == hex("0300000000000000"))
    #expect(encoded(VringFileDescriptor(index: 3, hasDescriptor: false)) == hex("0301000000000000"))
    let parsed = VringFileDescriptor(rawValue: 0x1ff)
    #expect(parsed.index == 255 && !parsed.hasDescriptor)
    #expect(VringFileDescriptor(rawValue: 0xffff_ffff_ffff_fe07).index == 7)
    #expect(VringFileDescriptor(rawValue: 0xffff_ffff_ffff_fe07).hasDescriptor)
  }

  @Test func setMemTableOfTwoRegions() throws {
    let golden = hex(
      """
      05000000 01000000 48000000
      02000000 00000000
      0000000000000000 0000008000000000 000000c0ff7f0000 0000000000000000
      0000000001000000 0000004000000000 00000000 007f0000 0000008000000000
      """)
    let first = MemoryRegion(guestAddress: 0, size: 0x8000_0000, userAddress: 0x7fff_c000_0000)
    let second = MemoryRegion(
      guestAddress: 0x1_0000_0000, size: 0x4000_0000, userAddress: 0x7f00_0000_0000, mmapOffset: 0x8000_0000)
    let bytes =
      encoded(MessageHeader(FrontendRequest.setMemTable, size: 72)) + encoded(MemoryTableHeader(count: 2))
      + encoded(first) + encoded(second)
    #expect(bytes == golden)
    withScratch(golden.count, filledWith: golden) { segment in
      let reader = Reading(segment)
      #expect(reader.read(MessageHeader.self)?.size == 72)
      #expect(reader.read(MemoryTableHeader.self)?.count == 2)
      #expect(reader.read(MemoryRegion.self)?.userAddress == first.userAddress)
      #expect(reader.read(MemoryRegion.self)?.mmapOffset == second.mmapOffset)
      #expect(reader.read(MemoryRegion.self) == nil)
    }
  }

  @Test func addMemReg() throws {
    let golden = hex(
      """
      25000000 09000000 28000000
      0000000000000000 0000000001000000 0000200000000000 0000100000550000 0010000000000000
      """)
    let (header, parsed) = try parse(SingleMemoryRegion.self, golden)
    #expect(header.request == FrontendRequest.addMemReg.rawValue && header.needsReply)
    #expect(parsed.region.guestAddress == 0x1_0000_0000 && parsed.region.size == 0x20_0000)
    #expect(parsed.region.userAddress == 0x5500_0010_0000 && parsed.region.mmapOffset == 0x1000)
    #expect(encoded(header) + encoded(SingleMemoryRegion(region: parsed.region)) == golden)
  }

  @Test func setLogBase() throws {
    #expect(
      message(.setLogBase, LogDescription(size: 0x4000, offset: 0))
        == hex("06000000 01000000 10000000 0040000000000000 0000000000000000"))
  }

  @Test func getConfigOfTheFileSystemTag() throws {
    #expect(
      message(.getConfig, ConfigHeader(offset: 0, size: 40, flags: ConfigPurpose.writable))
        == hex("18000000 01000000 0c000000 00000000 28000000 00000000"))
    #expect(
      encoded(ConfigHeader(offset: 4, size: 8, flags: ConfigPurpose.migration)) == hex("040000000800000001000000"))
  }

  @Test func getInflightFd() throws {
    let payload = InflightDescription(mmapSize: 4160, queueCount: 2, queueSize: 256)
    let golden = hex("1f000000 01000000 18000000 4010000000000000 0000000000000000 0200 0001 00000000")
    #expect(message(.getInflightFd, payload) == golden)
    #expect(InflightDescription.minimumByteCount == InflightDescription.byteCount - 4)
  }

  @Test func deviceStateAndItsReply() throws {
    let payload = DeviceStateDescription(direction: DeviceStateDirection.load, phase: DeviceStatePhase.stopped)
    #expect(message(.setDeviceStateFd, payload) == hex("2a000000 01000000 08000000 01000000 00000000"))
    #expect(encoded(DeviceStateReply(error: 0, hasDescriptor: false)) == hex("0001000000000000"))
    #expect(encoded(DeviceStateReply(error: 5, hasDescriptor: true)) == hex("0500000000000000"))
    let reply = try #require(decoded(DeviceStateReply.self, hex("0701000000000000")))
    #expect(reply.error == 7 && !reply.hasDescriptor)
  }

  @Test func iotlbUpdate() throws {
    let golden = hex(
      """
      16000000 09000000 20000000
      0010000000000000 0020000000000000 0000000000700000 03 02 000000000000
      """)
    let (_, parsed) = try parse(IOTLBMessage.self, golden)
    #expect(parsed.iova == 0x1000 && parsed.size == 0x2000 && parsed.userAddress == 0x7000_0000_0000)
    #expect(parsed.permissions == [.read, .write] && IOTLBMessageType(rawValue: parsed.type) == .update)
    let made = IOTLBMessage(
      iova: 0x1000, size: 0x2000, userAddress: 0x7000_0000_0000, permissions: [.read, .write],
      type: IOTLBMessageType.update.rawValue)
    #expect(encoded(made) == Array(golden.dropFirst(12)))
  }

  @Test func shmemMap() throws {
    let payload = SharedMemoryMap(id: 1, fdOffset: 0x2000, shmOffset: 0x20_0000, length: 0x1000, flags: .readWrite)
    #expect(
      encoded(payload)
        == hex("01 00000000000000 0020000000000000 0000200000000000 0010000000000000 0100000000000000"))
  }

  @Test func shmemConfigNamesRegionsByPlace() {
    var config = SharedMemoryConfig()
    config.count = 1
    config.sizes[1] = 0x4000_0000
    let bytes = encoded(config)
    #expect(bytes.count == 2056)
    #expect(Array(bytes.prefix(24)) == hex("01000000 00000000 0000000000000000 0000004000000000"))
    #expect(bytes.dropFirst(24).allSatisfy { $0 == 0 })
  }

  @Test func vringAreaAndSharedObject() {
    #expect(
      encoded(VringArea(vring: 1, size: 0x1000, offset: 0x3000))
        == hex("0100000000000000 0010000000000000 0030000000000000"))
    let bytes = Array(UInt8(1)...UInt8(16))
    #expect(decoded(SharedObjectID.self, bytes).map(encoded) == bytes)
  }
}
