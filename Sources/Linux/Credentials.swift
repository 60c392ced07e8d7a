// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Acting as the guest's user. The raw calls change the calling thread alone; the C library's would change all.

internal import CLinux
internal import Glibc
public import Wire

/// Capabilities by their kernel number (linux/capability.h).
public enum Capability: Int32, Sendable {
  case chown = 0
  case dacOverride = 1
  case dacReadSearch = 2
  case fowner = 3
  case fsetid = 4
  case kill = 5
  case setgid = 6
  case setuid = 7
  case sysAdmin = 21
  case mknod = 27
  case setfcap = 31
}

/// Identity of the calling thread.
public enum ThreadIdentity {
  /// Sets the effective user id only. Going from root to another user clears the effective capabilities; going back
  /// restores them from the permitted set.
  public static func setUser(_ uid: UInt32) throws(Errno) {
    try checked(clinux_thread_setresuid(uid))
  }

  /// Sets the effective group id only.
  public static func setGroup(_ gid: UInt32) throws(Errno) {
    try checked(clinux_thread_setresgid(gid))
  }

  /// Sets the supplementary groups: `groups` holds UInt32 ids.
  public static func setSupplementaryGroups(_ groups: Segment) throws(Errno) {
    let ids = unsafe UnsafeRawPointer(groups.base).assumingMemoryBound(to: UInt32.self)
    try checked(unsafe clinux_thread_setgroups(ids, groups.count / 4))
  }

  /// Sets or clears one effective capability; says whether it was set before.
  @discardableResult
  public static func setEffective(_ capability: Capability, _ enabled: Bool) throws(Errno) -> Bool {
    try checked(clinux_thread_capability(capability.rawValue, enabled ? 1 : 0)) != 0
  }

  /// Gives this thread its own umask and current directory (CLONE_FS).
  public static func unshareFileSystemState() throws(Errno) {
    try checked(clinux_unshare(0x200))
  }

  /// umask(2) of this thread's (see above) file system state; returns the old one.
  @discardableResult
  public static func setFileModeMask(_ mask: UInt32) -> UInt32 {
    clinux_umask(mask)
  }
}

extension ThreadIdentity {
  /// Makes `directory` the current directory of this thread alone (after `unshareFileSystemState`).
  public static func setCurrentDirectory(_ directory: File) throws(Errno) {
    try checked(clinux_fchdir(directory.raw))
  }

  /// Effective user and group id of the process at start.
  public static var effective: (user: UInt32, group: UInt32) { (geteuid(), getegid()) }
}
