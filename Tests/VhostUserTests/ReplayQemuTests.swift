// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// QEMU as it was observed on the wire: 7.2.22, 10.0.2 and 11.1.3 of Debian.

import Frontend
import Linux
import Testing
import VhostUser
import VhostUserProtocol
import VirtioProtocol
import Wire

/// What distinguishes the versions.
struct QemuVersion: Sendable, CustomTestStringConvertible {
  let testDescription: String
  let acknowledgesEnable: Bool
  let acknowledgesDescriptors: Bool
  let resetsBeforeFirstStart: Bool
  /// Highest protocol feature that it knows.
  let lastProtocolFeature: UInt64

  static let all = [
    QemuVersion(
      testDescription: "qemu 7.2", acknowledgesEnable: false, acknowledgesDescriptors: false,
      resetsBeforeFirstStart: false, lastProtocolFeature: 16),
    QemuVersion(
      testDescription: "qemu 10.0", acknowledgesEnable: true, acknowledgesDescriptors: false,
      resetsBeforeFirstStart: true, lastProtocolFeature: 19),
    QemuVersion(
      testDescription: "qemu 11.1", acknowledgesEnable: true, acknowledgesDescriptors: true,
      resetsBeforeFirstStart: true, lastProtocolFeature: 22),
  ]

  /// Protocol features that it takes when offered, less those of `device`.
  func known(without device: ProtocolFeatures) -> ProtocolFeatures {
    ProtocolFeatures(rawValue: (2 << lastProtocolFeature) - 1)
      .subtracting([.inbandNotifications, .xenMmap, .getVringBaseInflight]).subtracting(device)
  }
}

/// One QEMU with one device.
final class QemuFrontend {
  enum Kind { case fs, blk }

  let version: QemuVersion
  let kind: Kind
  let connection: FrontendConnection
  let ram: GuestRAM
  private(set) var protocolFeatures: ProtocolFeatures = []
  private(set) var queueCount = 0
  private(set) var offered: VirtioFeatures = []
  var queues: [DriverQueue] = []
  var inflight: InflightMemory?
  private let masked: [Event2]
  private let channel: BackendChannel
  private var knowsMemory = false

  /// A masked call eventfd: QEMU gives it out while the guest does not want to hear of the queue.
  final class Event2: Sendable {
    let event: Event
    init() throws { event = try Event() }
  }

  init(_ version: QemuVersion, _ kind: Kind, _ connection: FrontendConnection, ram: GuestRAM? = nil) throws {
    self.version = version
    self.kind = kind
    self.connection = connection
    // Below and above the VGA hole; with GPA_ADDRESSES user addresses are guest addresses, 0 among them.
    let flat = version.lastProtocolFeature >= 21
    let base: UInt64 = flat ? 0 : 0x7fe3_c000_0000
    self.ram =
      try ram
      ?? GuestRAM([
        GuestRegionLayout(guestAddress: 0, byteCount: 0xa0000, userAddress: base),
        GuestRegionLayout(
          guestAddress: 0xc0000, byteCount: 0x100_0000, userAddress: base + 0xc0000, mapOffset: 0xc0000),
      ])
    masked = try (0..<4).map { _ in try Event2() }
    channel = try BackendChannel()
  }

  private var slots: Bool { protocolFeatures.contains(.configureMemSlots) }
  private var acknowledges: Bool { protocolFeatures.contains(.replyAck) }
  private var enableReply: Bool { acknowledges && version.acknowledgesEnable }
  private var descriptorReply: Bool { acknowledges && version.acknowledgesDescriptors }

  /// Realize: everything before the guest runs.
  func realize(without missing: ProtocolFeatures = []) throws {
    offered = try connection.getFeatures()
    let own: ProtocolFeatures = kind == .fs ? [.config, .inflightShmfd] : []
    protocolFeatures = try connection.getProtocolFeatures().intersection(version.known(without: own.union(missing)))
    try connection.setProtocolFeatures(protocolFeatures)
    queueCount = protocolFeatures.contains(.mq) ? Int(try connection.getQueueCount()) : 1
    if slots { #expect(try connection.getMemorySlots() == 509) }
    if protocolFeatures.contains(.backendReq) {
      try connection.setBackendChannel(channel.backendFile, needReply: acknowledges)
    }
    try connection.setOwner()
    _ = try connection.getFeatures()
    for index in 0..<queueCount {
      try connection.setCall(index, masked[index].event.file, needReply: descriptorReply)
      let error = try queue(index).errorEvent.file
      try connection.setError(index, error, needReply: descriptorReply)
    }
    if kind == .blk { #expect(try connection.getConfig(offset: 0, count: 57)[56] == 57) }
    if version.resetsBeforeFirstStart, protocolFeatures.contains(.resetDevice) { try connection.resetDevice() }
  }

  /// A ring that lives as long as the machine; features change with each driver.
  private func queue(_ index: Int) throws -> DriverQueue {
    while queues.count <= index {
      queues.append(try DriverQueue(index: queues.count, size: 128, ram: ram, features: [.version1]))
    }
    return queues[index]
  }

  /// DRIVER_OK of a driver that took `features` and set up the first `configured` queues.
  func driverOK(features: VirtioFeatures, configured: Int, keepingRings: Bool = false, logged: Bool = false) throws {
    let acked = features.union(.vhostUserProtocolFeatures).union(logged ? .logAll : [])
    if !keepingRings {
      for index in 0..<configured {
        queues[index] = try DriverQueue(index: index, size: 128, ram: ram, features: features)
      }
    }
    if kind == .blk, protocolFeatures.contains(.inflightShmfd) {
      try connection.setFeatures(acked)
      try status(.featuresOK)
      if inflight == nil { inflight = try connection.getInflight(queueCount: queueCount, queueSize: 128) }
      if let inflight { try connection.setInflight(inflight) }
    }
    for index in 0..<configured { try call(index, masked: false) }
    try connection.setFeatures(acked)
    try status(.featuresOK)
    try tellMemory()
    for queue in queues.prefix(configured) {
      try connection.describe(queue, flags: logged ? .log : [])
      try connection.setKick(queue.index, queue.kickEvent.file, needReply: descriptorReply)
      try connection.setError(queue.index, queue.errorEvent.file, needReply: descriptorReply)
    }
    for index in 0..<queueCount {
      try connection.setRingEnabled(index, true, needReply: enableReply)
      if !acknowledges { try connection.barrier() }
    }
    for index in 0..<configured { try call(index, masked: false) }
    if kind == .blk { try status([.acknowledge, .driver, .driverOK]) }
  }

  /// Stop: a guest's reset, or the end of a driver.
  func stop(configured: Int, resetting: Bool = true) throws {
    for index in 0..<queueCount { try connection.setRingEnabled(index, false, needReply: enableReply) }
    for queue in queues.prefix(configured) {
      queue.resumeBase = try connection.getRingBase(queue.index)
      #expect(queue.resumeBase == queue.publishedIndex)
      try call(queue.index, masked: true)
    }
    guard resetting else { return }
    if kind == .blk { try status([]) }
    if protocolFeatures.contains(.resetDevice) { try connection.resetDevice() }
  }

  func call(_ index: Int, masked isMasked: Bool) throws {
    let file = isMasked ? masked[index].event.file : queues[index].callEvent.file
    try connection.setCall(index, file, needReply: descriptorReply)
  }

  private func status(_ status: DeviceStatus) throws {
    guard protocolFeatures.contains(.status) else { return }
    _ = try connection.getStatus()
    try connection.setStatus(status)
  }

  /// With slots once for all: they stay through RESET_DEVICE and SET_STATUS 0.
  private func tellMemory() throws {
    if slots {
      guard !knowsMemory else { return }
      for region in ram.regions { try connection.addMemory(region, needReply: acknowledges) }
      knowsMemory = true
    } else {
      try connection.setMemoryTable(ram)
    }
  }
}

/// QEMU's vhost-user devices against an endpoint. Invariants:
/// - call and err descriptors may come before everything else, and again at any time;
/// - rings that were never set up are enabled and disabled all the same;
/// - memory given by slots survives every reset; a table comes anew at every start;
/// - firmware and system drive the device one after the other with different features;
/// - DRIVER_OK is never said by the fs device, so nothing may wait for it.
@Suite(.timeLimit(.minutes(30)))
struct ReplayQemuTests {
  private static let linux: VirtioFeatures = [.version1, .eventIndex, .indirectDescriptors]
  /// SeaBIOS: 0x140000044 less the bits that are the device's.
  private static let seaBIOS: VirtioFeatures = [.version1]

  @Test("fs: boot, traffic on both queues, reset, boot again", arguments: QemuVersion.all)
  func fileSystemSurvivesReboot(_ version: QemuVersion) throws {
    let backend = try TestBackend()
    let qemu = try QemuFrontend(version, .fs, try backend.connect())
    try qemu.realize()
    for _ in 0..<3 {
      try qemu.driverOK(features: Self.linux, configured: 2)
      for queue in qemu.queues { try Traffic().run(on: queue) }
      try qemu.stop(configured: 2)
    }
  }

  @Test("fs: memory as a table at every start", arguments: QemuVersion.all)
  func tableModeSurvivesReboot(_ version: QemuVersion) throws {
    let backend = try TestBackend()
    let qemu = try QemuFrontend(version, .fs, try backend.connect())
    try qemu.realize(without: [.configureMemSlots, .replyAck])
    for _ in 0..<2 {
      try qemu.driverOK(features: Self.linux, configured: 2)
      for queue in qemu.queues { try Traffic().run(on: queue) }
      try qemu.stop(configured: 2)
    }
  }

  @Test("blk: firmware with one queue, then the system with four", arguments: QemuVersion.all)
  func firmwareThenSystem(_ version: QemuVersion) throws {
    let backend = try TestBackend(ReplayDevice(queueCount: 4))
    let qemu = try QemuFrontend(version, .blk, try backend.connect())
    try qemu.realize()
    try qemu.driverOK(features: Self.seaBIOS, configured: 1)
    try Traffic(chains: 3).run(on: qemu.queues[0])
    try qemu.stop(configured: 1)
    try qemu.driverOK(features: Self.linux, configured: 4)
    for queue in qemu.queues { try Traffic(chains: 30).run(on: queue) }
    try qemu.stop(configured: 4)
  }

  @Test("stop and continue (savevm, cont) loses nothing", arguments: QemuVersion.all)
  func pauseAndContinue(_ version: QemuVersion) throws {
    let backend = try TestBackend()
    let qemu = try QemuFrontend(version, .fs, try backend.connect())
    try qemu.realize()
    try qemu.driverOK(features: Self.linux, configured: 2)
    for _ in 0..<5 {
      try Traffic().run(on: qemu.queues[1])
      try qemu.stop(configured: 2, resetting: false)
      // The guest does not know: what it sends meanwhile is served after the start.
      let sent = try Traffic().send(on: qemu.queues[1])
      try qemu.driverOK(features: Self.linux, configured: 2, keepingRings: true)
      try Traffic().receive(sent, on: qemu.queues[1])
    }
  }

  @Test("interrupts masked and unmasked while the ring runs", arguments: QemuVersion.all)
  func callReplacedDuringTraffic(_ version: QemuVersion) throws {
    let backend = try TestBackend()
    let qemu = try QemuFrontend(version, .fs, try backend.connect())
    try qemu.realize()
    try qemu.driverOK(features: Self.linux, configured: 2)
    for round in 0..<20 {
      let sent = try Traffic().send(on: qemu.queues[1])
      try qemu.call(1, masked: round % 2 == 0)
      if round % 2 == 0 { try qemu.call(1, masked: false) }
      try Traffic().receive(sent, on: qemu.queues[1])
    }
  }

  @Test("dirty log of a migration marks what was written", arguments: QemuVersion.all)
  func migrationLogsWrites(_ version: QemuVersion) throws {
    let backend = try TestBackend()
    let qemu = try QemuFrontend(version, .fs, try backend.connect())
    try qemu.realize()
    try qemu.driverOK(features: Self.linux, configured: 2)
    // Migration begins: the log, then everything again with LOG_ALL and log addresses.
    let log = try DirtyLogFile(covering: qemu.ram)
    _ = try qemu.connection.setLog(log.description, file: log.file)
    try qemu.stop(configured: 2, resetting: false)
    try qemu.driverOK(features: Self.linux, configured: 2, keepingRings: true, logged: true)
    let queue = qemu.queues[1]
    let answer = try qemu.ram.allocate(4096 * 3, alignment: 4096)
    let question = try qemu.ram.allocate(8000)
    try queue.add(readable: [question], writable: [answer])
    queue.submit()
    #expect(try queue.takeNext().length == 8000)
    #expect(log.isDirty(answer.guestAddress) && log.isDirty(answer.guestAddress + 4096))
    #expect(!log.isDirty(answer.guestAddress + 8192), "the last page was not written to")
    #expect(log.isDirty(queue.used.guestAddress), "the used ring is logged too")
    #expect(
      !log.isDirty(question.guestAddress & ~0xfff) || question.guestAddress >> 12 == queue.used.guestAddress >> 12)
  }

  @Test("blk reconnect: requests in flight are done by the successor", arguments: QemuVersion.all)
  func reconnectResubmits(_ version: QemuVersion) throws {
    let first = try TestBackend(ReplayDevice(queueCount: 4))
    let qemu = try QemuFrontend(version, .blk, try first.connect())
    try qemu.realize()
    try qemu.driverOK(features: Self.linux, configured: 1)
    try Traffic().run(on: qemu.queues[0])
    first.close()
    let crash = try CrashedBackend(queue: qemu.queues[0], inflight: try #require(qemu.inflight))
    let second = try TestBackend(ReplayDevice(queueCount: 4))
    let again = try QemuFrontend(version, .blk, try second.connect(), ram: qemu.ram)
    again.inflight = qemu.inflight
    try again.realize()
    again.queues[0] = qemu.queues[0]
    // The base that QEMU sends is the used index.
    again.queues[0].resumeBase = again.queues[0].deviceUsedIndex
    try again.driverOK(features: Self.linux, configured: 1, keepingRings: true)
    try crash.expectAllAnswered()
    try Traffic().run(on: again.queues[0])
  }
}
