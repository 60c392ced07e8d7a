// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Options about the image itself: making it where it is missing (microvm.nix's volumes.*), its format, its lock.

internal import ArgumentParser
internal import Block
internal import Daemon
internal import Linux

/// What the command line says about the image of every volume.
struct ImageFlags: ParsableArguments {
  @Flag(help: "Make the image if there is none; an existing one is never touched. Needs --size.")
  var create = false

  @Option(help: ArgumentHelp("Size of an image that is made, or of nothing: 512M, 20G.", valueName: "size"))
  var size: String?

  @Option(
    name: .customLong("fs-type"),
    help: ArgumentHelp(
      "File system that an image is made with: ext4, xfs, btrfs, ...; none without.", valueName: "type"))
  var fileSystem: String?

  @Option(help: ArgumentHelp("Label of the file system that is made.", valueName: "name"))
  var label: String?

  @Option(
    name: .customLong("mkfs-arg"), parsing: .unconditionalSingleValue,
    help: ArgumentHelp("One more argument for the program that makes the file system; repeated.", valueName: "argument")
  )
  var makeArguments: [String] = []

  @Flag(help: "Give an image that is made all of its disk space at once.")
  var preallocate = false

  @Option(
    help: ArgumentHelp(
      "How the image's bytes are to be read: raw. It is never guessed. null has no image: for measuring; needs --size.",
      valueName: "format"))
  var format = "raw"

  @Option(
    help: ArgumentHelp(
      "Keep others from writing to the image meanwhile, as QEMU's locking does: on or off.", valueName: "how"))
  var locking = Locking.on
}

/// `--locking`.
enum Locking: String, ExpressibleByArgument, CaseIterable {
  case on
  case off
}

/// What is to happen with one volume's image before it is served.
struct ImageWishes {
  var creates = false
  var size: String?
  var fileSystem: String?
  var label: String?
  var makeArguments: [String] = []
  var isPreallocated = false
  var format = "raw"
  var locks = true

  init(_ flags: ImageFlags) {
    creates = flags.create
    size = flags.size
    fileSystem = flags.fileSystem
    label = flags.label
    makeArguments = flags.makeArguments
    isPreallocated = flags.preallocate
    format = flags.format
    locks = flags.locking == .on
  }

  /// The size of a volume of nothing (--format null); nil where there is an image.
  func nothingByteCount() throws(HumanError) -> UInt64? {
    do throws(ImageError) {
      guard case .null = try ImageFormat(parsing: format) else { return nil }
      if creates || fileSystem != nil || label != nil || !makeArguments.isEmpty || isPreallocated {
        throw .usage("--format null makes no image; leave out --create and what says how")
      }
      guard let size else { throw .usage("--format null needs to know how large; add --size, such as --size 10G") }
      let byteCount = try ByteSize.parse(size, for: "--size")
      guard byteCount % 512 == 0 else { throw .usage("--size \(size) is no multiple of 512 bytes; round it up") }
      return UInt64(byteCount)
    } catch {
      throw HumanError(error)
    }
  }

  /// The recipe for a missing image; nil where none is to be made. Also says what is wrong with the wishes.
  func recipe() throws(HumanError) -> ImageRecipe? {
    if try nothingByteCount() != nil { return nil }
    do throws(ImageError) {
      guard creates else {
        if size != nil || fileSystem != nil || label != nil || !makeArguments.isEmpty || isPreallocated {
          throw .usage(
            "--size, --fs-type, --label, --mkfs-arg and --preallocate say how to make an image; add --create")
        }
        return nil
      }
      guard let size else { throw .usage("--create needs to know how large; add --size, such as --size 10G") }
      let kind = try fileSystem.map { (name) throws(ImageError) in try FileSystemKind(parsing: name) }
      let recipe = ImageRecipe(
        byteCount: try ByteSize.parse(size, for: "--size"), fileSystem: kind, label: label,
        makeArguments: makeArguments, isPreallocated: isPreallocated)
      try recipe.check()
      return recipe
    } catch {
      throw HumanError(error)
    }
  }

  /// Makes the image if it is missing. Before anything is opened, because programs are started for it.
  func makeIfMissing(_ path: String) throws(HumanError) {
    guard let recipe = try recipe() else { return }
    do throws(ImageError) {
      _ = try ImageMaker().makeIfMissing(Path(path), recipe)
    } catch {
      throw HumanError(error)
    }
  }

  /// Locks the open image; the lock lives as long as the descriptor that is served from.
  func lock(_ image: Image) throws(HumanError) {
    if !locks || image.isNothing { return }
    do throws(ImageError) {
      try ImageLock.take(image.descriptor.file, for: image.isReadOnly ? .read : .write, path: Path(image.path))
    } catch {
      throw HumanError(error)
    }
  }
}

extension HumanError {
  init(_ error: ImageError) {
    self = error.isUsage ? .usage(error.message) : .failure(error.message)
  }
}
