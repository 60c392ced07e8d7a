// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Block
import Foundation
import Linux
import Testing

/// What cannot be made is refused in one sentence that says what to do, and leaves nothing behind.
@Suite struct ProvisioningRefusalTests {
  private let directory: ImageDirectory

  init() throws { directory = try ImageDirectory() }

  private func refusal(_ maker: ImageMaker, _ path: Path, _ recipe: ImageRecipe) -> ImageError? {
    do {
      _ = try maker.makeIfMissing(path, recipe)
      return nil
    } catch {
      return error
    }
  }

  private func recipe(_ kind: String = "ext4", _ arguments: [String] = []) throws -> ImageRecipe {
    ImageRecipe(byteCount: 64 << 20, fileSystem: try FileSystemKind(parsing: kind), makeArguments: arguments)
  }

  @Test func aMissingProgramNamesItsPackage() throws {
    let maker = ImageMaker(toolDirectories: ["/nowhere", "/etc"])
    for (kind, package) in [
      ("ext4", "e2fsprogs"), ("xfs", "xfsprogs"), ("btrfs", "btrfs-progs"), ("vfat", "dosfstools"),
      ("exfat", "exfatprogs"), ("f2fs", "f2fs-tools"), ("bcachefs", "bcachefs-tools"),
    ] {
      #expect(
        refusal(maker, directory.file("a.img"), try recipe(kind))
          == .failure("mkfs.\(kind) is not installed; install the package \(package), or leave out --fs-type"))
    }
    #expect(directory.names.isEmpty)
  }

  @Test(arguments: [true, false])
  func aFailingProgramIsQuotedAndLeavesNothing(unnamed: Bool) throws {
    var maker = try directory.makeTool("mkfs.ext4", "echo banner >&2; echo \"Error: no $4.\" >&2; exit 3")
    maker.usesUnnamedFiles = unnamed
    let image = directory.file("a.img")
    #expect(
      refusal(maker, image, try recipe("ext4", ["-F", "-F"]))
        == .failure("mkfs.ext4 could not make a file system in \(image) (exit code 3): Error: no \(image)"))
    #expect(directory.names.isEmpty)
    var killed = try directory.makeTool("mkfs.ext4", "kill -9 $$")
    killed.usesUnnamedFiles = unnamed
    #expect(
      refusal(killed, image, try recipe())
        == .failure("mkfs.ext4 could not make a file system in \(image) (signal 9): it said nothing"))
    #expect(directory.names.isEmpty)
  }

  @Test func theRealProgramsComplaintIsQuoted() throws {
    let error = refusal(ImageMaker(), directory.file("a.img"), try recipe("ext4", ["-b", "3"]))
    #expect(error?.message.hasSuffix("(exit code 1): mkfs.ext4: invalid block size - 3") == true, "\(error as Any)")
    #expect(directory.names.isEmpty)
  }

  @Test func aProgramThatChangesTheSizeIsRefused() throws {
    let maker = try directory.makeTool("mkfs.ext4", "truncate -s 1M /proc/self/fd/3")
    let image = directory.file("a.img")
    #expect(
      refusal(maker, image, try recipe())
        == .failure("mkfs.ext4 changed the size of the image \(image); leave sizes out of --mkfs-arg"))
  }

  @Test func placesWhereNoImageCanBeAreNamed() throws {
    let plain = ImageRecipe(byteCount: 4096)
    #expect(
      refusal(ImageMaker(), directory.file("no/such/a.img"), plain)
        == .failure("the directory \(directory.path)/no/such does not exist; make it, or give another image"))
    #expect(
      refusal(ImageMaker(), Path(directory.path + "/"), plain)
        == .usage("the image '\(directory.path)/' has no file name; give the path of a file"))
    try FileManager.default.createSymbolicLink(atPath: directory.file("l.img").text, withDestinationPath: "nothing")
    let link = directory.file("l.img")
    #expect(
      refusal(ImageMaker(), link, plain)
        == .failure("the image \(link) is a symlink to nothing; remove it or make what it points to"))
    #expect(
      refusal(ImageMaker(), Path("/proc/a.img"), plain)?.message.hasPrefix("cannot make the image /proc/a.img") == true
        || refusal(ImageMaker(), Path("/proc/a.img"), plain)?.message.hasPrefix("the directory /proc") == true)
    #expect(directory.names == ["l.img"])
  }

  /// On a tmpfs of this machine's, whose size is known and small.
  @Test func aFullDiskIsToldAtPreallocationAndLeavesNothing() throws {
    let shared = try ImageDirectory(in: "/dev/shm")
    let image = shared.file("a.img")
    let size: Int64 = 1 << 42
    let error = refusal(ImageMaker(), image, ImageRecipe(byteCount: size, isPreallocated: true))
    #expect(
      error
        == .failure(
          "there is no room for the 4T of the image \(image); free some, give a smaller --size or leave out "
            + "--preallocate"))
    #expect(shared.names.isEmpty)
  }

  @Test(arguments: [
    (ImageRecipe(byteCount: 0), "an image cannot have 0 bytes; give --size a multiple of 512 bytes"),
    (ImageRecipe(byteCount: 1000), "an image cannot have 1000 bytes; give --size a multiple of 512 bytes"),
    (ImageRecipe(byteCount: 512, label: "a"), "--label needs a file system; add --fs-type"),
    (ImageRecipe(byteCount: 512, makeArguments: ["-F"]), "--mkfs-arg needs a file system; add --fs-type"),
  ])
  func aSenselessRecipeIsRefused(_ recipe: ImageRecipe, _ sentence: String) {
    #expect(refusal(ImageMaker(), directory.file("a.img"), recipe) == .usage(sentence))
  }

  @Test(arguments: [
    ("ext4", "seventeen-bytes--", "has 17 bytes; ext4 takes 1 to 16"),
    ("xfs", "thirteenbytes", "has 13 bytes; xfs takes 1 to 12"),
    ("vfat", "", "has 0 bytes; vfat takes 1 to 11"),
    ("ext4", "-U", "begins with a dash or has control characters; give a plain word"),
    ("btrfs", "a\nb", "begins with a dash or has control characters; give a plain word"),
  ])
  func aLabelThatDoesNotFitIsRefused(_ kind: String, _ label: String, _ end: String) throws {
    var recipe = try recipe(kind)
    recipe.label = label
    #expect(refusal(ImageMaker(), directory.file("a.img"), recipe) == .usage("the label '\(label)' \(end)"))
  }

  @Test func onlyKnownFileSystemsMakeAProgramsName() {
    for name in ["", "ext5", "../../bin/sh", "EXT4", "ext4 "] {
      #expect(throws: ImageError.self) { try FileSystemKind(parsing: name) }
    }
  }

  @Test func formatsOtherThanRawAreRefusedWithAWayOut() throws {
    _ = try ImageFormat(parsing: "raw")
    #expect(
      throws: ImageError.usage(
        "--format qcow2 is not served; make a raw image of it with "
          + "'qemu-img convert -f qcow2 -O raw OLD NEW' and give that, or serve it with qemu-storage-daemon")
    ) { try ImageFormat(parsing: "qcow2") }
    #expect(throws: ImageError.usage("--format cannot be 'auto'; give raw, or null for a volume of nothing")) {
      try ImageFormat(parsing: "auto")
    }
  }

  @Test(
    arguments: [
      ("512B", 512), ("1K", 1024), ("2k", 2048), ("3M", 3 << 20), ("4MiB", 4 << 20), ("10G", 10 << 30),
      ("1TiB", 1 << 40),
    ] as [(String, Int64)])
  func sizesHaveUnits(_ text: String, _ byteCount: Int64) throws {
    #expect(try ByteSize.parse(text, for: "--size") == byteCount)
  }

  @Test(arguments: [
    ("512", "--size 512 has no unit; say 512M, 512G or, for bytes, 512B"),
    ("", "--size cannot be ''; give a number and a unit, such as 512M or 10G"),
    ("-1G", "--size cannot be '-1G'; give a number and a unit, such as 512M or 10G"),
    ("0G", "--size cannot be '0G'; give a number and a unit, such as 512M or 10G"),
    ("1.5G", "--size 1.5G has an unknown unit '.5G'; give B, K, M, G or T"),
    ("1MB", "--size 1MB has an unknown unit 'MB'; give B, K, M, G or T"),
    ("1BiB", "--size 1BiB has an unknown unit 'BiB'; give B, K, M, G or T"),
    ("9999999T", "--size 9999999T is more than any file can have; give a smaller one"),
  ])
  func sizesThatAreNoneAreRefused(_ text: String, _ sentence: String) {
    #expect(throws: ImageError.usage(sentence)) { try ByteSize.parse(text, for: "--size") }
  }
}
