// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The control plane of one frontend's connection: takes one message at a time, in order, and answers it before the
// next. Owned by the control thread; cold. What a message does lies in the extensions, by topic. It never dies of a
// message: what it cannot do it refuses, and only a byte stream that cannot be followed ends the connection.

internal import Linux
internal import Synchronization
internal import VhostUserProtocol
internal import Virtio
internal import VirtioProtocol
internal import Wire

/// What became of a message, and what is left to say to the frontend.
enum Outcome {
  /// Done; acknowledged if the frontend asked for it.
  case done
  /// Not done, with the reason for the log; acknowledged with a non-zero value if the frontend asked for it.
  case refused(String)
  /// The handler has sent the request's own reply; nothing follows, not even for NEED_REPLY.
  case replied
  /// As `replied`, but the reply says no.
  case replyRefused(String)
}

final class Session {
  /// What the rings and the control plane need of the endpoint.
  struct Environment {
    var device: any Device
    var options: Endpoint.Options
    var counters: Counters
    var log: any SessionLog
    /// Readable when the endpoint shall stop: every wait looks at it.
    var stopped: File
  }

  let environment: Environment
  let description: DeviceDescription
  let connection: Connection
  let channel: BackendChannel
  let rings: [RingState]
  let faultLimit = RateLimit()
  private let refusalLimit = RateLimit(intervalMilliseconds: 100)

  /// Rings when the frontend has taken away memory that it had shared: then the session has to end.
  let alarm: MemoryAlarm
  let health = MemoryHealth()
  var memory: MemoryTable
  /// What the frontend accepted with SET_FEATURES, less what was not offered; nil before.
  var features: VirtioFeatures?
  /// What the device has been told since its last reset.
  var featuresOfDevice: VirtioFeatures?
  var protocolFeatures: ProtocolFeatures = []
  var status = DeviceStatus()
  var inflight: InflightLog?
  var dirtyLog: DirtyLog?
  var transfer: StateTransfer?
  /// True after the first message that was one.
  private(set) var isEstablished = false

  init(_ socket: SharedSocket, _ environment: Environment) throws(Errno) {
    self.environment = environment
    description = environment.device.description
    connection = Connection(socket)
    channel = BackendChannel(log: environment.log)
    alarm = try MemoryAlarm(word: health.word, owner: health)
    memory = MemoryTable(health: health, alarm: alarm)
    var rings: [RingState] = []
    for index in 0..<description.queueCount {
      rings.append(
        try RingState(index: index, channel: channel, counters: environment.counters.queues[index]))
    }
    self.rings = rings
  }

  var device: any Device { environment.device }

  func log(_ level: LogLevel, _ message: @autoclosure () -> String) {
    environment.log.log(level, message())
  }

  /// Waits for one message and handles it; false when the frontend has closed.
  func step() throws(StreamLost) -> Bool {
    guard var message = try connection.receive() else { return false }
    environment.counters.messages.add(1, ordering: .relaxed)
    try handle(&message)
    return true
  }

  private func handle(_ message: inout Message) throws(StreamLost) {
    let header = message.header
    guard !header.isReply else {
      // Nothing on this connection asks the frontend for an answer.
      return refuse(header, "a reply that nobody asked for")
    }
    guard let request = FrontendRequest(rawValue: header.request) else {
      refuse(header, "unknown request; its payload begins \(hex(message.payload))")
      return try acknowledge(header, refused: true)
    }
    if !isEstablished {
      isEstablished = true
      environment.counters.sessions.add(1, ordering: .relaxed)
    }
    log(.trace, "\(request), \(header.size) bytes, \(message.descriptors.count) descriptors, flags \(header.flags)")
    switch try perform(request, &message) {
    case .done:
      try acknowledge(header, refused: false)
    case .refused(let reason):
      refuse(header, reason)
      try acknowledge(header, refused: true)
    case .replied:
      break
    case .replyRefused(let reason):
      refuse(header, reason)
    }
  }

  /// The answer of REPLY_ACK. Given whenever it is asked for, whether the feature was accepted or not (alioth asks from
  /// the first message on).
  private func acknowledge(_ header: MessageHeader, refused: Bool) throws(StreamLost) {
    if header.needsReply { try connection.reply(to: header, UInt64(refused ? 1 : 0)) }
  }

  private func refuse(_ header: MessageHeader, _ reason: String) {
    environment.counters.refusedMessages.add(1, ordering: .relaxed)
    let name = FrontendRequest(rawValue: header.request).map { "\($0)" } ?? "request \(header.request)"
    environment.log.log(.warning, limit: refusalLimit) { "\(name) refused: \(reason)" }
  }

  private func hex(_ payload: Segment) -> String {
    payload.prefix(16).bytes().map { ($0 < 16 ? "0" : "") + String($0, radix: 16) }.joined(separator: " ")
  }

  /// The frontend has gone: nothing of it must be left when the next one comes.
  func close() {
    channel.close()
    transfer?.cancel()
    transfer = nil
    stopRings()
    device.frontendLeft()
    device.reset()
  }
}
