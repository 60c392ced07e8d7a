// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// What `--create` makes where there is no image: what microvm.nix says as volumes.*.
public struct ImageRecipe: Equatable, Sendable {
  /// A multiple of the sector.
  public var byteCount: Int64
  /// Nil for an image without a file system.
  public var fileSystem: FileSystemKind?
  public var label: String?
  /// Further arguments of the program that makes the file system, one each.
  public var makeArguments: [String]
  /// All of its blocks are the image's from the start; otherwise it is sparse and a full disk shows later.
  public var isPreallocated: Bool

  public init(
    byteCount: Int64, fileSystem: FileSystemKind? = nil, label: String? = nil, makeArguments: [String] = [],
    isPreallocated: Bool = false
  ) {
    self.byteCount = byteCount
    self.fileSystem = fileSystem
    self.label = label
    self.makeArguments = makeArguments
    self.isPreallocated = isPreallocated
  }

  /// What can be said without looking at the host.
  public func check() throws(ImageError) {
    guard byteCount > 0, byteCount % 512 == 0 else {
      throw .usage("an image cannot have \(byteCount) bytes; give --size a multiple of 512 bytes")
    }
    guard let fileSystem else {
      if label != nil { throw .usage("--label needs a file system; add --fs-type") }
      if !makeArguments.isEmpty { throw .usage("--mkfs-arg needs a file system; add --fs-type") }
      return
    }
    if let label { try fileSystem.check(label: label) }
  }
}
