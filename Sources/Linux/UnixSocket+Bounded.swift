// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Connecting for programs that must not hang on whoever listens.

internal import CLinux

extension UnixSocket {
  /// As `connect(to:)`, bounded: throws `tryAgain` if the listener takes no connection in time. Sending on the socket
  /// is bounded by the same time.
  public static func connect(to path: String, withinMilliseconds milliseconds: Int64) throws(Errno) -> UnixSocket {
    let result = unsafe path.withCString { unsafe clinux_connect_within($0, milliseconds) }
    return UnixSocket(FileDescriptor(owning: try checked(result)))
  }
}
