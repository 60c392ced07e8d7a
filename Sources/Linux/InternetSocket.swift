// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Listening on TCP, for displays whose viewers are not on this machine's file system. What is accepted is a stream
// socket like any other: `UnixSocket` serves it, only that no descriptors come along.

internal import CLinux

extension ListeningSocket {
  /// Listens at a numeric address: "127.0.0.1", "::1". Port 0 takes a free one. Throws `invalid` for what is no
  /// address.
  public init(address: String, port: UInt16) throws(Errno) {
    let result = unsafe address.withCString { unsafe clinux_listen_internet($0, port, 8) }
    self.init(FileDescriptor(owning: try checked(result)))
  }

  /// The port of a socket that listens on TCP.
  public var port: UInt16 {
    get throws(Errno) { UInt16(truncatingIfNeeded: try checked(clinux_bound_port(file.raw))) }
  }
}
