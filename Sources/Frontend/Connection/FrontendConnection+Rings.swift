// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Messages about one ring.

public import Linux
public import VhostUserProtocol
public import VirtioProtocol
internal import Wire

extension FrontendConnection {
  public func setRingSize(_ index: Int, _ size: Int, needReply: Bool = false) throws(FrontendError) {
    try tell(.setVringNum, payload: state(index, size), needReply: needReply)
  }

  /// Says at which available index the backend shall go on.
  public func setRingBase(_ index: Int, _ base: UInt16, needReply: Bool = false) throws(FrontendError) {
    try tell(.setVringBase, payload: state(index, Int(base)), needReply: needReply)
  }

  /// Stops a ring; returns the available index at which it stopped.
  public func getRingBase(_ index: Int, needReply: Bool = false) throws(FrontendError) -> UInt16 {
    let reply: VringState = try ask(.getVringBase, payload: state(index, 0), needReply: needReply)
    guard reply.index == UInt32(index), let base = UInt16(exactly: reply.num) else {
      let reason = "base \(reply.num) of ring \(reply.index), asked for ring \(index)"
      throw .malformedReply(request: FrontendRequest.getVringBase.rawValue, reason: reason)
    }
    return base
  }

  /// The same for a packed ring.
  public func setRingBase(_ index: Int, _ base: PackedBase, needReply: Bool = false) throws(FrontendError) {
    try tell(.setVringBase, payload: state(index, Int(base.rawValue)), needReply: needReply)
  }

  /// Stops a packed ring; returns where it stopped.
  public func getPackedRingBase(_ index: Int, needReply: Bool = false) throws(FrontendError) -> PackedBase {
    let reply: VringState = try ask(.getVringBase, payload: state(index, 0), needReply: needReply)
    return PackedBase(rawValue: reply.num)
  }

  public func setRingAddress(_ address: VringAddress, needReply: Bool = false) throws(FrontendError) {
    try tell(.setVringAddr, payload: [UInt8](wire: address), needReply: needReply)
  }

  public func setRingEnabled(_ index: Int, _ enabled: Bool, needReply: Bool = false) throws(FrontendError) {
    try tell(.setVringEnable, payload: state(index, enabled ? 1 : 0), needReply: needReply)
  }

  /// Hands over the eventfd that the driver signals; without one the backend has to poll.
  public func setKick(_ index: Int, _ file: File?, needReply: Bool = false) throws(FrontendError) {
    try setDescriptor(.setVringKick, index, file, needReply)
  }

  /// Hands over the eventfd that the backend signals after using buffers; without one it stays silent.
  public func setCall(_ index: Int, _ file: File?, needReply: Bool = false) throws(FrontendError) {
    try setDescriptor(.setVringCall, index, file, needReply)
  }

  /// Hands over the eventfd that the backend signals when it gives the ring up.
  public func setError(_ index: Int, _ file: File?, needReply: Bool = false) throws(FrontendError) {
    try setDescriptor(.setVringErr, index, file, needReply)
  }

  /// A kick as a message (INBAND_NOTIFICATIONS).
  public func kickInBand(_ index: Int, needReply: Bool = false) throws(FrontendError) {
    try tell(.vringKick, payload: state(index, 0), needReply: needReply)
  }

  private func state(_ index: Int, _ number: Int) -> [UInt8] {
    [UInt8](wire: VringState(index: UInt32(index), num: UInt32(number)))
  }

  private func setDescriptor(
    _ request: FrontendRequest, _ index: Int, _ file: File?, _ needReply: Bool
  ) throws(FrontendError) {
    let word = VringFileDescriptor(index: UInt8(index), hasDescriptor: file != nil)
    try tell(request, payload: [UInt8](wire: word), needReply: needReply, files: file.map { [$0] } ?? [])
  }
}
