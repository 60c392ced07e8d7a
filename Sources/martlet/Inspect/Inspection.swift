// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a backend says about itself, asked as a hypervisor asks before it starts anything: no memory is shared, no ring
// is set up, SET_OWNER is not sent.

internal import Frontend
internal import VhostUserProtocol
internal import VirtioProtocol

struct Inspection {
  var socket: String
  var features: VirtioFeatures
  /// Nil if there are none to ask for (PROTOCOL_FEATURES is not offered).
  var protocolFeatures: ProtocolFeatures?
  /// Nil if the backend cannot say (no MQ): then it is the least that its kind of device has.
  var queueCount: Int?
  /// Nil without CONFIGURE_MEM_SLOTS; the memory table then has at most 8 regions.
  var memorySlots: UInt64?
  var kind: DeviceKind?
  var kindSource: KindSource
  /// Nil without CONFIG, or if what came is no configuration of this kind of device.
  var configuration: DeviceConfiguration?
  /// Byte counts by id; nil without SHMEM.
  var sharedMemory: [UInt8: UInt64]?

  func offers(_ feature: ProtocolFeatures) -> Bool { protocolFeatures?.contains(feature) ?? false }

  /// The share's name, if the device says it.
  var tag: String? {
    guard case .fileSystem(let configuration) = configuration else { return nil }
    return configuration.tag
  }

  /// Request queues of a file system; 1 if nobody says it.
  var requestQueues: Int { max((queueCount ?? 2) - 1, 1) }

  /// Asks everything that can be asked.
  static func of(_ backend: Backend, told: DeviceKind?) throws(HumanError) -> Inspection {
    let connection = try backend.connect()
    defer { connection.close() }
    return try backend.talking { () throws(FrontendError) in try ask(connection, backend.socket, told) }
  }

  private static func ask(
    _ connection: FrontendConnection, _ socket: String, _ told: DeviceKind?
  ) throws(FrontendError) -> Inspection {
    let features = try connection.getFeatures()
    var result = Inspection(
      socket: socket, features: features, protocolFeatures: nil, queueCount: nil, memorySlots: nil, kind: told,
      kindSource: told == nil ? .features : .told, configuration: nil, sharedMemory: nil)
    if features.contains(.vhostUserProtocolFeatures) {
      let offered = try connection.getProtocolFeatures()
      result.protocolFeatures = offered
      try connection.setProtocolFeatures(offered.intersection([.mq, .config, .configureMemSlots, .shmem]))
      if offered.contains(.mq) { result.queueCount = Int(clamping: try connection.getQueueCount()) }
      if offered.contains(.configureMemSlots) { result.memorySlots = try connection.getMemorySlots() }
      if offered.contains(.shmem) { result.sharedMemory = try connection.getSharedMemory() }
    }
    if told == nil { result.kind = DeviceKind.guess(features, queueCount: result.queueCount) }
    if let kind = result.kind, result.offers(.config) { try result.readConfiguration(connection, kind) }
    return result
  }

  private mutating func readConfiguration(
    _ connection: FrontendConnection, _ kind: DeviceKind
  ) throws(FrontendError) {
    let bytes: [UInt8]
    do {
      bytes = try connection.getConfig(offset: 0, count: DeviceConfiguration.byteCount(kind))
    } catch {
      // A refusal is an answer: there is no configuration of that length.
      guard case .refused = error else { throw error }
      bytes = []
    }
    configuration = DeviceConfiguration(kind, bytes, features: features, queueCount: queueCount)
    guard kindSource != .told else { return }
    if configuration == nil { self.kind = nil } else { kindSource = .configuration }
  }
}
