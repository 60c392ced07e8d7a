// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Messages with a deadline. This is the byte level of both vhost-user sockets as a frontend sees them: it knows the
// header and nothing of what the messages mean. A backend that hangs costs the caller a time-out, never a hang.

public import Linux
public import VhostUserProtocol
internal import Wire

/// A message that was received, with the descriptors that came along.
public struct PeerMessage: ~Copyable, Sendable {
  public let header: MessageHeader
  public let payload: [UInt8]
  public var descriptors: ReceivedDescriptors

  init(header: MessageHeader, payload: [UInt8], descriptors: consuming ReceivedDescriptors) {
    self.header = header
    self.payload = payload
    self.descriptors = descriptors
  }
}

/// How a frontend takes an answer from its socket. Frontends differ, and a backend must suit them all.
public enum ReadStyle: Sendable {
  /// First the header, then as many bytes as it says: QEMU, rust-vmm, crosvm.
  case headerThenPayload
  /// The whole answer with one system call: Alioth. An answer sent in two pieces is an error.
  case oneCall
}

/// A unix socket that carries vhost-user messages. May be used from several threads as long as each direction has one.
public final class MessageSocket: Sendable {
  private let socket: UnixSocket
  private let readStyle: ReadStyle
  /// Longest payload that is believed.
  static let mostPayloadBytes = 1 << 20

  public init(_ socket: consuming UnixSocket, readStyle: ReadStyle = .headerThenPayload) {
    self.socket = socket
    self.readStyle = readStyle
  }

  /// For waiting on several descriptors at once.
  public var file: File { socket.file }

  /// Sends bytes as they are, valid or not.
  public func send(raw bytes: [UInt8], files: [File] = []) throws(FrontendError) {
    do {
      try socket.send(bytes, files: files)
    } catch {
      // EPIPE is how a closed connection shows when sending.
      throw error == Errno(32) || error == .connectionReset ? .closed : .system(error)
    }
  }

  /// Sends one message in one piece.
  public func send(_ header: MessageHeader, payload: [UInt8] = [], files: [File] = []) throws(FrontendError) {
    try send(raw: [UInt8](wire: header) + payload, files: files)
  }

  /// Ends the connection in both directions; the descriptor is closed when the last holder lets go.
  public func shutDown() {
    socket.shutDown()
  }

  /// Waits for the next message.
  /// - Throws: `closed` at the end of the stream, `timedOut` after `timeoutNanoseconds` without a whole message.
  public func receive(timeoutNanoseconds: Int64) throws(FrontendError) -> PeerMessage {
    let deadline = Clock.monotonic + timeoutNanoseconds
    var descriptors = ReceivedDescriptors()
    let headerSize = MessageHeader.byteCount
    var bytes: [UInt8] = []
    switch readStyle {
    case .headerThenPayload:
      try fill(&bytes, to: headerSize, until: deadline, &descriptors)
    case .oneCall:
      bytes = try readOnce(atMost: headerSize + Self.mostPayloadBytes, until: deadline, &descriptors)
    }
    guard let header = bytes.load(MessageHeader.self) else {
      throw .malformedReply(request: 0, reason: "the message came in pieces")
    }
    guard header.size <= Self.mostPayloadBytes else {
      throw .malformedReply(request: header.request, reason: "a payload of \(header.size) bytes")
    }
    let whole = headerSize + Int(header.size)
    if readStyle == .headerThenPayload { try fill(&bytes, to: whole, until: deadline, &descriptors) }
    guard bytes.count == whole else {
      throw .malformedReply(request: header.request, reason: "\(bytes.count) bytes came instead of \(whole)")
    }
    return PeerMessage(header: header, payload: Array(bytes.dropFirst(headerSize)), descriptors: descriptors)
  }

  /// True if nothing more comes within `timeoutNanoseconds`: for checking that a message was not answered twice.
  public func isQuiet(timeoutNanoseconds: Int64) -> Bool {
    Poll.wait(socket.file, nil, timeoutNanoseconds: timeoutNanoseconds).first.isEmpty
  }

  /// Takes whatever has arrived and drops it, without waiting: for callers that do not care for answers but must not
  /// let them block the backend. Returns the bytes dropped.
  @discardableResult
  public func discardInput() -> Int {
    var dropped = 0
    while Poll.wait(socket.file, nil, timeoutNanoseconds: 0).first.contains(.input) {
      var descriptors = ReceivedDescriptors()
      guard let bytes = try? socket.receiveOnce(atMost: 65536, descriptors: &descriptors) else { break }
      dropped += bytes.count
    }
    return dropped
  }

  private func fill(
    _ bytes: inout [UInt8], to count: Int, until deadline: Int64, _ descriptors: inout ReceivedDescriptors
  ) throws(FrontendError) {
    while bytes.count < count {
      bytes += try readOnce(atMost: count - bytes.count, until: deadline, &descriptors)
    }
  }

  private func readOnce(
    atMost limit: Int, until deadline: Int64, _ descriptors: inout ReceivedDescriptors
  ) throws(FrontendError) -> [UInt8] {
    while true {
      let left = deadline - Clock.monotonic
      guard left > 0 else { throw .timedOut }
      if !Poll.wait(socket.file, nil, timeoutNanoseconds: left).first.isEmpty { break }
    }
    do {
      guard let bytes = try socket.receiveOnce(atMost: limit, descriptors: &descriptors) else {
        throw FrontendError.closed
      }
      return bytes
    } catch let error as Errno {
      throw error == .connectionReset ? .closed : .system(error)
    } catch {
      throw .closed
    }
  }
}
