// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Firecracker as its source says (src/vmm/src/devices/virtio/vhost_user.rs at 1.17-dev): a block device with one queue.

import Frontend
import Linux
import Testing
import VhostUser
import VhostUserProtocol
import VirtioProtocol
import Wire

/// Firecracker's vhost-user drive. Invariants:
/// - CONFIG alone is negotiated: no acknowledgements, no MQ, no GET_QUEUE_NUM;
/// - a config read of exactly 60 bytes gets exactly 60 bytes;
/// - EVENT_IDX without INDIRECT_DESC works.
@Suite(.timeLimit(.minutes(30)))
struct ReplayFirecrackerTests {
  private struct Machine {
    let connection: FrontendConnection
    let ram: GuestRAM
    let queue: DriverQueue

    /// Boots: the order of vhost_user.rs.
    init(_ connection: FrontendConnection) throws {
      self.connection = connection
      ram = try GuestRAM([
        GuestRegionLayout(guestAddress: 0, byteCount: 8 << 20, userAddress: 0x7f55_0000_0000)
      ])
      try connection.setOwner()
      let features = try connection.getFeatures().intersection([.version1, .eventIndex, .vhostUserProtocolFeatures])
      let protocolFeatures = try connection.getProtocolFeatures().intersection(.config)
      #expect(protocolFeatures == .config)
      try connection.setProtocolFeatures(protocolFeatures)
      try Self.readConfig(connection)
      queue = try DriverQueue(index: 0, size: 256, ram: ram, features: features)
      try connection.setFeatures(features)
      try connection.setMemoryTable(ram)
      try connection.setRingSize(0, 256)
      try connection.setRingAddress(queue.addresses())
      try connection.setRingBase(0, queue.publishedIndex)
      try connection.setCall(0, queue.callEvent.file)
      try connection.setKick(0, queue.kickEvent.file)
      try connection.setRingEnabled(0, true)
    }

    static func readConfig(_ connection: FrontendConnection) throws {
      let config = try connection.getConfig(offset: 0, count: 60, purpose: ConfigPurpose.migration)
      #expect(config == (0..<60).map { UInt8($0 + 1) })
    }
  }

  @Test("boot and traffic without indirect descriptors")
  func serves() throws {
    let backend = try TestBackend(ReplayDevice(queueCount: 1))
    let machine = try Machine(try backend.connect())
    for _ in 0..<10 { try Traffic(chains: 40).run(on: machine.queue) }
  }

  @Test("PATCH drive reads the config again while the ring runs")
  func rereadsConfig() throws {
    let backend = try TestBackend(ReplayDevice(queueCount: 1))
    let machine = try Machine(try backend.connect())
    let sent = try Traffic(chains: 40).send(on: machine.queue)
    try Machine.readConfig(machine.connection)
    try Traffic().receive(sent, on: machine.queue)
  }

  @Test("PUT of the same drive: a new connection after the old one was closed")
  func replacesConnection() throws {
    let backend = try TestBackend(ReplayDevice(queueCount: 1))
    for _ in 0..<4 {
      let machine = try Machine(try backend.connect())
      try Traffic(chains: 10).run(on: machine.queue)
      machine.connection.close()
    }
  }
}
