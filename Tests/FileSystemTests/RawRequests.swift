// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Frontend
import FuseProtocol
import Wire

extension DriverQueue {
  /// Puts a request on the queue without showing it to the device: its header and arguments, what it sends along, and
  /// room for the answer. For requests that must be in the ring together. Returns where the answer will be.
  @discardableResult
  func add(
    _ opcode: FuseOpcode, _ node: UInt64, _ arguments: [UInt8], token: UInt64 = 0, sends payload: GuestBuffer? = nil,
    takes room: GuestBuffer? = nil
  ) throws -> GuestBuffer {
    let request = try ram.allocate(FuseInHeader.byteCount + arguments.count)
    var header = FuseInHeader()
    header.len = UInt32(request.count + (payload?.count ?? 0))
    header.opcode = opcode.rawValue
    header.unique = 1000 + token
    header.nodeid = node
    request.segment.store(header)
    request.segment.dropFirst(FuseInHeader.byteCount).copy(arguments)
    let answer = try ram.allocate(room == nil ? 256 : FuseOutHeader.byteCount)
    try add(
      readable: [request] + [payload].compactMap { $0 }, writable: [answer] + [room].compactMap { $0 }, token: token)
    return answer
  }
}
