// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The device's own state for migration and snapshots (vhost-user.rst, "Migrating back-end state").

internal import Linux
internal import VhostUserProtocol
internal import Virtio
internal import Wire

extension Session {
  /// Begins a transfer in a thread of its own; CHECK_DEVICE_STATE tells how it ended.
  func setStateDescriptor(_ message: inout Message) throws(StreamLost) -> Outcome {
    let reason = beginTransfer(&message)
    // The frontend's own descriptor is used: none goes back.
    try connection.reply(to: message.header, DeviceStateReply(error: reason == nil ? 0 : 1, hasDescriptor: false))
    if let reason { return .replyRefused(reason) }
    return .replied
  }

  private func beginTransfer(_ message: inout Message) -> String? {
    guard device.transfersState else { return "this device has no state to transfer" }
    guard let description = message.value(DeviceStateDescription.self) else { return "payload too short" }
    guard let descriptor = message.descriptors.takeFirst() else { return "the descriptor is missing" }
    guard description.phase == DeviceStatePhase.stopped,
      description.direction == DeviceStateDirection.save || description.direction == DeviceStateDirection.load
    else { return "direction \(description.direction), phase \(description.phase)" }
    guard !rings.contains(where: { $0.isRunning }) else { return "rings are running" }
    transfer?.cancel()
    do {
      transfer = try StateTransfer(
        device, descriptor, saves: description.direction == DeviceStateDirection.save)
      return nil
    } catch {
      return error.message
    }
  }

  /// Waits for the transfer; the frontend has closed its end before it asks.
  func checkState(_ message: borrowing Message) throws(StreamLost) -> Outcome {
    let succeeded = transfer?.wait(unless: environment.stopped, or: connection.socket.file) ?? false
    transfer = nil
    try connection.reply(to: message.header, UInt64(succeeded ? 0 : 1))
    return succeeded ? .replied : .replyRefused("the transfer of the device's state failed")
  }
}
