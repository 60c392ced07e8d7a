// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The other socket: on it the backend asks and the frontend answers.

public import Linux
public import VhostUserProtocol
internal import Wire

/// The frontend's end of the socket of SET_BACKEND_REQ_FD. Nobody reads it unless the owner does.
public final class BackendChannel: Sendable {
  public let socket: MessageSocket
  private let backendEnd: SharedDescriptor

  public init() throws(FrontendError) {
    do {
      let pair = try UnixSocket.pair()
      backendEnd = SharedDescriptor(try pair.second.file.duplicate())
      socket = MessageSocket(UnixSocket(try pair.first.file.duplicate()))
    } catch {
      throw .system(error)
    }
  }

  /// The end to send to the backend. It stays open here too, so the backend never sees a hang-up of this channel alone.
  public var backendFile: File { backendEnd.file }

  /// Waits for the backend's next request.
  public func receive(timeoutNanoseconds: Int64) throws(FrontendError) -> PeerMessage {
    try socket.receive(timeoutNanoseconds: timeoutNanoseconds)
  }

  /// Answers a request that has NEED_REPLY set; 0 is success.
  public func reply(to header: MessageHeader, _ code: UInt64, files: [File] = []) throws(FrontendError) {
    try socket.send(header.replyHeader(size: 8), payload: [UInt8](wire: code), files: files)
  }
}
