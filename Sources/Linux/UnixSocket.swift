// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Unix stream sockets that carry descriptors.

internal import CLinux
internal import Glibc

/// Descriptors that came with a message, in order; those not taken are closed.
public struct ReceivedDescriptors: ~Copyable, Sendable {
  private var raws: [Int32]

  public init() {
    raws = []
  }

  init(raws: [Int32]) {
    self.raws = raws
  }

  deinit {
    for raw in raws { _ = clinux_close(raw) }
  }

  /// How many are left.
  public var count: Int { raws.count }

  /// Takes the first one.
  public mutating func takeFirst() -> FileDescriptor? {
    raws.isEmpty ? nil : FileDescriptor(owning: raws.removeFirst())
  }

  /// Adds those of a later part of the same message.
  public mutating func append(_ other: consuming ReceivedDescriptors) {
    while let descriptor = other.takeFirst() { raws.append(descriptor.release()) }
  }
}

/// A connected unix stream socket.
public struct UnixSocket: ~Copyable, Sendable {
  /// The most descriptors that one message carries.
  public static let mostDescriptors = 32

  private let descriptor: FileDescriptor

  public init(_ descriptor: consuming FileDescriptor) {
    self.descriptor = descriptor
  }

  public var file: File { descriptor.file }

  /// Connects to a listening socket; throws `nameTooLong` if `path` does not fit a socket address.
  public static func connect(to path: String) throws(Errno) -> UnixSocket {
    let result = unsafe path.withCString { unsafe clinux_connect($0) }
    return UnixSocket(FileDescriptor(owning: try checked(result)))
  }

  /// Two connected ends.
  public static func pair() throws(Errno) -> SocketPair {
    var fds: (Int32, Int32) = (-1, -1)
    let result = unsafe withUnsafeMutablePointer(to: &fds) {
      unsafe $0.withMemoryRebound(to: Int32.self, capacity: 2) { unsafe clinux_socketpair($0) }
    }
    try checked(result)
    return SocketPair(
      first: UnixSocket(FileDescriptor(owning: fds.0)), second: UnixSocket(FileDescriptor(owning: fds.1)))
  }

  /// One sendmsg(2) of `bytes`, whole, with `files` attached. Never raises SIGPIPE.
  public func send(_ bytes: [UInt8], files: [File] = []) throws(Errno) {
    let raws = files.map { $0.raw }
    var sent = 0
    while sent < bytes.count || (bytes.isEmpty && sent == 0) {
      let count = try retrying {
        unsafe bytes.withUnsafeBytes { buffer in
          let rest = unsafe UnsafeRawBufferPointer(rebasing: buffer[sent...])
          // Descriptors travel with the first byte only: a second sendmsg would send them again.
          return unsafe clinux_send(
            file.raw, rest.baseAddress, rest.count, nil, 0, raws, sent == 0 ? Int32(raws.count) : 0)
        }
      }
      if count == 0 { return }
      sent += count
    }
  }

  /// Receives exactly `count` bytes and the descriptors that came with them; nil if the peer closed before the first
  /// byte. Throws `connectionReset` if it closed in the middle.
  public func receive(
    _ count: Int, descriptors: inout ReceivedDescriptors
  ) throws(Errno) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var received = 0
    while received < count {
      var raws = [Int32](repeating: -1, count: UnixSocket.mostDescriptors)
      var rawCount: Int32 = 0
      let got = try retrying {
        rawCount = Int32(UnixSocket.mostDescriptors)
        return unsafe bytes.withUnsafeMutableBytes { buffer in
          let rest = unsafe UnsafeMutableRawBufferPointer(rebasing: buffer[received...])
          return unsafe clinux_receive(file.raw, rest.baseAddress, rest.count, &raws, &rawCount)
        }
      }
      descriptors.append(ReceivedDescriptors(raws: Array(raws.prefix(Int(rawCount)))))
      if got == 0 {
        if received == 0 { return nil }
        throw .connectionReset
      }
      received += got
    }
    return bytes
  }

  /// Ends both directions: a thread that waits in `receive` wakes up.
  public func shutDown() {
    _ = clinux_shutdown(file.raw)
  }

  /// Process id of the peer, for logs; nil if the kernel does not tell, because it belongs to another pid namespace.
  public var peerProcess: Int32? {
    var pid: Int32 = 0
    var uid: UInt32 = 0
    var gid: UInt32 = 0
    return unsafe clinux_peer_credentials(file.raw, &pid, &uid, &gid) < 0 || pid == 0 ? nil : pid
  }
}

/// Both ends of a socket pair; each can be moved out on its own.
@frozen
public struct SocketPair: ~Copyable, Sendable {
  public let first: UnixSocket
  public let second: UnixSocket

  init(first: consuming UnixSocket, second: consuming UnixSocket) {
    self.first = first
    self.second = second
  }
}

/// A listening unix stream socket.
public struct ListeningSocket: ~Copyable, Sendable {
  private let descriptor: FileDescriptor

  /// Takes over a socket that somebody else bound (--fd, LISTEN_FDS).
  public init(_ descriptor: consuming FileDescriptor) {
    self.descriptor = descriptor
  }

  /// Binds and listens. The socket's file has `mode`, never more, whatever the umask is. Throws `addressInUse` if the
  /// path exists.
  public init(path: String, mode: UInt32) throws(Errno) {
    let result = unsafe path.withCString { unsafe clinux_listen($0, mode, 8) }
    descriptor = FileDescriptor(owning: try checked(result))
  }

  public var file: File { descriptor.file }

  /// Waits for the next connection.
  public func accept() throws(Errno) -> UnixSocket {
    UnixSocket(FileDescriptor(owning: try retrying { clinux_accept(file.raw) }))
  }

  /// True if `file` is a listening socket, false if it is another kind of socket; throws for what is no socket.
  public static func isListening(_ file: File) throws(Errno) -> Bool {
    try checked(clinux_is_listening(file.raw)) != 0
  }
}
