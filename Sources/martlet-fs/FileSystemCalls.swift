// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// The system calls of a share, beside those of every daemon: room FileSystem through room Linux's Files+*.swift and
/// Credentials.swift. Names that another architecture does not have are skipped there.
enum FileSystemCalls {
  static let all = opening + names + attributes + contents + identity

  private static let opening = [
    "openat", "openat2", "open_by_handle_at", "name_to_handle_at", "readlinkat", "faccessat2", "fstatfs",
  ]
  private static let names = ["linkat", "mkdirat", "mknodat", "renameat2", "symlinkat", "unlinkat"]
  private static let attributes = [
    "fchmod", "fchmodat", "fchownat", "truncate", "utimensat", "fgetxattr", "flistxattr", "fremovexattr", "fsetxattr",
    "getxattr", "listxattr", "removexattr", "setxattr", "lgetxattr", "llistxattr", "lremovexattr", "lsetxattr",
  ]
  private static let contents = [
    "copy_file_range", "fallocate", "fdatasync", "flock", "fsync", "getdents64", "ioctl", "pread64", "preadv",
    "preadv2", "pwrite64", "pwritev", "pwritev2", "syncfs", "fadvise64",
    // Waiting for the helpers and the ring together.
    "epoll_create1", "epoll_ctl",
    // The ring exists and is restricted before the filter is loaded.
    "io_uring_enter",
  ]
  /// Acting as the guest's user, one thread at a time.
  private static let identity = ["capget", "capset", "fchdir", "setgroups", "setresgid", "setresuid"]
}
