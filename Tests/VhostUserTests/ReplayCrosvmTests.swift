// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// crosvm as its source says (devices/src/virtio/vhost_user_frontend of August 2026): any device by its virtio type.

import Frontend
import Linux
import Testing
import VhostUser
import VhostUserProtocol
import VirtioProtocol
import Wire

/// crosvm's generic frontend. Invariants:
/// - NEED_REPLY is never used, although REPLY_ACK is accepted;
/// - GET_QUEUE_NUM is the exact number of queues;
/// - the configuration is read in accesses of 1 to 8 bytes, beyond its end too, and before CONFIG was accepted;
/// - queues have 32768 entries and no indirect descriptors;
/// - nothing but the answers asked for ever comes on the main connection.
@Suite(.timeLimit(.minutes(30)))
struct ReplayCrosvmTests {
  private final class Machine {
    let connection: FrontendConnection
    let ram: GuestRAM
    let channel: BackendChannel
    var queues: [DriverQueue] = []
    private var lastFeatures: VirtioFeatures = []

    init(_ connection: FrontendConnection) throws {
      self.connection = connection
      ram = try GuestRAM([
        GuestRegionLayout(guestAddress: 0, byteCount: 12 << 20, userAddress: 0x7a00_0000_0000),
        GuestRegionLayout(
          guestAddress: 1 << 32, byteCount: 4 << 20, userAddress: 0x7a01_0000_0000, mapOffset: 12 << 20),
      ])
      channel = try BackendChannel()
      try connection.setOwner()
      let offered = try connection.getFeatures()
      #expect(offered.contains(.vhostUserProtocolFeatures))
      let known: ProtocolFeatures = [.config, .mq, .backendReq, .deviceState, .shmem, .replyAck]
      let accepted = try connection.getProtocolFeatures().intersection(known)
      try connection.setProtocolFeatures(accepted)
      if accepted.contains(.backendReq) { try connection.setBackendChannel(channel.backendFile) }
      queueCount = Int(try connection.getQueueCount())
      if accepted.contains(.shmem) { #expect(try connection.getSharedMemory().count <= 1) }
    }

    let queueCount: Int

    func activate(_ features: VirtioFeatures, size: Int) throws {
      queues = try makeQueues(queueCount, size: size, ram, features)
      let acked = features.union(.vhostUserProtocolFeatures)
      if acked != lastFeatures { try connection.setFeatures(acked) }
      lastFeatures = acked
      try connection.setMemoryTable(ram)
      for queue in queues {
        try connection.setRingSize(queue.index, queue.size)
        try connection.setRingAddress(queue.addresses())
        try connection.setRingBase(queue.index, 0)
        try connection.setCall(queue.index, queue.callEvent.file)
        try connection.setKick(queue.index, queue.kickEvent.file)
        try connection.setRingEnabled(queue.index, true)
      }
    }

    func reset() throws {
      for queue in queues {
        try connection.setRingEnabled(queue.index, false)
        #expect(try connection.getRingBase(queue.index) == queue.publishedIndex)
        for ring in [queue.descriptors, queue.available, queue.used] { ram.free(ring) }
      }
    }
  }

  @Test("activate, traffic, reset, activate with the same features", arguments: [256, 32768])
  func survivesReset(_ size: Int) throws {
    let backend = try TestBackend(ReplayDevice(queueCount: 2))
    let machine = try Machine(try backend.connect())
    #expect(machine.queueCount == 2)
    for _ in 0..<3 {
      try machine.activate([.version1, .eventIndex], size: size)
      for queue in machine.queues { try Traffic(chains: 40).run(on: queue) }
      try machine.reset()
    }
    #expect(machine.connection.socket.isQuiet(timeoutNanoseconds: 50_000_000))
  }

  @Test("config accesses of 1, 2, 4 and 8 bytes agree with a read of the whole", arguments: [1, 2, 4, 8])
  func readsConfigInPieces(_ width: Int) throws {
    let backend = try TestBackend()
    let machine = try Machine(try backend.connect())
    let whole = try machine.connection.getConfig(offset: 0, count: 64, purpose: ConfigPurpose.migration)
    var pieces: [UInt8] = []
    for offset in stride(from: 0, to: 64, by: width) {
      pieces += try machine.connection.getConfig(offset: offset, count: width, purpose: ConfigPurpose.migration)
    }
    #expect(pieces == whole)
    #expect(Array(whole.prefix(16)) == Array(0..<16))
    #expect(whole.dropFirst(16).allSatisfy { $0 == 0 }, "what the device does not have reads as zero")
  }

  @Test("SET_CONFIG of a writable field is read back")
  func writesConfig() throws {
    let backend = try TestBackend()
    let machine = try Machine(try backend.connect())
    try machine.connection.setConfig(offset: 8, bytes: [1, 2, 3, 4], purpose: ConfigPurpose.writable)
    #expect(try machine.connection.getConfig(offset: 8, count: 4) == [1, 2, 3, 4])
  }

  @Test("config before any negotiation")
  func readsConfigFirst() throws {
    let backend = try TestBackend()
    let connection = try backend.connect()
    #expect(try connection.getConfig(offset: 0, count: 8) == Array(0..<8))
  }
}
