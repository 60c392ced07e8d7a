// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The hypervisors' own order of messages (VhostUserTests replays them in all detail on a device that echoes), here with
// a volume behind them: what each lets through of the features, and how large its requests may be.

import Block
import BlockProtocol
import Frontend
import Linux
import Testing
import VhostUserProtocol
import VirtioProtocol
import Wire

/// Frontends of block devices. Invariants:
/// - each negotiates, reads its piece of the configuration and does requests with the features that it lets through;
/// - after its way of stopping, it goes on with what it wrote before.
@Suite(.timeLimit(.minutes(30)))
struct ReplayTests {
  private static let image = pattern(1 << 20)

  private func backend(queues: Int = 1, _ way: Way = .ringDirect) throws -> Backend {
    var options = VolumeOptions(name: "replay")
    options.queueCount = queues
    options.direct = way.direct
    return try Backend(try ImageFile(byteCount: 1 << 20, contents: Self.image), options)
  }

  /// Reads, writes, flushes and looks at the image.
  private func traffic(
    _ queue: DriverQueue, _ backend: Backend, seed: Int, flushes: Bool = true,
    sourceLocation: SourceLocation = #_sourceLocation
  ) throws {
    let client = BlockClient(queue)
    let sector = UInt64(8 * (seed % 200))
    let bytes = pattern(4096, seed: seed)
    try client.write(sector: sector, bytes)
    if flushes { try client.flushCache() }
    #expect(try client.read(sector: sector, byteCount: 4096) == bytes, sourceLocation: sourceLocation)
    #expect(try backend.image.bytes(at: Int(sector) * 512, count: 4096) == bytes, sourceLocation: sourceLocation)
    for _ in 0..<16 {
      try client.add(BlockRequest(BlockRequestHeader(.read, sector: sector), receivedByteCount: 512))
    }
    client.flush()
    for _ in 0..<16 {
      let answer = try client.complete().answer
      #expect(answer.data == Array(bytes[0..<512]), sourceLocation: sourceLocation)
    }
  }

  private func queues(_ count: Int, size: Int, _ ram: GuestRAM, _ features: VirtioFeatures) throws -> [DriverQueue] {
    var queues: [DriverQueue] = []
    for index in 0..<count { queues.append(try DriverQueue(index: index, size: size, ram: ram, features: features)) }
    return queues
  }

  private func start(_ connection: FrontendConnection, _ queues: [DriverQueue], ack: Bool) throws {
    for queue in queues {
      try connection.setRingSize(queue.index, queue.size, needReply: ack)
      try connection.setRingBase(queue.index, queue.resumeBase, needReply: ack)
      try connection.setRingAddress(queue.addresses(), needReply: ack)
      try connection.setCall(queue.index, queue.callEvent.file, needReply: ack)
      try connection.setKick(queue.index, queue.kickEvent.file, needReply: ack)
    }
  }

  @Test("qemu: firmware with one queue and few features, then Linux, then a reset")
  func qemu() throws {
    let backend = try backend(queues: 4)
    let connection = try backend.connect()
    let offered = try connection.getFeatures()
    let accepted = try connection.getProtocolFeatures().subtracting(.inbandNotifications)
    try connection.setProtocolFeatures(accepted)
    #expect(accepted.contains([.mq, .config, .inflightShmfd, .replyAck, .logShmfd]))
    #expect(try connection.getQueueCount() == 4)
    try connection.setOwner()
    let config = try connection.getConfig(offset: 0, count: 57)
    #expect(config.count == 57)
    #expect(config.load(UInt64.self) == 2048)
    let ram = try GuestRAM(byteCount: 8 << 20)
    // SeaBIOS: VERSION_1, BLK_SIZE and SIZE_MAX at most; no flush.
    let firmware = offered.intersection([.version1, .device(6), .vhostUserProtocolFeatures])
    let linux = offered.subtracting([.logAll, .ringPacked])
    for (round, features) in [firmware, linux, linux].enumerated() {
      try connection.setFeatures(features)
      try connection.setStatus([.acknowledge, .driver])
      let inflight = try connection.getInflight(queueCount: 4, queueSize: 128)
      try connection.setInflight(inflight)
      try connection.setMemoryTable(ram)
      let count = round == 0 ? 1 : 4
      let queues = try queues(count, size: 128, ram, features)
      try start(connection, queues, ack: false)
      // All of them, also those that were never set up.
      for index in 0..<4 { try connection.setRingEnabled(index, true, needReply: true) }
      for queue in queues { try traffic(queue, backend, seed: round * 10 + queue.index) }
      for index in 0..<4 { try connection.setRingEnabled(index, false, needReply: true) }
      for queue in queues { #expect(try connection.getRingBase(queue.index) == queue.publishedIndex) }
      try connection.setStatus([])
      try connection.resetDevice()
      for queue in queues { for ring in [queue.descriptors, queue.available, queue.used] { ram.free(ring) } }
    }
  }

  @Test("cloud-hypervisor: reconnects with the inflight area and the available index")
  func cloudHypervisor() throws {
    let backend = try backend(queues: 2)
    let ram = try GuestRAM(byteCount: 8 << 20)
    var inflight: InflightMemory?
    var rings: [DriverQueue] = []
    for round in 0..<3 {
      let connection = try backend.connect()
      try connection.setOwner()
      let features = try connection.getFeatures().subtracting([.logAll, .ringPacked])
      let wanted: ProtocolFeatures = [.mq, .configureMemSlots, .replyAck, .inflightShmfd, .logShmfd, .config]
      if round == 0 {
        #expect(try connection.getProtocolFeatures().isSuperset(of: wanted))
        rings = try queues(2, size: 128, ram, features)
      }
      try connection.setProtocolFeatures(wanted)
      #expect(try connection.getQueueCount() >= 2)
      #expect(try connection.getConfig(offset: 0, count: 60, needReply: true).load(UInt64.self) == 2048)
      try connection.setFeatures(features, needReply: true)
      try connection.setMemoryTable(ram, needReply: true)
      if inflight == nil { inflight = try connection.getInflight(queueCount: 2, queueSize: 128, needReply: true) }
      if let inflight { try connection.setInflight(inflight, needReply: true) }
      for queue in rings { queue.resumeBase = queue.publishedIndex }
      try start(connection, rings, ack: true)
      for queue in rings { try connection.setRingEnabled(queue.index, true, needReply: true) }
      for queue in rings { try traffic(queue, backend, seed: 40 + round * 10 + queue.index) }
      connection.close()
    }
  }

  @Test(
    "firecracker: one queue, no indirect descriptors, one data segment, a config read of 60 bytes",
    arguments: [false, true])
  func firecracker(flushes: Bool) throws {
    let backend = try backend()
    let connection = try backend.connect()
    try connection.setOwner()
    var wanted: VirtioFeatures = [.version1, .eventIndex, .vhostUserProtocolFeatures]
    // cache_type Writeback lets FLUSH through; Unsafe does not, and then writes are safe when they are answered.
    if flushes { wanted.insert(.device(BlockFeatureBit.flush)) }
    let features = try connection.getFeatures().intersection(wanted)
    #expect(features == wanted)
    #expect(try connection.getProtocolFeatures().contains(.config))
    try connection.setProtocolFeatures(.config)
    let config = try connection.getConfig(offset: 0, count: 60, purpose: ConfigPurpose.migration)
    #expect(config.count == 60 && config.load(UInt64.self) == 2048)
    let ram = try GuestRAM(byteCount: 8 << 20)
    let queue = try queues(1, size: 256, ram, features)[0]
    try connection.setFeatures(features)
    try connection.setMemoryTable(ram)
    try start(connection, [queue], ack: false)
    try connection.setRingEnabled(0, true)
    for round in 0..<4 { try traffic(queue, backend, seed: 80 + round, flushes: flushes) }
    // PATCH: the size has changed.
    try backend.image.resize(2 << 20)
    backend.device.refreshCapacity()
    #expect(try connection.getConfig(offset: 0, count: 60).load(UInt64.self) == 4096)
  }

  @Test(
    "crosvm: configuration in small pieces before anything is accepted, 32768 descriptors", arguments: [256, 32768])
  func crosvm(size: Int) throws {
    let backend = try backend(queues: 2)
    let connection = try backend.connect()
    try connection.setOwner()
    let features = try connection.getFeatures().subtracting([.logAll, .ringPacked, .indirectDescriptors])
    #expect(try connection.getConfig(offset: 0, count: 8).load(UInt64.self) == 2048)
    try connection.setProtocolFeatures([.config, .mq, .backendReq, .replyAck])
    #expect(try connection.getQueueCount() == 2)
    #expect(try connection.getConfig(offset: 34, count: 2) == [2, 0])
    let ram = try GuestRAM(byteCount: 16 << 20)
    for round in 0..<2 {
      let queues = try queues(2, size: size, ram, features)
      try connection.setFeatures(features)
      try connection.setMemoryTable(ram)
      try start(connection, queues, ack: false)
      for queue in queues { try connection.setRingEnabled(queue.index, true) }
      for queue in queues { try traffic(queue, backend, seed: 100 + round * 10 + queue.index) }
      for queue in queues {
        try connection.setRingEnabled(queue.index, false)
        #expect(try connection.getRingBase(queue.index) == queue.publishedIndex)
        for ring in [queue.descriptors, queue.available, queue.used] { ram.free(ring) }
      }
    }
  }

  @Test("stratovirt: inflight is a must, bit 30 is not accepted, no EVENT_IDX, RESET_OWNER")
  func stratovirt() throws {
    let backend = try backend(queues: 2)
    let connection = try backend.connect()
    let offered = try connection.getFeatures(needReply: true)
    #expect(try connection.getProtocolFeatures(needReply: true).isSuperset(of: [.mq, .config, .inflightShmfd]))
    try connection.setProtocolFeatures([.mq, .config, .inflightShmfd])
    #expect(try connection.getConfig(offset: 0, count: 60, needReply: true).load(UInt64.self) == 2048)
    #expect(try connection.getQueueCount(needReply: true) == 2)
    let bits: [UInt64] = [2, 5, 6, 9, 10, 12, 13, 14]
    let features = offered.intersection(bits.reduce(.version1) { $0.union(.device($1)) })
    let ram = try GuestRAM(byteCount: 8 << 20)
    let queues = try queues(2, size: 256, ram, features)
    for round in 0..<3 {
      try connection.setOwner()
      try connection.setFeatures(features)
      try connection.setMemoryTable(ram)
      let inflight = try connection.getInflight(queueCount: 2, queueSize: 256, needReply: true)
      try connection.setInflight(inflight)
      try start(connection, queues, ack: false)
      for queue in queues { try connection.setRingEnabled(queue.index, true) }
      for queue in queues { try traffic(queue, backend, seed: 130 + round * 10 + queue.index) }
      for queue in queues { _ = try connection.getRingBase(queue.index, needReply: true) }
      try connection.resetOwner()
      for queue in queues { queue.reset() }
    }
  }

  @Test("alioth: everything acknowledged, the kick first, memory by slots, ENABLE 0 as its stop")
  func alioth() throws {
    let backend = try backend()
    let connection = try FrontendConnection(path: backend.socketPath, readStyle: .oneCall)
    let features = try connection.getFeatures(needReply: true).subtracting([.logAll, .ringPacked])
    let wanted: ProtocolFeatures = [.mq, .replyAck, .configureMemSlots, .config, .status]
    #expect(try connection.getProtocolFeatures(needReply: true).isSuperset(of: wanted))
    try connection.setProtocolFeatures(wanted, needReply: true)
    #expect(try connection.getQueueCount(needReply: true) == 1)
    let ram = try GuestRAM(byteCount: 8 << 20)
    let queue = try queues(1, size: 256, ram, features)[0]
    try connection.setError(0, queue.errorEvent.file, needReply: true)
    try connection.setOwner(needReply: true)
    for region in ram.regions { try connection.addMemory(region, needReply: true) }
    #expect(try connection.getConfig(offset: 0, count: 60, needReply: true).load(UInt64.self) == 2048)
    for round in 0..<3 {
      try connection.setFeatures(features, needReply: true)
      try connection.setKick(0, queue.kickEvent.file, needReply: true)
      try start(connection, [queue], ack: true)
      try connection.setRingEnabled(0, true, needReply: true)
      try connection.setStatus([.acknowledge, .driver, .driverOK, .featuresOK], needReply: true)
      try traffic(queue, backend, seed: 160 + round)
      #expect(!queue.takeError())
      try connection.setRingEnabled(0, false, needReply: true)
      try connection.setStatus([], needReply: true)
      queue.reset()
    }
  }

  @Test("libblkio: no machine, regions of odd size added while requests run")
  func libblkio() throws {
    let backend = try backend(queues: 2)
    let connection = try backend.connect()
    try connection.setOwner()
    let features = try connection.getFeatures().subtracting([.indirectDescriptors, .logAll, .ringPacked])
    try connection.setFeatures(features)
    let wanted: ProtocolFeatures = [.mq, .replyAck, .config, .configureMemSlots]
    #expect(try connection.getProtocolFeatures().isSuperset(of: wanted))
    try connection.setProtocolFeatures(wanted)
    #expect(try connection.getQueueCount(needReply: true) == 2)
    #expect(try connection.getConfig(offset: 0, count: 60, needReply: true).load(UInt64.self) == 2048)
    let base: UInt64 = 0x7f9a_0000_1000
    let ram = try GuestRAM([GuestRegionLayout(guestAddress: base, byteCount: 0x3b10, userAddress: base)])
    let queue = try queues(1, size: 256, ram, features)[0]
    try connection.addMemory(ram.regions[0], needReply: true)
    try start(connection, [queue], ack: true)
    try connection.setRingEnabled(0, true, needReply: true)
    for number in 1..<8 {
      let place = base + UInt64(number) << 24
      let region = try ram.plug(GuestRegionLayout(guestAddress: place, byteCount: 0x4_5678, userAddress: place))
      try connection.addMemory(region, needReply: true)
      try traffic(queue, backend, seed: 180 + number)
    }
    connection.close()
    // It connects twice: once to look, once to work.
    #expect(try backend.connect().getFeatures().contains(.version1))
  }
}
