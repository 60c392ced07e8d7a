// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A frontend that gets on with any backend: negotiation, memory, rings, start, stop, start again. The programs of
// Martlet that drive a device (mount, inspect, bench) and most tests stand on it; replays of particular hypervisors
// use `FrontendConnection` directly.

internal import Linux
public import VhostUserProtocol
public import VirtioProtocol

/// What a driver wishes; what it gets is in `VhostUserDriver`.
public struct DriverWishes: Sendable {
  /// How the backend learns of memory.
  public enum MemoryMessages: Sendable {
    /// SET_MEM_TABLE at every start.
    case table
    /// ADD_MEM_REG, once per region; the table if the backend has no CONFIGURE_MEM_SLOTS.
    case slots
  }

  /// Virtio features to take when offered.
  public var features: VirtioFeatures = [
    .version1, .eventIndex, .indirectDescriptors, .vhostUserProtocolFeatures,
  ]
  /// Protocol features to take when offered.
  public var protocolFeatures: ProtocolFeatures = [
    .mq, .replyAck, .backendReq, .backendSendFd, .config, .resetDevice, .configureMemSlots,
  ]
  public var memory = MemoryMessages.slots
  /// Number of queues to start.
  public var queueCount = 1
  /// Start fewer queues where the backend says that it has fewer.
  public var takesFewerQueues = false
  /// Descriptors per queue.
  public var queueSize = 256
  /// Ask for an answer to every message, once REPLY_ACK is negotiated: errors show where they happen.
  public var acknowledges = true

  public init() {}
}

/// A device behind a vhost-user socket, driven. Has one owner.
public final class VhostUserDriver {
  public let connection: FrontendConnection
  public let ram: GuestRAM
  public let wishes: DriverWishes
  /// What both sides agreed on.
  public let features: VirtioFeatures
  public let protocolFeatures: ProtocolFeatures
  /// Features that the backend offers.
  public let offeredFeatures: VirtioFeatures
  public let offeredProtocolFeatures: ProtocolFeatures
  /// Queues that the backend says it has; nil if it cannot say (no MQ).
  public let backendQueueCount: Int?
  /// The socket for the backend's requests, if there is one. Somebody has to read it if the device uses it.
  public let channel: BackendChannel?
  public private(set) var queues: [DriverQueue] = []
  public private(set) var isRunning = false
  private var knowsMemory = false

  /// Negotiates: everything up to, but not including, the rings.
  public init(
    _ connection: FrontendConnection, ram: GuestRAM, wishes: DriverWishes = DriverWishes()
  ) throws(FrontendError) {
    self.connection = connection
    self.ram = ram
    self.wishes = wishes
    try connection.setOwner()
    offeredFeatures = try connection.getFeatures()
    features = offeredFeatures.intersection(wishes.features)
    if features.contains(.vhostUserProtocolFeatures) {
      offeredProtocolFeatures = try connection.getProtocolFeatures()
      protocolFeatures = offeredProtocolFeatures.intersection(wishes.protocolFeatures)
      try connection.setProtocolFeatures(protocolFeatures)
    } else {
      offeredProtocolFeatures = []
      protocolFeatures = []
    }
    let acknowledges = wishes.acknowledges && protocolFeatures.contains(.replyAck)
    backendQueueCount = protocolFeatures.contains(.mq) ? Int(clamping: try connection.getQueueCount()) : nil
    if protocolFeatures.contains(.backendReq) {
      let channel = try BackendChannel()
      try connection.setBackendChannel(channel.backendFile, needReply: acknowledges)
      self.channel = channel
    } else {
      channel = nil
    }
    let most = wishes.takesFewerQueues ? backendQueueCount ?? .max : .max
    for index in 0..<min(wishes.queueCount, most) {
      let queue = try DriverQueue(index: index, size: wishes.queueSize, ram: ram, features: features)
      queue.connection = connection.socket.file
      queues.append(queue)
    }
  }

  /// Messages ask for an answer.
  public var acknowledges: Bool { wishes.acknowledges && protocolFeatures.contains(.replyAck) }

  /// Hands over memory and rings and lets the device run. After `stop` it goes on where it stopped.
  public func start() throws(FrontendError) {
    precondition(!isRunning, "the device runs already")
    try connection.setFeatures(features, needReply: acknowledges)
    try tellMemory()
    for queue in queues { try start(queue) }
    if features.contains(.vhostUserProtocolFeatures) {
      for queue in queues { try connection.setRingEnabled(queue.index, true, needReply: acknowledges) }
    }
    isRunning = true
  }

  /// Stops the rings. Chains that the device had taken are used or, at `start`, given to it again.
  public func stop() throws(FrontendError) {
    guard isRunning else { return }
    isRunning = false
    if features.contains(.vhostUserProtocolFeatures) {
      for queue in queues { try connection.setRingEnabled(queue.index, false, needReply: acknowledges) }
    }
    for queue in queues {
      let base = try connection.getRingBase(queue.index)
      queue.resumeBase = base
    }
  }

  /// Stops, resets the device and empties the rings, as a guest's reboot does.
  public func reset() throws(FrontendError) {
    try stop()
    if protocolFeatures.contains(.resetDevice) { try connection.resetDevice(needReply: acknowledges) }
    for queue in queues { queue.reset() }
  }

  /// Reads the configuration space (needs CONFIG).
  public func config(offset: Int = 0, count: Int) throws(FrontendError) -> [UInt8] {
    try connection.getConfig(offset: offset, count: count)
  }

  /// Plugs memory in while the device runs (needs CONFIGURE_MEM_SLOTS).
  @discardableResult
  public func plug(_ layout: GuestRegionLayout) throws(FrontendError) -> GuestRegion {
    let region = try ram.plug(layout)
    try connection.addMemory(region, needReply: acknowledges)
    return region
  }

  private var usesSlots: Bool { wishes.memory == .slots && protocolFeatures.contains(.configureMemSlots) }

  private func tellMemory() throws(FrontendError) {
    if usesSlots {
      // Regions stay known through stop and reset: sending one again would be an overlap.
      guard !knowsMemory else { return }
      for region in ram.regions { try connection.addMemory(region, needReply: acknowledges) }
      knowsMemory = true
    } else {
      try connection.setMemoryTable(ram, needReply: acknowledges)
    }
  }

  private func start(_ queue: DriverQueue) throws(FrontendError) {
    let index = queue.index
    try connection.setRingSize(index, queue.size, needReply: acknowledges)
    try connection.setRingBase(index, queue.resumeBase, needReply: acknowledges)
    try connection.setRingAddress(queue.addresses(), needReply: acknowledges)
    try connection.setError(index, queue.errorEvent.file, needReply: acknowledges)
    try connection.setCall(index, queue.callEvent.file, needReply: acknowledges)
    try connection.setKick(index, queue.kickEvent.file, needReply: acknowledges)
  }
}
