// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a process knows about itself, and how it ends.

internal import CLinux

// linux/prctl.h
private let setParentDeathSignal: Int32 = 1
private let setNoNewPrivileges: Int32 = 38

/// The calling process.
public enum CurrentProcess {
  public static var identifier: Int32 { clinux_pid() }
  /// 0 if the parent is outside of this process's pid namespace.
  public static var parent: Int32 { clinux_parent_pid() }
  public static var effectiveUser: UInt32 { clinux_effective_user() }
  public static var effectiveGroup: UInt32 { clinux_effective_group() }

  /// A variable of the environment; nil if it is not set.
  public static func environment(_ name: String) -> String? {
    guard let value = unsafe name.withCString({ unsafe clinux_environment($0) }) else { return nil }
    return unsafe String(cString: value)
  }

  /// Ends the process at once, without running anything else.
  public static func exit(_ code: Int32) -> Never {
    clinux_exit(code)
  }

  /// Has the kernel send `signal` when the parent thread ends. Does not survive a change of user ids.
  public static func dieWithParent(_ signal: Signal) throws(Errno) {
    try checked(clinux_prctl(setParentDeathSignal, UInt(signal.rawValue), 0))
  }

  /// No program that this process runs can gain privileges; a seccomp filter without CAP_SYS_ADMIN needs it.
  public static func forbidNewPrivileges() throws(Errno) {
    try checked(clinux_prctl(setNoNewPrivileges, 1, 0))
  }

  /// How many areas of memory malloc keeps, so that threads do not wait for each other. Without a bound glibc asks /sys
  /// for the number of processors when the ninth thread allocates, and where it has more than one it asks
  /// /proc/sys/vm when it gives memory of another back: a filter that forbids openat(2) would end the process.
  public static func limitAllocatorArenas(_ count: Int) {
    clinux_limit_arenas(Int32(count))
  }

  /// Changes the real, effective and saved ids of the whole process.
  public static func become(user: UInt32, group: UInt32) throws(Errno) {
    try checked(clinux_become(user, group))
  }
}

/// The time of day.
public struct WallClock: Sendable {
  public let seconds: Int64
  public let nanoseconds: Int64

  public init(seconds: Int64, nanoseconds: Int64) {
    self.seconds = seconds
    self.nanoseconds = nanoseconds
  }

  public static var now: WallClock {
    var seconds: Int64 = 0
    var nanoseconds: Int64 = 0
    _ = unsafe clinux_wall_clock(&seconds, &nanoseconds)
    return WallClock(seconds: seconds, nanoseconds: nanoseconds)
  }
}
