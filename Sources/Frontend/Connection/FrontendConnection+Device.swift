// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Messages about the device as a whole: ownership, features, configuration, status, reset, state transfer.

public import Linux
public import VhostUserProtocol
public import VirtioProtocol
internal import Wire

extension FrontendConnection {
  public func setOwner(needReply: Bool = false) throws(FrontendError) {
    try tell(.setOwner, needReply: needReply)
  }

  public func resetOwner(needReply: Bool = false) throws(FrontendError) {
    try tell(.resetOwner, needReply: needReply)
  }

  public func getFeatures(needReply: Bool = false) throws(FrontendError) -> VirtioFeatures {
    VirtioFeatures(rawValue: try ask(.getFeatures, needReply: needReply))
  }

  public func setFeatures(_ features: VirtioFeatures, needReply: Bool = false) throws(FrontendError) {
    try tell(.setFeatures, payload: [UInt8](wire: features.rawValue), needReply: needReply)
  }

  public func getProtocolFeatures(needReply: Bool = false) throws(FrontendError) -> ProtocolFeatures {
    try ask(.getProtocolFeatures, needReply: needReply)
  }

  public func setProtocolFeatures(_ features: ProtocolFeatures, needReply: Bool = false) throws(FrontendError) {
    try tell(.setProtocolFeatures, payload: [UInt8](wire: features), needReply: needReply)
  }

  public func getQueueCount(needReply: Bool = false) throws(FrontendError) -> UInt64 {
    try ask(.getQueueNum, needReply: needReply)
  }

  /// Reads the configuration space. The answer must name the same offset and carry exactly `count` bytes.
  public func getConfig(
    offset: Int, count: Int, purpose: UInt32 = ConfigPurpose.writable, needReply: Bool = false
  ) throws(FrontendError) -> [UInt8] {
    let header = ConfigHeader(offset: UInt32(offset), size: UInt32(count), flags: purpose)
    let payload = [UInt8](wire: header) + [UInt8](repeating: 0, count: count)
    let reply = try ask(.getConfig, payload: payload, needReply: needReply)
    let code = FrontendRequest.getConfig.rawValue
    guard !reply.payload.isEmpty else { throw .refused(request: code, code: 0) }
    guard let answer = reply.payload.load(ConfigHeader.self), answer.offset == header.offset,
      answer.size == header.size, reply.payload.count == ConfigHeader.byteCount + count
    else {
      throw .malformedReply(request: code, reason: "another part of the configuration than asked for")
    }
    return Array(reply.payload.dropFirst(ConfigHeader.byteCount))
  }

  public func setConfig(
    offset: Int, bytes: [UInt8], purpose: UInt32 = ConfigPurpose.writable, needReply: Bool = false
  ) throws(FrontendError) {
    let header = ConfigHeader(offset: UInt32(offset), size: UInt32(bytes.count), flags: purpose)
    try tell(.setConfig, payload: [UInt8](wire: header) + bytes, needReply: needReply)
  }

  public func getStatus(needReply: Bool = false) throws(FrontendError) -> DeviceStatus {
    let word: UInt64 = try ask(.getStatus, needReply: needReply)
    return DeviceStatus(rawValue: UInt8(truncatingIfNeeded: word))
  }

  public func setStatus(_ status: DeviceStatus, needReply: Bool = false) throws(FrontendError) {
    try tell(.setStatus, payload: [UInt8](wire: UInt64(status.rawValue)), needReply: needReply)
  }

  public func resetDevice(needReply: Bool = false) throws(FrontendError) {
    try tell(.resetDevice, needReply: needReply)
  }

  /// Hands the backend its end of the socket for its own requests.
  public func setBackendChannel(_ file: File, needReply: Bool = false) throws(FrontendError) {
    try tell(.setBackendReqFd, needReply: needReply, files: [file])
  }

  /// Hands the backend its end of a display socket.
  public func setDisplaySocket(_ file: File, needReply: Bool = false) throws(FrontendError) {
    try tell(.gpuSetSocket, needReply: needReply, files: [file])
  }

  /// Starts a state transfer through `file`. Returns the descriptor to use instead, if the backend sent one.
  public func setDeviceState(
    _ direction: UInt32, file: File, needReply: Bool = false
  ) throws(FrontendError) -> FileDescriptor? {
    let payload = [UInt8](wire: DeviceStateDescription(direction: direction))
    var message = try ask(.setDeviceStateFd, payload: payload, needReply: needReply, files: [file])
    let descriptor = message.descriptors.takeFirst()
    let reply: DeviceStateReply = try value(of: message)
    let code = FrontendRequest.setDeviceStateFd.rawValue
    guard reply.error == 0 else { throw .refused(request: code, code: reply.rawValue) }
    guard reply.hasDescriptor == (descriptor != nil) else {
      throw .malformedReply(request: code, reason: "bit 8 and the descriptor disagree")
    }
    return descriptor
  }

  /// Ends a state transfer; throws `refused` if the backend could not save or load.
  public func checkDeviceState(needReply: Bool = false) throws(FrontendError) {
    let code: UInt64 = try ask(.checkDeviceState, needReply: needReply)
    if code != 0 { throw .refused(request: FrontendRequest.checkDeviceState.rawValue, code: code) }
  }

  /// Sizes of the shared memory regions by id, without the empty ones.
  public func getSharedMemory(needReply: Bool = false) throws(FrontendError) -> [UInt8: UInt64] {
    let config: SharedMemoryConfig = try ask(.getShmemConfig, needReply: needReply)
    var sizes: [UInt8: UInt64] = [:]
    for id in 0..<config.sizes.count where config.sizes[id] != 0 { sizes[UInt8(id)] = config.sizes[id] }
    guard sizes.count == Int(config.count) else {
      let reason = "\(sizes.count) regions have a size, the count is \(config.count)"
      throw .malformedReply(request: FrontendRequest.getShmemConfig.rawValue, reason: reason)
    }
    return sizes
  }
}
