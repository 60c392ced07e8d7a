// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Messages about guest memory, its dirty log and the region for requests in flight.

public import Linux
public import VhostUserProtocol

extension FrontendConnection {
  /// Replaces all memory. `padding` bytes of payload follow the regions: user-mode Linux sends a table of fixed size.
  public func setMemoryTable(
    _ ram: GuestRAM, padding: Int = 0, needReply: Bool = false
  ) throws(FrontendError) {
    let regions = ram.regions
    var payload = [UInt8](wire: MemoryTableHeader(count: UInt32(regions.count)))
    for region in regions { payload.append(wire: region.wire) }
    payload += [UInt8](repeating: 0, count: padding)
    try tell(.setMemTable, payload: payload, needReply: needReply, files: regions.map { $0.file })
  }

  public func addMemory(_ region: GuestRegion, needReply: Bool = false) throws(FrontendError) {
    let payload = [UInt8](wire: SingleMemoryRegion(region: region.wire))
    try tell(.addMemReg, payload: payload, needReply: needReply, files: [region.file])
  }

  /// Removes a region. Some frontends send its descriptor along, which the backend has to close.
  public func removeMemory(
    _ region: GuestRegion, withDescriptor: Bool = false, needReply: Bool = false
  ) throws(FrontendError) {
    let payload = [UInt8](wire: SingleMemoryRegion(region: region.wire))
    try tell(.remMemReg, payload: payload, needReply: needReply, files: withDescriptor ? [region.file] : [])
  }

  public func getMemorySlots(needReply: Bool = false) throws(FrontendError) -> UInt64 {
    try ask(.getMaxMemSlots, needReply: needReply)
  }

  /// Hands over the dirty log (LOG_SHMFD) and returns what the backend says about it, as it came: QEMU looks at
  /// nothing, rust-vmm wants the description back.
  public func setLog(
    _ log: LogDescription, file: File, needReply: Bool = false
  ) throws(FrontendError) -> [UInt8] {
    try ask(.setLogBase, payload: [UInt8](wire: log), needReply: needReply, files: [file]).payload
  }

  /// Hands over the eventfd that says that the log has news.
  public func setLogEvent(_ file: File, needReply: Bool = false) throws(FrontendError) {
    try tell(.setLogFd, needReply: needReply, files: [file])
  }

  /// Asks for a region to note requests in. The caller keeps it for the next backend.
  /// - Parameter withoutPadding: send the 20 bytes of the specification instead of the C struct's 24.
  public func getInflight(
    queueCount: Int, queueSize: Int, withoutPadding: Bool = false, needReply: Bool = false
  ) throws(FrontendError) -> InflightMemory {
    let wanted = InflightDescription(mmapSize: 0, queueCount: UInt16(queueCount), queueSize: UInt16(queueSize))
    var payload = [UInt8](wire: wanted)
    if withoutPadding { payload.removeLast(payload.count - InflightDescription.minimumByteCount) }
    var message = try ask(.getInflightFd, payload: payload, needReply: needReply)
    let descriptor = message.descriptors.takeFirst()
    let description: InflightDescription = try value(of: message)
    guard let descriptor else {
      throw .malformedReply(request: FrontendRequest.getInflightFd.rawValue, reason: "no descriptor")
    }
    return InflightMemory(description: description, descriptor: SharedDescriptor(descriptor))
  }

  public func setInflight(
    _ inflight: InflightMemory, withoutPadding: Bool = false, needReply: Bool = false
  ) throws(FrontendError) {
    var payload = [UInt8](wire: inflight.description)
    if withoutPadding { payload.removeLast(payload.count - InflightDescription.minimumByteCount) }
    try tell(.setInflightFd, payload: payload, needReply: needReply, files: [inflight.descriptor.file])
  }
}

/// The memory in which a backend notes the requests it works on; it outlives the backend.
public struct InflightMemory: Sendable {
  public let description: InflightDescription
  public let descriptor: SharedDescriptor

  public init(description: InflightDescription, descriptor: SharedDescriptor) {
    self.description = description
    self.descriptor = descriptor
  }
}
