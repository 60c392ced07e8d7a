// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// StratoVirt as its source says (virtio/src/vhost/user at 2.5.0).

import Frontend
import Linux
import Testing
import VhostUser
import VhostUserProtocol
import VirtioProtocol
import Wire

/// StratoVirt's vhost-user fs and block devices. Invariants:
/// - without VHOST_USER_F_PROTOCOL_FEATURES in SET_FEATURES rings run although nobody enables them;
/// - VRING_ENABLE without that feature is accepted;
/// - every GET carries NEED_REPLY although REPLY_ACK is never negotiated, and is answered once;
/// - after GET_VRING_BASE and RESET_OWNER the device is activated again; a resume repeats no addresses.
@Suite(.timeLimit(.minutes(30)))
struct ReplayStratovirtTests {
  private func memory() throws -> GuestRAM {
    try GuestRAM([
      GuestRegionLayout(guestAddress: 0, byteCount: 8 << 20, userAddress: 0x7c00_0000_0000),
      GuestRegionLayout(guestAddress: 1 << 32, byteCount: 1 << 20, userAddress: 0x7c40_0000_0000),
    ])
  }

  /// Everything after SET_FEATURES; the base is the used index.
  private func activateRings(_ connection: FrontendConnection, _ queues: [DriverQueue], enabling: Bool) throws {
    for queue in queues { try connection.setRingSize(queue.index, queue.size) }
    for queue in queues {
      try connection.setRingAddress(queue.addresses())
      try connection.setRingBase(queue.index, queue.deviceUsedIndex)
      try connection.setCall(queue.index, queue.callEvent.file)
      try connection.setKick(queue.index, queue.kickEvent.file)
    }
    if enabling { for queue in queues { try connection.setRingEnabled(queue.index, true) } }
  }

  @Test("fs: no protocol features at all, and rings run without being enabled")
  func fileSystemWithoutNegotiation() throws {
    let backend = try TestBackend()
    let connection = try backend.connect()
    let offered = try connection.getFeatures(needReply: true)
    let features = offered.intersection([.version1, .eventIndex, .indirectDescriptors])
    let ram = try memory()
    let queues = try makeQueues(2, size: 128, ram, features)
    for _ in 0..<3 {
      try connection.setOwner()
      try connection.setFeatures(features)
      try connection.setMemoryTable(ram)
      try activateRings(connection, queues, enabling: false)
      for queue in queues { try Traffic().run(on: queue) }
      // Deactivate.
      for queue in queues {
        #expect(try connection.getRingBase(queue.index, needReply: true) == queue.publishedIndex)
      }
      try connection.resetOwner()
      for queue in queues { queue.reset() }
    }
    #expect(connection.socket.isQuiet(timeoutNanoseconds: 50_000_000), "nothing was answered twice")
  }

  @Test("fs: pause and resume with BASE, CALL and KICK only")
  func resumesWithoutAddresses() throws {
    let backend = try TestBackend()
    let connection = try backend.connect()
    let features = try connection.getFeatures(needReply: true).intersection([.version1, .eventIndex])
    let ram = try memory()
    let queues = try makeQueues(2, size: 128, ram, features)
    try connection.setOwner()
    try connection.setFeatures(features)
    try connection.setMemoryTable(ram)
    try activateRings(connection, queues, enabling: false)
    for _ in 0..<5 {
      try Traffic().run(on: queues[1])
      var bases: [UInt16] = []
      for queue in queues { bases.append(try connection.getRingBase(queue.index, needReply: true)) }
      let sent = try Traffic().send(on: queues[1])
      for queue in queues {
        try connection.setRingBase(queue.index, bases[queue.index])
        try connection.setCall(queue.index, queue.callEvent.file)
        try connection.setKick(queue.index, queue.kickEvent.file)
      }
      try Traffic().receive(sent, on: queues[1])
    }
  }

  @Test("blk: INFLIGHT without bit 30, VRING_ENABLE all the same, reactivated three times")
  func blockWithInflight() throws {
    let backend = try TestBackend(ReplayDevice(queueCount: 2, features: .device(9)))
    let connection = try backend.connect()
    let negotiated = try negotiateBlock(connection)
    let ram = try memory()
    let queues = try makeQueues(2, size: 256, ram, [.version1])
    for _ in 0..<3 {
      try activateBlock(connection, ram, queues, negotiated.features)
      for queue in queues { try Traffic().run(on: queue) }
      for queue in queues { _ = try connection.getRingBase(queue.index, needReply: true) }
      try connection.resetOwner()
      for queue in queues { queue.reset() }
    }
    #expect(connection.socket.isQuiet(timeoutNanoseconds: 50_000_000))
  }

  @Test("blk: reconnect begins with SET_PROTOCOL_FEATURES and never asks for features")
  func blockReconnects() throws {
    let backend = try TestBackend(ReplayDevice(queueCount: 2))
    let first = try backend.connect()
    let negotiated = try negotiateBlock(first)
    let ram = try memory()
    let queues = try makeQueues(2, size: 256, ram, [.version1])
    try activateBlock(first, ram, queues, negotiated.features)
    try Traffic().run(on: queues[0])
    first.close()
    let second = try backend.connect()
    try second.setProtocolFeatures(negotiated.protocolFeatures)
    try activateBlock(second, ram, queues, negotiated.features)
    for queue in queues { try Traffic().run(on: queue) }
  }

  private func negotiateBlock(
    _ connection: FrontendConnection
  ) throws -> (features: VirtioFeatures, protocolFeatures: ProtocolFeatures) {
    // Bit 30 is masked away with everything that is not block's.
    let features = try connection.getFeatures(needReply: true).intersection([.version1, .device(9)])
    let accepted = try connection.getProtocolFeatures(needReply: true).intersection([.mq, .config, .inflightShmfd])
    #expect(accepted.contains(.inflightShmfd), "it gives up without")
    try connection.setProtocolFeatures(accepted)
    #expect(try connection.getConfig(offset: 0, count: 60, needReply: true).count == 60)
    #expect(try connection.getQueueCount(needReply: true) == 2)
    return (features, accepted)
  }

  private func activateBlock(
    _ connection: FrontendConnection, _ ram: GuestRAM, _ queues: [DriverQueue], _ features: VirtioFeatures
  ) throws {
    try connection.setOwner()
    try connection.setFeatures(features)
    try connection.setMemoryTable(ram)
    #expect(try connection.getProtocolFeatures(needReply: true).contains(.inflightShmfd))
    let inflight = try connection.getInflight(queueCount: queues.count, queueSize: 256, needReply: true)
    try connection.setInflight(inflight)
    try activateRings(connection, queues, enabling: true)
  }
}
