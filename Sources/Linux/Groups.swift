// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import CLinux

/// Groups of the host.
public enum Groups {
  /// The id of a group by its name, or by its number in decimal. Throws `noEntry` if there is no such group.
  public static func identifier(of name: String) throws(Errno) -> UInt32 {
    var group: UInt32 = 0
    let result = unsafe name.withCString { unsafe clinux_group_id($0, &group) }
    if result < 0, let number = UInt32(name) { return number }
    try checked(result)
    return group
  }

  /// Leaves all supplementary groups; needs CAP_SETGID.
  public static func leaveSupplementary() throws(Errno) {
    try checked(clinux_supplementary_groups_clear())
  }
}
