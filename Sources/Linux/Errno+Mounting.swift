// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// What the kernel says of connections and mounts that are gone.
extension Errno {
  /// The device behind a descriptor is no more: /dev/fuse after unmounting.
  public static let noDevice = Errno(19)
  /// The socket is of another type.
  public static let wrongSocketType = Errno(91)
  public static let connectionAborted = Errno(103)
  /// Nobody serves what a path leads to: a FUSE mount without its server.
  public static let notConnected = Errno(107)
}
