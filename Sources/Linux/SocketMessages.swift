// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Messages over a unix stream socket from and into memory that the caller owns, so that a control channel does not
// allocate an array for every header.

internal import CLinux
internal import Glibc
public import Wire

extension UnixSocket {
  /// Fills `target` and collects the descriptors that came with it; false if the peer closed before the first byte.
  /// Throws `connectionReset` if it closed in the middle. Descriptors beyond `mostDescriptors` are closed.
  public func receive(
    into target: Segment, descriptors: inout ReceivedDescriptors
  ) throws(Errno) -> Bool {
    var received = 0
    while received < target.count {
      let rest = target.dropFirst(received)
      var raws = [Int32](repeating: -1, count: UnixSocket.mostDescriptors)
      var rawCount: Int32 = 0
      let got = try retrying {
        rawCount = Int32(UnixSocket.mostDescriptors)
        return unsafe clinux_receive(file.raw, rest.base, rest.count, &raws, &rawCount)
      }
      let more = ReceivedDescriptors(raws: Array(raws.prefix(Int(rawCount))))
      if descriptors.count + more.count <= UnixSocket.mostDescriptors { descriptors.append(more) }
      if got == 0 {
        if received == 0 { return false }
        throw .connectionReset
      }
      received += got
    }
    return true
  }

  /// Sends `bytes` whole, with `files` attached; one sendmsg(2) unless the socket's buffer is full. Never raises
  /// SIGPIPE.
  public func send(_ bytes: Segment, files: [File] = []) throws(Errno) {
    let raws = files.map { $0.raw }
    var sent = 0
    while sent < bytes.count {
      let rest = bytes.dropFirst(sent)
      sent += try retrying {
        unsafe clinux_send(file.raw, rest.base, rest.count, nil, 0, raws, sent == 0 ? Int32(raws.count) : 0)
      }
    }
  }

  /// One sendmsg(2) of `bytes`; returns how many the socket took. Throws `tryAgain` if a non-blocking one takes none.
  public func sendOnce(_ bytes: Segment) throws(Errno) -> Int {
    try retrying { unsafe clinux_send(file.raw, bytes.base, bytes.count, nil, 0, nil, 0) }
  }

  /// One sendmsg(2) of two runs of bytes, as `sendOnce(_:)`.
  public func sendOnce(_ head: Segment, _ body: Segment) throws(Errno) -> Int {
    try retrying { unsafe clinux_send(file.raw, head.base, head.count, body.base, body.count, nil, 0) }
  }

  /// Asks for room for so many bytes on their way (SO_SNDBUF); the kernel gives as much of it as net.core.wmem_max
  /// allows. TCP finds out by itself what it needs.
  public func askForRoom(byteCount: Int32) {
    var domain: Int32 = 0
    var length = socklen_t(MemoryLayout<Int32>.size)
    guard unsafe getsockopt(file.raw, SOL_SOCKET, SO_DOMAIN, &domain, &length) == 0, domain == AF_UNIX else { return }
    var byteCount = byteCount
    _ = unsafe setsockopt(file.raw, SOL_SOCKET, SO_SNDBUF, &byteCount, socklen_t(MemoryLayout<Int32>.size))
  }

  /// One recvmsg(2) into `target`; returns how many bytes came, 0 if the peer closed. Descriptors that come along are
  /// closed. Throws `tryAgain` if a non-blocking socket has nothing.
  public func receiveOnce(into target: Segment) throws(Errno) -> Int {
    var raws = [Int32](repeating: -1, count: UnixSocket.mostDescriptors)
    var rawCount: Int32 = 0
    let got = try retrying {
      rawCount = Int32(UnixSocket.mostDescriptors)
      return unsafe clinux_receive(file.raw, target.base, target.count, &raws, &rawCount)
    }
    _ = ReceivedDescriptors(raws: Array(raws.prefix(Int(rawCount))))
    return got
  }

  /// Bounds every later call on this socket: one that waits longer throws `tryAgain`.
  public func setTimeout(milliseconds: Int64) throws(Errno) {
    try checked(clinux_set_socket_timeout(file.raw, milliseconds))
  }
}
