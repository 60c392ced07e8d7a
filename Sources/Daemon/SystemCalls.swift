// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The system calls that remain once a daemon serves. Each list says who needs it; a device adds its own. Not among
// them: execve, fork by other means than clone, socket, connect, bind, ptrace, mount, kill.

public enum SystemCalls {
  public static let ofEveryDaemon: [String] = memory + threads + signals + descriptors + sockets + process

  /// Of the process that makes connections for a daemon (`Connector`), and of no other.
  static let ofConnector = [
    "brk", "close", "connect", "exit", "exit_group", "fcntl", "futex", "madvise", "mmap", "mprotect", "mremap",
    "munmap",
    "poll", "ppoll", "recvmsg", "restart_syscall", "rt_sigreturn", "sendmsg", "setsockopt", "socket",
  ]

  /// malloc, guest memory, logs.
  private static let memory = ["brk", "madvise", "mmap", "mprotect", "mremap", "munmap", "membarrier", "mlock"]

  /// One thread per queue, started and ended with the guest. pthread_getattr_np reads the stack limit.
  private static let threads = [
    "clone", "clone3", "exit", "futex", "get_robust_list", "gettid", "rseq", "sched_getaffinity", "sched_yield",
    "set_robust_list", "set_tid_address", "prctl", "prlimit64", "getrlimit", "unshare",
  ]

  /// signalfd reads; the rest is the C library's abort and the kernel's own restarts.
  private static let signals = [
    "restart_syscall", "rt_sigaction", "rt_sigprocmask", "rt_sigreturn", "sigaltstack", "tgkill", "tkill",
  ]

  /// Eventfds, the log, polling, and what kind of memory a frontend hands over (fstatfs).
  private static let descriptors = [
    "close", "dup", "dup2", "dup3", "eventfd2", "fcntl", "fstat", "fstatfs", "lseek", "memfd_create", "newfstatat",
    "poll", "ppoll", "read", "readv", "write", "writev", "ftruncate",
  ]

  /// The vhost-user connection. Sockets are accepted, never made.
  private static let sockets = [
    "accept4", "getpeername", "getsockopt", "recvfrom", "recvmsg", "sendmsg", "sendto", "setsockopt", "shutdown",
  ]

  /// Capabilities are dropped when the filter is there.
  private static let process = [
    "capget", "capset", "clock_gettime", "clock_nanosleep", "exit_group", "getegid", "geteuid", "getgid", "getpid",
    "getrandom", "getuid",
    "gettimeofday", "nanosleep", "time", "umask", "unlinkat", "statx",
  ]
}
