// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The configuration space, the backend's own socket, and the windows that a device may have.

internal import Linux
internal import VhostUserProtocol
internal import Virtio
internal import Wire

extension Session {
  /// Any offset and size, also beyond the space, also before CONFIG was accepted (crosvm reads 1 to 8 bytes at a time,
  /// User-mode Linux grows from the start): what the device does not have reads as zero, and as many bytes go back as
  /// were asked for.
  func getConfiguration(_ message: borrowing Message) throws(StreamLost) -> Outcome {
    guard let header = message.value(ConfigHeader.self),
      header.size <= UInt32(VhostUserLimits.maximumConfigSize)
    else {
      // An empty payload is the protocol's error.
      try connection.reply(to: message.header) { _ in }
      return .replyRefused("more than \(VhostUserLimits.maximumConfigSize) bytes, or a payload too short")
    }
    let count = Int(header.size)
    let bytes = device.readConfiguration(offset: Int(header.offset), byteCount: count).prefix(count)
    try connection.reply(to: message.header) { reply in
      reply.append(header)
      for byte in bytes { reply.append(byte) }
      reply.appendZeroes(count - bytes.count)
    }
    return .replied
  }

  func setConfiguration(_ message: borrowing Message) -> Outcome {
    guard let header = message.value(ConfigHeader.self), header.size <= UInt32(VhostUserLimits.maximumConfigSize) else {
      return .refused("more than \(VhostUserLimits.maximumConfigSize) bytes, or a payload too short")
    }
    let bytes = message.payload.dropFirst(ConfigHeader.byteCount)
    guard bytes.count >= Int(header.size) else { return .refused("payload too short") }
    let accepted = device.writeConfiguration(
      offset: Int(header.offset), bytes: bytes.prefix(Int(header.size)).bytes())
    return accepted ? .done : .refused("the \(header.size) bytes from \(header.offset) on are read-only")
  }

  func setBackendSocket(_ message: inout Message) -> Outcome {
    guard let descriptor = message.descriptors.takeFirst() else { return .refused("the descriptor is missing") }
    do {
      try channel.attach(descriptor)
      return .done
    } catch {
      return .refused(error.message)
    }
  }

  /// The device's own socket: QEMU hands over a new one each time a guest's driver starts.
  func setDeviceSocket(_ message: inout Message) -> Outcome {
    guard let descriptor = message.descriptors.takeFirst() else { return .refused("the descriptor is missing") }
    return device.adoptSocket(descriptor.file.raw) ? .done : .refused("not supported by this device")
  }

  /// No device has a window yet. Asked by frontends that took another bit for SHMEM: the answer is that there is none.
  func getWindows(_ message: borrowing Message) throws(StreamLost) -> Outcome {
    try connection.reply(to: message.header, SharedMemoryConfig())
    return .replied
  }
}
