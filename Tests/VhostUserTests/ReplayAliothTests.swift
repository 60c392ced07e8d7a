// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Alioth as its source says (alioth/src/virtio/vu of August 2026).

import Frontend
import Linux
import Testing
import VhostUser
import VhostUserProtocol
import VirtioProtocol
import Wire

/// Alioth's vhost-user devices. Invariants:
/// - every message from the first on has NEED_REPLY and is answered, SET_PROTOCOL_FEATURES too;
/// - an answer is one send of its exact size: it is taken with one readv;
/// - KICK comes before NUM, BASE and ADDR, and replaces an earlier one while the ring is stopped;
/// - ENABLE 0 alone stops a ring: no GET_VRING_BASE is sent, and the next activation starts at 0;
/// - the err eventfd is not signalled: it would be the end of the machine.
@Suite(.timeLimit(.minutes(30)))
struct ReplayAliothTests {
  private final class Machine {
    let connection: FrontendConnection
    let ram: GuestRAM
    private(set) var queues: [DriverQueue] = []
    private let features: VirtioFeatures
    private let statusAccepted: Bool

    /// - Parameter window: with a DAX window it wants the backend channel and bit 21.
    init(_ connection: FrontendConnection, window: Bool) throws {
      self.connection = connection
      ram = try GuestRAM([
        GuestRegionLayout(guestAddress: 0, byteCount: 4 << 20, userAddress: 0x7d00_0000_0000),
        GuestRegionLayout(guestAddress: 1 << 32, byteCount: 4 << 20, userAddress: 0x7d80_0000_0000),
      ])
      let offered = try connection.getFeatures(needReply: true)
      #expect(offered.contains([.vhostUserProtocolFeatures, .version1]))
      features = offered.intersection([.version1, .eventIndex, .indirectDescriptors, .vhostUserProtocolFeatures])
      let available = try connection.getProtocolFeatures(needReply: true)
      var wanted: ProtocolFeatures = [.mq, .replyAck, .configureMemSlots, .config]
      if window { wanted.formUnion([.backendReq, .backendSendFd, .gpaAddresses]) }
      #expect(available.isSuperset(of: wanted), "it refuses to start without")
      statusAccepted = available.contains(.status)
      if statusAccepted { wanted.insert(.status) }
      try connection.setProtocolFeatures(wanted, needReply: true)
      let count = Int(try connection.getQueueCount(needReply: true))
      channel = window ? try BackendChannel() : nil
      if let channel { try connection.setBackendChannel(channel.backendFile, needReply: true) }
      queues = try makeQueues(count, size: 256, ram, features)
      for queue in queues { try connection.setError(queue.index, queue.errorEvent.file, needReply: true) }
      try connection.setOwner(needReply: true)
      for region in ram.regions { try connection.addMemory(region, needReply: true) }
    }

    private let channel: BackendChannel?

    func activate() throws {
      try connection.setFeatures(features, needReply: true)
      for queue in queues { try connection.setKick(queue.index, queue.kickEvent.file, needReply: true) }
      for queue in queues {
        try connection.setCall(queue.index, queue.callEvent.file, needReply: true)
        try connection.setRingSize(queue.index, queue.size, needReply: true)
        try connection.setRingBase(queue.index, 0, needReply: true)
        try connection.setRingAddress(queue.addresses(), needReply: true)
        try connection.setRingEnabled(queue.index, true, needReply: true)
      }
      if statusAccepted {
        try connection.setStatus([.acknowledge, .driver, .driverOK, .featuresOK], needReply: true)
      }
    }

    func reset() throws {
      for queue in queues { try connection.setRingEnabled(queue.index, false, needReply: true) }
      if statusAccepted { try connection.setStatus([], needReply: true) }
    }
  }

  @Test("activate, traffic, reset, activate from 0", arguments: [false, true])
  func survivesReset(window: Bool) throws {
    let backend = try TestBackend()
    let machine = try Machine(try backend.connect(readStyle: .oneCall), window: window)
    for _ in 0..<4 {
      try machine.activate()
      for queue in machine.queues {
        try Traffic(chains: 20).run(on: queue)
        #expect(!queue.takeError())
      }
      try machine.reset()
      for queue in machine.queues { queue.reset() }
    }
    #expect(machine.connection.socket.isQuiet(timeoutNanoseconds: 50_000_000))
  }

  @Test("configuration with acknowledgement is one answer, not two")
  func readsConfig() throws {
    let backend = try TestBackend()
    let machine = try Machine(try backend.connect(readStyle: .oneCall), window: false)
    #expect(try machine.connection.getConfig(offset: 0, count: 16, needReply: true) == Array(0..<16))
    #expect(machine.connection.socket.isQuiet(timeoutNanoseconds: 50_000_000))
  }
}
