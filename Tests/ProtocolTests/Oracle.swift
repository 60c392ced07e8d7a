// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import HeaderOracle

/// What the kernel's headers say, by name: "sizeof fuse_attr", "fuse_attr.mode", "FUSE_LOOKUP".
enum Oracle {
  static let values: [String: UInt64] = {
    var values: [String: UInt64] = [:]
    for index in 0..<header_oracle_count() {
      let name = unsafe String(cString: header_oracle_name(index))
      precondition(values[name] == nil, "the oracle names \(name) twice")
      values[name] = header_oracle_value(index)
    }
    return values
  }()

  /// FUSE_KERNEL_MINOR_VERSION of the installed header.
  static let fuseMinor = values["FUSE_KERNEL_MINOR_VERSION"] ?? 0
}
