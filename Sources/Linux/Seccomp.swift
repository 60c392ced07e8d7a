// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The system-call filter. It is loaded while the process has one thread, after everything that needs more calls, and
// holds for all threads started later. Requests that go through an io_uring are not seen by it: the ring has its own
// restrictions.

internal import CLinux
internal import CSeccomp

/// What happens to a system call that is not on the list.
public enum SeccompMode: String, Sendable, CaseIterable {
  /// No filter.
  case none
  /// The process is killed.
  case kill
  /// It goes through and the kernel's audit log says so.
  case log
  /// SIGSYS, which dumps core where that is set up.
  case trap
}

/// Why a filter could not be loaded.
public struct SeccompError: Error, Sendable {
  public let message: String
}

/// An allow-list of system calls.
public enum SeccompFilter {
  // Function-like or unsigned macros of <seccomp.h>.
  private static let allow: UInt32 = 0x7fff_0000
  private static let killProcess: UInt32 = 0x8000_0000
  private static let trap: UInt32 = 0x0003_0000
  private static let log: UInt32 = 0x7ffc_0000

  /// Loads the filter for this process. `names` are system calls as libseccomp knows them; one that this machine does
  /// not have is left out. Sets no_new_privs.
  public static func load(_ mode: SeccompMode, allowing names: [String]) throws(SeccompError) {
    let refuse: UInt32
    switch mode {
    case .none: return
    case .kill: refuse = killProcess
    case .log: refuse = log
    case .trap: refuse = trap
    }
    guard let context = unsafe seccomp_init(refuse) else {
      throw SeccompError(message: "libseccomp could not make a filter")
    }
    defer { unsafe seccomp_release(context) }
    try unsafe check(seccomp_attr_set(context, SCMP_FLTATR_CTL_NNP, 1), "set no_new_privs")
    // A call of another architecture is never legitimate here.
    try unsafe check(seccomp_attr_set(context, SCMP_FLTATR_ACT_BADARCH, killProcess), "filter other architectures")
    // A tree instead of a chain of comparisons (libseccomp 2.5): the filter runs on every system call.
    _ = unsafe seccomp_attr_set(context, SCMP_FLTATR_CTL_OPTIMIZE, 2)
    for name in Set(names) {
      let number = unsafe name.withCString { unsafe seccomp_syscall_resolve_name($0) }
      // Negative numbers are calls that libseccomp knows from other machines.
      guard number >= 0 else { continue }
      try unsafe check(seccomp_rule_add_array(context, allow, number, 0, nil), "allow \(name)")
    }
    try unsafe check(seccomp_load(context), "load the filter")
  }

  private static func check(_ result: Int32, _ step: String) throws(SeccompError) {
    if result >= 0 { return }
    throw SeccompError(message: "libseccomp could not \(step) (\(Errno(-result).message))")
  }
}
