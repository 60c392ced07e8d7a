// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The file systems that a new image can be given, and the programs that make them.

/// A file system by its name in `--fs-type`.
public struct FileSystemKind: Equatable, Sendable {
  /// "ext4"; the program is mkfs.ext4.
  public let name: String
  /// The Debian package with the program.
  let package: String
  /// Arguments that every call gets: no questions, no chatter.
  let quiet: [String]
  /// The option in front of a label, and the most bytes that a label may have.
  let labelOption: String
  let longestLabel: Int

  private static let all = [
    ext("ext2"), ext("ext3"), ext("ext4"),
    FileSystemKind(name: "xfs", package: "xfsprogs", quiet: ["-q"], labelOption: "-L", longestLabel: 12),
    FileSystemKind(name: "btrfs", package: "btrfs-progs", quiet: ["-q"], labelOption: "-L", longestLabel: 255),
    FileSystemKind(name: "vfat", package: "dosfstools", quiet: [], labelOption: "-n", longestLabel: 11),
    FileSystemKind(name: "exfat", package: "exfatprogs", quiet: [], labelOption: "-L", longestLabel: 15),
    FileSystemKind(name: "f2fs", package: "f2fs-tools", quiet: ["-q"], labelOption: "-l", longestLabel: 512),
    FileSystemKind(name: "bcachefs", package: "bcachefs-tools", quiet: ["-q"], labelOption: "-L", longestLabel: 32),
  ]

  private static func ext(_ name: String) -> FileSystemKind {
    FileSystemKind(name: name, package: "e2fsprogs", quiet: ["-q"], labelOption: "-L", longestLabel: 16)
  }

  private init(name: String, package: String, quiet: [String], labelOption: String, longestLabel: Int) {
    self.name = name
    self.package = package
    self.quiet = quiet
    self.labelOption = labelOption
    self.longestLabel = longestLabel
  }

  /// Only these: the name becomes a part of a program's name.
  public init(parsing text: String) throws(ImageError) {
    guard let kind = FileSystemKind.all.first(where: { $0.name == text }) else {
      let names = FileSystemKind.all.map { $0.name }.joined(separator: ", ")
      throw .usage("--fs-type cannot be '\(text)'; give one of \(names), or leave it out for an empty image")
    }
    self = kind
  }

  var program: String { "mkfs." + name }

  func check(label: String) throws(ImageError) {
    let count = label.utf8.count
    guard (1...longestLabel).contains(count) else {
      throw .usage("the label '\(label)' has \(count) bytes; \(name) takes 1 to \(longestLabel)")
    }
    if label.hasPrefix("-") || label.utf8.contains(where: { $0 < 0x20 }) {
      throw .usage("the label '\(label)' begins with a dash or has control characters; give a plain word")
    }
  }
}
