// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What is offered, what was accepted, and the device's life cycle: status, reset, owner.

internal import VhostUserProtocol
internal import Virtio
internal import VirtioProtocol
internal import Wire

extension Session {
  /// Never more than can be served: some frontends pass the word on to the guest as it is (alioth).
  var offeredFeatures: VirtioFeatures {
    description.features.union([
      .indirectDescriptors, .eventIndex, .version1, .vhostUserProtocolFeatures, .logAll,
    ])
  }

  /// GPA_ADDRESSES costs nothing, because ring addresses always go through the regions' user addresses. Frontends of
  /// spring 2026 take that bit for SHMEM: they then ask GET_SHMEM_CONFIG and learn that there is no window.
  var offeredProtocolFeatures: ProtocolFeatures {
    var offered: ProtocolFeatures = [
      .mq, .logShmfd, .replyAck, .backendReq, .backendSendFd, .inflightShmfd, .resetDevice, .configureMemSlots, .status,
      .gpaAddresses,
    ]
    if description.configurationByteCount > 0 { offered.insert(.config) }
    if device.transfersState { offered.insert(.deviceState) }
    if environment.options.offersInBandNotifications { offered.insert(.inbandNotifications) }
    return offered
  }

  /// Comes before SET_OWNER from some frontends, and in the middle of everything as QEMU's barrier.
  func getFeatures(_ message: borrowing Message) throws(StreamLost) -> Outcome {
    try connection.reply(to: message.header, offeredFeatures.rawValue)
    return .replied
  }

  func setFeatures(_ message: borrowing Message) -> Outcome {
    guard let bits = message.value(UInt64.self) else { return .refused("payload too short") }
    let wanted = VirtioFeatures(rawValue: bits)
    // QEMU's gpu sends bits that were never offered.
    let accepted = wanted.intersection(offeredFeatures)
    if accepted != wanted {
      log(
        .debug, "ignoring features that were not offered: 0x\(String(wanted.subtracting(accepted).rawValue, radix: 16))"
      )
    }
    if accepted != features {
      stopRings()
      features = accepted
      log(.debug, "features 0x\(String(accepted.rawValue, radix: 16))")
    }
    if !accepted.contains(.vhostUserProtocolFeatures) {
      // Nobody will send SET_VRING_ENABLE (vhost-user.rst, "Ring states").
      for ring in rings { ring.isEnabled = true }
    }
    return resumeRings()
  }

  func getProtocolFeatures(_ message: borrowing Message) throws(StreamLost) -> Outcome {
    try connection.reply(to: message.header, offeredProtocolFeatures.rawValue)
    return .replied
  }

  /// Also without an earlier GET: a frontend that reconnects remembers.
  func setProtocolFeatures(_ message: borrowing Message) -> Outcome {
    guard let bits = message.value(UInt64.self) else { return .refused("payload too short") }
    protocolFeatures = ProtocolFeatures(rawValue: bits).intersection(offeredProtocolFeatures)
    channel.negotiate(protocolFeatures)
    log(.debug, "protocol features 0x\(String(protocolFeatures.rawValue, radix: 16))")
    return .done
  }

  /// Exactly as many as there are: crosvm and alioth build that many queues.
  func getQueueCount(_ message: borrowing Message) throws(StreamLost) -> Outcome {
    try connection.reply(to: message.header, UInt64(description.queueCount))
    return .replied
  }

  // MARK: Life cycle

  /// Deprecated; stratovirt sends it when the guest lets go of the device.
  func resetOwner() -> Outcome {
    requestStop()
    for ring in rings {
      ring.stop()
      ring.kick = nil
    }
    return .done
  }

  /// At any time, several in a row, also before the first activation (QEMU). Memory regions stay.
  func resetDevice() -> Outcome {
    stopRings()
    let enabled = features.map { !$0.contains(.vhostUserProtocolFeatures) } ?? false
    for ring in rings { ring.forget(enabled: enabled) }
    inflight?.reset()
    featuresOfDevice = nil
    device.reset()
    return .done
  }

  /// Only a reset means something: hardly any frontend ever says DRIVER_OK.
  func setStatus(_ message: borrowing Message) -> Outcome {
    guard let bits = message.value(UInt64.self) else { return .refused("payload too short") }
    status = DeviceStatus(rawValue: UInt8(truncatingIfNeeded: bits))
    return status.rawValue == 0 ? resetDevice() : .done
  }

  func getStatus(_ message: borrowing Message) throws(StreamLost) -> Outcome {
    try connection.reply(to: message.header, UInt64(status.rawValue))
    return .replied
  }
}
