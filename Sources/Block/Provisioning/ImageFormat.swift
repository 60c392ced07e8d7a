// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// How an image's bytes are to be read. Said by the user and never guessed from the bytes, which the guest can write:
/// a raw image that begins like another format could name any file of the host (contrib/decisions/0015).
public enum ImageFormat: Sendable {
  /// Byte N of the file or block device is byte N of the volume.
  case raw
  /// There are no bytes: reads answer at once and leave the guest's memory as it is, writes are forgotten.
  case null

  private static let known = ["qcow2", "qcow", "vmdk", "vhdx", "vpc", "vdi", "qed", "luks", "cloop", "dmg"]

  public init(parsing text: String) throws(ImageError) {
    switch text.lowercased() {
    case "raw": self = .raw
    case "null": self = .null
    case let name where ImageFormat.known.contains(name):
      throw .usage(
        "--format \(name) is not served; make a raw image of it with "
          + "'qemu-img convert -f \(name) -O raw OLD NEW' and give that, or serve it with qemu-storage-daemon")
    default: throw .usage("--format cannot be '\(text)'; give raw, or null for a volume of nothing")
    }
  }
}
