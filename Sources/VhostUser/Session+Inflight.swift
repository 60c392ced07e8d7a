// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The inflight area changes hands: from us to the frontend, and from the frontend to us or our successor.

internal import Linux
internal import VhostUserProtocol
internal import Virtio
internal import VirtioProtocol
internal import Wire

extension Session {
  /// 20 bytes from some frontends, 24 from others; always 24 back.
  func getInflight(_ message: borrowing Message) throws(StreamLost) -> Outcome {
    guard let wanted = inflightDescription(message.payload),
      let fresh = InflightLog.create(wanted, packed: isPackedInflight)
    else {
      // A size of 0 and no descriptor.
      try connection.reply(to: message.header, InflightDescription())
      return .replyRefused("impossible sizes, or the host has no memory for it")
    }
    try connection.reply(to: message.header, fresh.description, files: [fresh.file.file])
    return .replied
  }

  func setInflight(_ message: inout Message) -> Outcome {
    guard let description = inflightDescription(message.payload) else { return .refused("payload too short") }
    guard let descriptor = message.descriptors.takeFirst() else { return .refused("the descriptor is missing") }
    do {
      let area = try InflightLog(description, descriptor.file, packed: isPackedInflight, alarm: alarm)
      stopRings()
      inflight = area
      device.adoptWord(area.word)
    } catch {
      return .refused(error.reason)
    }
    return resumeRings()
  }

  /// The frontend asks for an area, or gives one, after it has said what the driver accepted: the layouts differ.
  private var isPackedInflight: Bool { features?.contains(.ringPacked) ?? false }

  private func inflightDescription(_ payload: Segment) -> InflightDescription? {
    guard payload.count >= InflightDescription.minimumByteCount else { return nil }
    var description = InflightDescription()
    description.mmapSize = payload.load(UInt64.self) ?? 0
    description.mmapOffset = payload.load(UInt64.self, at: 8) ?? 0
    description.queueCount = payload.load(UInt16.self, at: 16) ?? 0
    description.queueSize = payload.load(UInt16.self, at: 18) ?? 0
    return description
  }
}
