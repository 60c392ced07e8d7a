// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Cloud Hypervisor as its source says (virtio-devices/src/vhost_user at 54.0-dev, vhost crate 0.17).

import Frontend
import Linux
import Testing
import VhostUser
import VhostUserProtocol
import VirtioProtocol
import Wire

/// One Cloud Hypervisor with one device. After negotiation every message that can be acknowledged is.
final class CloudHypervisorFrontend {
  enum Kind { case fs, blk, generic }

  let kind: Kind
  let connection: FrontendConnection
  let ram: GuestRAM
  private(set) var offered: VirtioFeatures = []
  private(set) var protocolFeatures: ProtocolFeatures = []
  var queues: [DriverQueue] = []
  var inflight: InflightMemory?
  private let channel: BackendChannel
  private var ack: Bool { protocolFeatures.contains(.replyAck) }

  static let features: VirtioFeatures = [
    .indirectDescriptors, .eventIndex, .version1, .inOrder, .orderPlatform, .notificationData,
    .vhostUserProtocolFeatures, .logAll,
  ]

  init(_ kind: Kind, _ connection: FrontendConnection, ram: GuestRAM) throws {
    self.kind = kind
    self.connection = connection
    self.ram = ram
    channel = try BackendChannel()
  }

  /// Protocol features that it can do.
  private var known: ProtocolFeatures {
    let common: ProtocolFeatures = [.mq, .configureMemSlots, .replyAck, .inflightShmfd, .logShmfd, .deviceState]
    switch kind {
    case .fs: return common
    case .blk: return common.union(.config)
    case .generic: return common.union([.config, .backendReq])
    }
  }

  func initialize(queueCount: Int) throws {
    try connection.setOwner()
    offered = try connection.getFeatures()
    protocolFeatures = try connection.getProtocolFeatures().intersection(known)
    try connection.setProtocolFeatures(protocolFeatures)
    #expect(protocolFeatures.contains([.mq, .replyAck, .inflightShmfd]))
    #expect(try connection.getQueueCount() >= UInt64(queueCount), "BadQueueNum otherwise")
    if kind == .blk {
      let config = try connection.getConfig(offset: 0, count: 60, purpose: ConfigPurpose.migration, needReply: ack)
      #expect(config.count == 60)
    }
    queues = try makeQueues(queueCount, size: 128, ram, guestFeatures)
  }

  /// What a Linux guest takes of what is offered.
  private var guestFeatures: VirtioFeatures {
    offered.intersection([.version1, .eventIndex, .indirectDescriptors])
  }

  /// Reconnection: no GET_PROTOCOL_FEATURES, the earlier word counts.
  func reinitialize(like earlier: CloudHypervisorFrontend) throws {
    try connection.setOwner()
    offered = try connection.getFeatures()
    protocolFeatures = earlier.protocolFeatures
    try connection.setProtocolFeatures(protocolFeatures)
    queues = earlier.queues
    inflight = earlier.inflight
  }

  func activate(logged: Bool = false) throws {
    let acked = guestFeatures.union(.vhostUserProtocolFeatures).union(logged ? .logAll : [])
    try connection.setFeatures(acked, needReply: ack)
    try connection.setMemoryTable(ram, needReply: ack)
    for queue in queues { try connection.setRingSize(queue.index, queue.size, needReply: ack) }
    if protocolFeatures.contains(.inflightShmfd) {
      if inflight == nil {
        inflight = try connection.getInflight(queueCount: queues.count, queueSize: 128, needReply: ack)
      }
      if let inflight { try connection.setInflight(inflight, needReply: ack) }
    }
    for queue in queues {
      let flags: VringAddressFlags = logged ? .log : []
      try connection.setRingAddress(queue.addresses(flags: flags), needReply: ack)
      // The available index as it stands in guest memory.
      try connection.setRingBase(queue.index, queue.publishedIndex, needReply: ack)
      try connection.setCall(queue.index, queue.callEvent.file, needReply: ack)
      try connection.setKick(queue.index, queue.kickEvent.file, needReply: ack)
    }
    for queue in queues { try connection.setRingEnabled(queue.index, true, needReply: ack) }
    if kind == .generic { try connection.setBackendChannel(channel.backendFile, needReply: ack) }
  }

  /// Guest reboot.
  func reset() throws {
    for queue in queues {
      try connection.setRingEnabled(queue.index, false, needReply: ack)
      #expect(try connection.getRingBase(queue.index, needReply: ack) == queue.publishedIndex)
    }
  }

  func pause() throws {
    for queue in queues { try connection.setRingEnabled(queue.index, false, needReply: ack) }
  }

  func resume() throws {
    for queue in queues { try connection.setRingEnabled(queue.index, true, needReply: ack) }
  }
}

/// Cloud Hypervisor's vhost-user devices against an endpoint. Invariants:
/// - every acknowledged message is answered once, those with their own answer not twice;
/// - SET_PROTOCOL_FEATURES counts without an earlier GET on the same connection;
/// - with an inflight area, the base that the frontend sends does not matter;
/// - ADD_MEM_REG adds to what SET_MEM_TABLE gave.
@Suite(.timeLimit(.minutes(30)))
struct ReplayCloudHypervisorTests {
  static let kinds: [CloudHypervisorFrontend.Kind] = [.fs, .blk, .generic]

  private func memory() throws -> GuestRAM {
    try GuestRAM([GuestRegionLayout(guestAddress: 0, byteCount: 16 << 20, userAddress: 0x7f00_0000_0000)])
  }

  @Test("init, activate, traffic, guest reboot on the same connection", arguments: kinds)
  func rebootsGuest(_ kind: CloudHypervisorFrontend.Kind) throws {
    let backend = try TestBackend()
    let hypervisor = try CloudHypervisorFrontend(kind, try backend.connect(), ram: memory())
    try hypervisor.initialize(queueCount: 2)
    for _ in 0..<3 {
      try hypervisor.activate()
      for queue in hypervisor.queues { try Traffic(chains: 20).run(on: queue) }
      try hypervisor.reset()
      for queue in hypervisor.queues { queue.reset() }
      hypervisor.inflight = nil
    }
  }

  @Test("kicks during a pause are served after the resume")
  func pauseKeepsKicks() throws {
    let backend = try TestBackend()
    let hypervisor = try CloudHypervisorFrontend(.fs, try backend.connect(), ram: memory())
    try hypervisor.initialize(queueCount: 2)
    try hypervisor.activate()
    for _ in 0..<10 {
      try hypervisor.pause()
      let sent = try Traffic(notify: {
        $0.publish(); $0.kick()
      }).send(on: hypervisor.queues[1])
      #expect(!hypervisor.queues[1].hasUsed, "a disabled ring is not served")
      try hypervisor.resume()
      try Traffic().receive(sent, on: hypervisor.queues[1])
    }
  }

  @Test("reconnect after a crash: inflight area, SET_PROTOCOL_FEATURES without GET, base = available index")
  func reconnects() throws {
    let ram = try memory()
    let first = try TestBackend()
    let hypervisor = try CloudHypervisorFrontend(.fs, try first.connect(), ram: ram)
    try hypervisor.initialize(queueCount: 2)
    try hypervisor.activate()
    try Traffic(chains: 11).run(on: hypervisor.queues[1])
    first.close()
    let crash = try CrashedBackend(queue: hypervisor.queues[1], inflight: try #require(hypervisor.inflight))
    let second = try TestBackend()
    let again = try CloudHypervisorFrontend(.fs, try second.connect(), ram: ram)
    try again.reinitialize(like: hypervisor)
    try again.activate()
    try crash.expectAllAnswered()
    for queue in again.queues { try Traffic().run(on: queue) }
  }

  @Test("reconnect to the same endpoint, again and again")
  func reconnectsToSameEndpoint() throws {
    let ram = try memory()
    let backend = try TestBackend()
    var earlier = try CloudHypervisorFrontend(.fs, try backend.connect(), ram: ram)
    try earlier.initialize(queueCount: 2)
    try earlier.activate()
    for _ in 0..<5 {
      try Traffic(chains: 5).run(on: earlier.queues[1])
      earlier.connection.close()
      let next = try CloudHypervisorFrontend(.fs, try backend.connect(), ram: ram)
      try next.reinitialize(like: earlier)
      try next.activate()
      earlier = next
    }
    try Traffic(chains: 5).run(on: earlier.queues[0])
  }

  @Test("memory hot-plugged on top of the table carries buffers while rings run")
  func hotplugsMemory() throws {
    let backend = try TestBackend()
    let hypervisor = try CloudHypervisorFrontend(.fs, try backend.connect(), ram: memory())
    try hypervisor.initialize(queueCount: 2)
    try hypervisor.activate()
    try Traffic().run(on: hypervisor.queues[1])
    let region = try hypervisor.ram.plug(
      GuestRegionLayout(guestAddress: 4 << 30, byteCount: 1 << 20, userAddress: 0x7e00_0000_0000))
    try hypervisor.connection.addMemory(region, needReply: true)
    let queue = hypervisor.queues[1]
    let question = try hypervisor.ram.allocate(5000, region: 1)
    let answer = try hypervisor.ram.allocate(5000, region: 1)
    question.segment.copy((0..<5000).map { UInt8(truncatingIfNeeded: $0) })
    try queue.add(readable: [question], writable: [answer])
    queue.submit()
    #expect(try queue.takeNext().length == 5000)
    #expect(answer.segment.bytes() == question.segment.bytes())
    try Traffic().run(on: queue)
  }

  @Test("snapshot: the state saved by one backend is loaded by another")
  func snapshotsState() throws {
    let first = try TestBackend()
    let saver = try CloudHypervisorFrontend(.generic, try first.connect(), ram: memory())
    try saver.initialize(queueCount: 2)
    try saver.activate()
    try Traffic().run(on: saver.queues[1])
    try saver.connection.setConfig(offset: 8, bytes: [9, 9, 9, 9], needReply: true)
    try saver.reset()
    let pair = try UnixSocket.pair()
    let own = try saver.connection.setDeviceState(DeviceStateDirection.save, file: pair.second.file)
    expectNone(own)
    // The other end must not stay open here: the end of the stream is the end of the state.
    let state = try readAll(pair)
    try saver.connection.checkDeviceState()
    #expect(state.count == 16)

    let second = try TestBackend()
    let loader = try CloudHypervisorFrontend(.generic, try second.connect(), ram: memory())
    try loader.initialize(queueCount: 2)
    try load(state, into: loader)
    try loader.connection.checkDeviceState()
    #expect(try loader.connection.getConfig(offset: 8, count: 4) == [9, 9, 9, 9])
    try loader.activate()
    try Traffic().run(on: loader.queues[1])
  }

  /// Reads from the first end until the backend has closed the second.
  private func readAll(_ pair: consuming SocketPair) throws -> [UInt8] {
    let reader = firstOnly(pair)
    var state: [UInt8] = []
    var descriptors = ReceivedDescriptors()
    while let piece = try reader.value.receiveOnce(atMost: 100, descriptors: &descriptors) { state += piece }
    return state
  }

  private func load(_ state: [UInt8], into hypervisor: CloudHypervisorFrontend) throws {
    let pair = try UnixSocket.pair()
    expectNone(try hypervisor.connection.setDeviceState(DeviceStateDirection.load, file: pair.second.file))
    try pair.first.send(state)
    pair.first.shutDown()
  }

  /// Closes the second end.
  private func firstOnly(_ pair: consuming SocketPair) -> Held { Held(pair.first) }

  /// The backend uses the frontend's descriptor and sends none of its own.
  private func expectNone(_ descriptor: consuming FileDescriptor?) {
    var isNone = true
    if descriptor.take() != nil { isNone = false }
    #expect(isNone)
  }

  private final class Held {
    let value: UnixSocket
    init(_ value: consuming UnixSocket) { self.value = value }
  }

  @Test("dirty log: each iteration has its own log, and nothing is logged without LOG_ALL")
  func logsDirtyPages() throws {
    let backend = try TestBackend()
    let hypervisor = try CloudHypervisorFrontend(.fs, try backend.connect(), ram: memory())
    try hypervisor.initialize(queueCount: 2)
    try hypervisor.activate()
    let queue = hypervisor.queues[1]
    let answer = try hypervisor.ram.allocate(4096, alignment: 4096)
    let question = try hypervisor.ram.allocate(64)
    for iteration in 0..<4 {
      let log = try DirtyLogFile(covering: hypervisor.ram)
      let reply = try hypervisor.connection.setLog(log.description, file: log.file, needReply: true)
      #expect(reply == [UInt8](wire: log.description), "rust-vmm takes the log's description, 16 bytes")
      let logged = iteration % 2 == 1
      let features = hypervisor.offered.intersection([
        .version1, .eventIndex, .indirectDescriptors, .vhostUserProtocolFeatures,
      ])
      try hypervisor.connection.setFeatures(features.union(logged ? .logAll : []), needReply: true)
      for queue in hypervisor.queues {
        try hypervisor.connection.setRingAddress(queue.addresses(flags: logged ? .log : []), needReply: true)
      }
      try queue.add(readable: [question], writable: [answer])
      queue.submit()
      _ = try queue.takeNext()
      try hypervisor.pause()
      #expect(log.isDirty(answer.guestAddress) == logged)
      #expect(log.isDirty(queue.used.guestAddress) == logged)
      try hypervisor.resume()
    }
  }
}
