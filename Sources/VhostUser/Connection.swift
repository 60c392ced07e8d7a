// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// One socket of the protocol, message by message: header, payload, descriptors. It knows no request; what a message
// means is the session's business. A frontend reads a reply with one call, so a reply is one sendmsg of its exact size.

internal import Linux
internal import VhostUserProtocol
internal import Wire

/// The byte stream cannot be followed any further.
enum StreamLost: Error, Equatable {
  case unknownVersion(flags: UInt32)
  case payloadTooLarge(byteCount: UInt32)
  case socket(Errno)
}

/// One message as it came. The payload lies in the connection's buffer and is valid until the next `receive`.
struct Message: ~Copyable {
  let header: MessageHeader
  let payload: Segment
  var descriptors: ReceivedDescriptors

  /// The payload's first bytes as a value; nil if it is too short. Longer than needed is fine (User-mode Linux).
  func value<Value: WireValue>(_: Value.Type = Value.self) -> Value? {
    payload.load(Value.self)
  }
}

/// A shared owner of a socket, so that another thread can shut it down.
final class SharedSocket: Sendable {
  let socket: UnixSocket

  init(_ socket: consuming UnixSocket) {
    self.socket = socket
  }

  var file: File { socket.file }

  func shutDown() {
    socket.shutDown()
  }
}

/// The frontend's socket, owned by the control thread.
final class Connection {
  /// No message of the protocol comes near this.
  static let largestPayload = 64 << 10

  let socket: SharedSocket
  private let inbound = Scratch(byteCount: MessageHeader.byteCount + Connection.largestPayload)
  private let outbound = Scratch(byteCount: 4096)

  init(_ socket: SharedSocket) {
    self.socket = socket
  }

  /// Waits for the next message; nil if the peer has closed.
  func receive() throws(StreamLost) -> Message? {
    var descriptors = ReceivedDescriptors()
    let headerBytes = inbound.segment.prefix(MessageHeader.byteCount)
    guard try fill(headerBytes, &descriptors), let header = headerBytes.load(MessageHeader.self) else { return nil }
    guard header.hasSupportedVersion else { throw .unknownVersion(flags: header.flags) }
    guard Int(header.size) <= Connection.largestPayload else { throw .payloadTooLarge(byteCount: header.size) }
    let payload = inbound.segment.dropFirst(MessageHeader.byteCount).prefix(Int(header.size))
    if payload.count > 0 {
      guard try fill(payload, &descriptors) else { throw .socket(.connectionReset) }
    }
    return Message(header: header, payload: payload, descriptors: descriptors)
  }

  private func fill(_ target: Segment, _ descriptors: inout ReceivedDescriptors) throws(StreamLost) -> Bool {
    do {
      return try socket.socket.receive(into: target, descriptors: &descriptors)
    } catch {
      throw .socket(error)
    }
  }

  /// Answers `header` with a payload that `fill` writes.
  func reply(to header: MessageHeader, files: [File] = [], _ fill: (inout ByteWriter) -> Void) throws(StreamLost) {
    var payload = ByteWriter(outbound.segment.dropFirst(MessageHeader.byteCount))
    fill(&payload)
    outbound.segment.store(header.replyHeader(size: UInt32(payload.count)))
    do {
      try socket.socket.send(outbound.segment.prefix(MessageHeader.byteCount + payload.count), files: files)
    } catch {
      throw .socket(error)
    }
  }

  /// Answers with one value.
  func reply<Value: WireValue>(to header: MessageHeader, _ value: Value, files: [File] = []) throws(StreamLost) {
    try reply(to: header, files: files) { $0.append(value) }
  }
}
