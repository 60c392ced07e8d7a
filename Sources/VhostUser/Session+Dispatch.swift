// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Which request is whose (vhost-user.rst, "Front-end message types"), and those that are nobody's here.

internal import VhostUserProtocol
internal import Wire

extension Session {
  func perform(_ request: FrontendRequest, _ message: inout Message) throws(StreamLost) -> Outcome {
    switch request {
    case .getFeatures: return try getFeatures(message)
    case .setFeatures: return setFeatures(message)
    case .getProtocolFeatures: return try getProtocolFeatures(message)
    case .setProtocolFeatures: return setProtocolFeatures(message)
    case .getQueueNum: return try getQueueCount(message)
    // Repeated by some frontends, never sent by others: there is only ever one frontend on a connection.
    case .setOwner: return .done
    case .resetOwner: return resetOwner()
    case .resetDevice: return resetDevice()
    case .setStatus: return setStatus(message)
    case .getStatus: return try getStatus(message)

    case .setMemTable: return setMemoryTable(&message)
    case .getMaxMemSlots: return try getMaximumMemorySlots(message)
    case .addMemReg: return addMemoryRegion(&message)
    case .remMemReg: return removeMemoryRegion(message)

    case .setVringNum: return setRingSize(message)
    case .setVringAddr: return setRingAddresses(message)
    case .setVringBase: return setRingBase(message)
    case .getVringBase: return try getRingBase(message)
    case .setVringKick: return setKick(&message)
    case .setVringCall: return setCall(&message)
    case .setVringErr: return setError(&message)
    case .setVringEnable: return setRingEnabled(message)
    case .vringKick: return kickByMessage(message)

    case .getConfig: return try getConfiguration(message)
    case .setConfig: return setConfiguration(message)
    case .setBackendReqFd: return setBackendSocket(&message)
    case .gpuSetSocket: return setDeviceSocket(&message)
    case .getShmemConfig: return try getWindows(message)

    case .getInflightFd: return try getInflight(message)
    case .setInflightFd: return setInflight(&message)
    case .setLogBase: return try setLogBase(&message)
    case .setLogFd: return setLogDescriptor(message)
    case .setDeviceStateFd: return try setStateDescriptor(&message)
    case .checkDeviceState: return try checkState(message)

    case .sendRarp, .netSetMtu, .setVringEndian, .closeCryptoSession, .postcopyListen:
      return .refused("not supported by this device")
    case .iotlbMsg, .postcopyEnd, .createCryptoSession, .postcopyAdvise, .getSharedObject:
      return try replyUnsupported(request, message)
    }
  }

  /// Requests whose sender waits for their own reply: it says no.
  private func replyUnsupported(
    _ request: FrontendRequest, _ message: borrowing Message
  ) throws(StreamLost) -> Outcome {
    switch request {
    case .iotlbMsg, .postcopyEnd:
      try connection.reply(to: message.header, UInt64(1))
    case .createCryptoSession:
      // The frontend reads its own request back; the session id in the last 8 bytes is -1 for an error.
      let payload = message.payload
      try connection.reply(to: message.header) { reply in
        let echoed = payload.prefix(min(payload.count, reply.space) - UInt64.byteCount)
        reply.append(echoed)
        reply.append(UInt64.max)
      }
    default:
      // The descriptor that the frontend waits for does not come.
      try connection.reply(to: message.header) { _ in }
    }
    return .replyRefused("not supported by this device")
  }
}
