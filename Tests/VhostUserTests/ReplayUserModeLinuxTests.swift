// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// User-mode Linux (arch/um/drivers/virtio_uml.c, Debian 6.1um4) as observed on the wire.

import Frontend
import Linux
import Testing
import VhostUser
import VhostUserProtocol
import VirtioProtocol
import Wire

/// virtio_uml. Invariants:
/// - SET_PROTOCOL_FEATURES itself is acknowledged;
/// - SET_MEM_TABLE has room for two regions, whatever it holds;
/// - the configuration is read from offset 0 with growing size;
/// - with INBAND_NOTIFICATIONS kicks and calls are messages, and no kick descriptor ever comes;
/// - a stop is ENABLE 0 and GET_FEATURES, without GET_VRING_BASE.
@Suite(.timeLimit(.minutes(30)))
struct ReplayUserModeLinuxTests {
  private final class Machine {
    let connection: FrontendConnection
    let ram: GuestRAM
    let channel: BackendChannel
    let inBand: Bool
    var queues: [DriverQueue] = []

    init(_ connection: FrontendConnection) throws {
      self.connection = connection
      // Physical memory is mapped at a fixed address; guest addresses are offsets from 0.
      ram = try GuestRAM([
        GuestRegionLayout(guestAddress: 0x6000_0000, byteCount: 8 << 20, userAddress: 0x6000_0000)
      ])
      channel = try BackendChannel()
      try connection.setOwner()
      let offered = try connection.getFeatures()
      let known: ProtocolFeatures = [.replyAck, .backendReq, .config, .inbandNotifications]
      let accepted = try connection.getProtocolFeatures().intersection(known)
      inBand = accepted.contains(.inbandNotifications)
      try connection.setProtocolFeatures(accepted, needReply: true)
      try connection.setBackendChannel(channel.backendFile, needReply: true)
      try connection.setFeatures(
        offered.intersection([.version1, .indirectDescriptors, .vhostUserProtocolFeatures]), needReply: true)
      for count in 1...20 {
        #expect(try connection.getConfig(offset: 0, count: count).prefix(16) == Array(0..<16).prefix(count))
      }
      try connection.setMemoryTable(ram, padding: 32, needReply: true)
    }

    func start() throws {
      queues = try makeQueues(2, size: 128, ram, [.version1, .indirectDescriptors])
      for queue in queues {
        if !inBand { try connection.setCall(queue.index, queue.callEvent.file, needReply: true) }
        try connection.setRingSize(queue.index, queue.size, needReply: true)
        try connection.setRingBase(queue.index, 0, needReply: true)
        var addresses = queue.addresses()
        addresses.log = .max
        try connection.setRingAddress(addresses, needReply: true)
        if !inBand { try connection.setKick(queue.index, queue.kickEvent.file, needReply: true) }
        try connection.setRingEnabled(queue.index, true, needReply: true)
      }
    }

    func stop() throws {
      for queue in queues { try connection.setRingEnabled(queue.index, false, needReply: true) }
      _ = try connection.getFeatures()
    }
  }

  @Test("with eventfds: start, traffic, stop, start")
  func withEventDescriptors() throws {
    let backend = try TestBackend()
    let machine = try Machine(try backend.connect())
    #expect(!machine.inBand)
    for _ in 0..<3 {
      try machine.start()
      for queue in machine.queues { try Traffic().run(on: queue) }
      try machine.stop()
    }
  }

  @Test("in band: kicks and calls are messages")
  func inBand() throws {
    let backend = try TestBackend(options: Endpoint.Options(offersInBandNotifications: true))
    let machine = try Machine(try backend.connect())
    #expect(machine.inBand)
    for _ in 0..<3 {
      try machine.start()
      for queue in machine.queues {
        let traffic = Traffic(notify: { queue in
          queue.publish()
          try machine.connection.kickInBand(queue.index, needReply: true)
        })
        let sent = try traffic.send(on: queue)
        // Until everything was used and called; a second call for the queue before may come late.
        var called: Set<UInt32> = []
        while queue.deviceUsedIndex != queue.publishedIndex || !called.contains(UInt32(queue.index)) {
          let call = try machine.channel.receive(timeoutNanoseconds: 60_000_000_000)
          #expect(call.header.request == BackendRequest.vringCall.rawValue)
          called.insert(try #require(call.payload.load(VringState.self)).index)
        }
        try traffic.receive(sent, on: queue)
      }
      try machine.stop()
    }
  }
}
