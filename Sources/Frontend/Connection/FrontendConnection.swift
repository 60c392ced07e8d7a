// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The frontend's end of a vhost-user connection: what may be asked of a backend and how it answers. It keeps no state
// of the negotiation: whoever calls decides what to send and when, so that it can play any frontend, and lie.
// The typed messages are in FrontendConnection+Device.swift, +Memory.swift and +Rings.swift.

public import Linux
public import VhostUserProtocol
public import Wire

/// A connection to a backend.
public final class FrontendConnection: Sendable {
  /// The bytes below: for messages that no helper would send.
  public let socket: MessageSocket
  /// How long an answer may take.
  public let timeoutNanoseconds: Int64

  /// Far more than any answer takes, on a machine that is busy with other things as well.
  public static let defaultTimeoutNanoseconds: Int64 = 60_000_000_000

  /// Connects to a listening backend.
  public init(
    path: String, readStyle: ReadStyle = .headerThenPayload, timeoutNanoseconds: Int64 = defaultTimeoutNanoseconds
  ) throws(FrontendError) {
    let socket = try onHost { () throws(Errno) in try UnixSocket.connect(to: path) }
    self.socket = MessageSocket(socket, readStyle: readStyle)
    self.timeoutNanoseconds = timeoutNanoseconds
  }

  /// Takes over a connected socket.
  public init(
    _ socket: consuming UnixSocket, readStyle: ReadStyle = .headerThenPayload,
    timeoutNanoseconds: Int64 = defaultTimeoutNanoseconds
  ) {
    self.socket = MessageSocket(socket, readStyle: readStyle)
    self.timeoutNanoseconds = timeoutNanoseconds
  }

  /// Ends the connection, as a hypervisor that goes away does.
  public func close() {
    socket.shutDown()
  }

  /// Sends a message and does not wait, whatever it asks for.
  public func send(
    _ request: FrontendRequest, payload: [UInt8] = [], needReply: Bool = false, files: [File] = []
  ) throws(FrontendError) {
    let header = MessageHeader(request, size: UInt32(payload.count), needReply: needReply)
    try socket.send(header, payload: payload, files: files)
  }

  /// Waits for the answer to `request`; throws `malformedReply` when another message comes.
  public func receive(_ request: FrontendRequest) throws(FrontendError) -> PeerMessage {
    let message = try socket.receive(timeoutNanoseconds: timeoutNanoseconds)
    let header = message.header
    guard header.request == request.rawValue else {
      throw .malformedReply(request: request.rawValue, reason: "an answer to request \(header.request) came")
    }
    guard header.flags == MessageHeader.version | MessageHeader.reply else {
      throw .malformedReply(request: request.rawValue, reason: "flags are \(header.flags)")
    }
    return message
  }

  /// Sends a message that has an answer of its own and waits for it. NEED_REPLY makes no second answer.
  public func ask(
    _ request: FrontendRequest, payload: [UInt8] = [], needReply: Bool = false, files: [File] = []
  ) throws(FrontendError) -> PeerMessage {
    try send(request, payload: payload, needReply: needReply, files: files)
    return try receive(request)
  }

  /// As `ask`, when the answer is one value of exactly its size.
  public func ask<Reply: WireValue>(
    _ request: FrontendRequest, payload: [UInt8] = [], needReply: Bool = false, files: [File] = [],
    for _: Reply.Type = Reply.self
  ) throws(FrontendError) -> Reply {
    try value(of: try ask(request, payload: payload, needReply: needReply, files: files))
  }

  /// Sends a message without an answer of its own. With `needReply` it waits for the code and throws `refused` when
  /// that is not 0.
  public func tell(
    _ request: FrontendRequest, payload: [UInt8] = [], needReply: Bool = false, files: [File] = []
  ) throws(FrontendError) {
    try send(request, payload: payload, needReply: needReply, files: files)
    if needReply { try acknowledge(request) }
  }

  /// Waits for the code that NEED_REPLY asked for.
  public func acknowledge(_ request: FrontendRequest) throws(FrontendError) {
    let code: UInt64 = try value(of: try receive(request))
    if code != 0 { throw .refused(request: request.rawValue, code: code) }
  }

  /// The payload of `message` as one value of exactly its size.
  func value<Value: WireValue>(of message: consuming PeerMessage) throws(FrontendError) -> Value {
    guard message.payload.count == Value.byteCount, let value = message.payload.load(Value.self) else {
      let reason = "a payload of \(message.payload.count) bytes instead of \(Value.byteCount)"
      throw .malformedReply(request: message.header.request, reason: reason)
    }
    return value
  }
}
