// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import CLinux

/// How many descriptors the process may have open (RLIMIT_NOFILE).
public struct DescriptorLimit: Equatable, Sendable {
  /// What holds now.
  public let soft: UInt64
  /// What the process may raise it to without CAP_SYS_RESOURCE.
  public let hard: UInt64

  public static func current() throws(Errno) -> DescriptorLimit {
    var soft: UInt64 = 0
    var hard: UInt64 = 0
    try checked(unsafe clinux_get_nofile(&soft, &hard))
    return DescriptorLimit(soft: soft, hard: hard)
  }

  /// Sets both limits.
  public static func set(_ limit: UInt64) throws(Errno) {
    try checked(clinux_set_nofile(limit, limit))
  }

  /// Raises the soft limit to the hard one.
  public static func raiseToHard() throws(Errno) {
    let hard = try current().hard
    try checked(clinux_set_nofile(hard, hard))
  }

  /// The most that the kernel allows anybody (/proc/sys/fs/nr_open).
  public static var ofKernel: UInt64 {
    let text = (try? Path("/proc/sys/fs/nr_open").contents()) ?? ""
    return UInt64(text.split(whereSeparator: { $0 == "\n" || $0 == " " }).first ?? "") ?? 1_048_576
  }
}

/// How much memory the process may lock (RLIMIT_MEMLOCK), which counts what is registered with io_uring.
public enum MemoryLimit {
  /// Takes the limit away, or raises it as far as it goes without CAP_SYS_RESOURCE.
  public static func raiseToMost() {
    clinux_raise_memlock()
  }
}
