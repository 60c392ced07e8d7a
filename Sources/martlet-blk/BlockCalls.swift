// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// The system calls of a volume, beside those of every daemon: room Block through room Linux's Files+Data.swift and
/// Files+Block.swift. Names that another architecture does not have are skipped there.
enum BlockCalls {
  static let all = [
    "fallocate", "fdatasync", "fsync", "pread64", "preadv", "preadv2", "pwrite64", "pwritev", "pwritev2",
    // Sizes of a block device, and discarding on it.
    "ioctl",
    // The rings exist and are restricted before the filter is loaded.
    "io_uring_enter",
  ]

  /// A ring's restrictions leave of it what replaces registered memory.
  static let forPinning = ["io_uring_register"]
}
