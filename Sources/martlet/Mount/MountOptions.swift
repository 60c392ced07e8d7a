// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The options of the mount: what this program needs, what its own flags say, and what the user gives with -o.

internal import Frontend
internal import Linux

struct MountOptions {
  var isReadOnly = false
  var allowsOthers = true
  /// Texts of -o, each a list.
  var lists: [String] = []

  /// Those that say how this program talks to the kernel: another value would break the mount.
  private static let reserved: Set<String> = [
    "fd", "rootmode", "user_id", "group_id", "max_read", "blkdev", "blksize", "default_permissions",
  ]

  /// For libfuse, which separates them by commas.
  /// - Parameter source: what is shown as the mount's source.
  func words(source: String) throws(HumanError) -> [String] {
    var words = [
      "fsname=" + source.replacing("\\", by: "\\\\").replacing(",", by: "\\,"), "subtype=martlet",
      // The kernel checks permissions, as in a guest: the backend acts as whatever user a request names.
      "default_permissions",
      // Without it the kernel may ask for more than a slot holds.
      "max_read=\(FuseTransfer.dataByteCount)",
    ]
    if allowsOthers { words.append("allow_other") }
    if isReadOnly { words.append("ro") }
    for list in lists {
      for word in MountOptions.split(list) where !word.isEmpty {
        let name = String(word.prefix { $0 != "=" })
        guard !MountOptions.reserved.contains(name) else {
          throw .usage("-o \(name) cannot be chosen: this program sets it; leave it out")
        }
        words.append(word)
      }
    }
    return words
  }

  /// At commas that are not behind a backslash.
  private static func split(_ list: String) -> [String] {
    var words = [""]
    var isEscaped = false
    for character in list {
      if character == ",", !isEscaped {
        words.append("")
      } else {
        words[words.count - 1].append(character)
      }
      isEscaped = character == "\\" && !isEscaped
    }
    return words
  }
}
