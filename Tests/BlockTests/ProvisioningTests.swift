// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Block
import Foundation
import Linux
import Testing

/// Making images. Invariants: what is there is not touched; under the image's name there is at every moment nothing or
/// the whole image; what a killed maker left goes away, what a living one works on does not; a refusal is one sentence.
/// The other side: e2fsprogs' own checks, the directory's listing, block counts.
@Suite struct ProvisioningTests {
  private let directory: ImageDirectory

  init() throws { directory = try ImageDirectory() }

  private func ext4(_ size: Int64 = 64 << 20) throws -> ImageRecipe {
    ImageRecipe(byteCount: size, fileSystem: try FileSystemKind(parsing: "ext4"))
  }

  private func status(_ name: String) throws -> FileStatus { try directory.file(name).status(following: false) }

  @Test(arguments: [true, false])
  func anImageWithoutAFileSystemIsSparseZeroesOfItsSize(unnamed: Bool) throws {
    var maker = ImageMaker()
    maker.usesUnnamedFiles = unnamed
    let recipe = ImageRecipe(byteCount: 8 << 20)
    #expect(try maker.makeIfMissing(directory.file("a.img"), recipe) == .created(overwritesInPlace: false))
    #expect(directory.names == ["a.img"])
    let status = try status("a.img")
    #expect(status.size == 8 << 20)
    #expect(status.blocks < 64)
    #expect(status.mode & 0o7777 == 0o600)
    #expect(directory.bytes("a.img").allSatisfy { $0 == 0 })
  }

  @Test(arguments: [true, false])
  func aPreallocatedImageHasItsBlocksAlsoAfterMkfs(unnamed: Bool) throws {
    var maker = ImageMaker()
    maker.usesUnnamedFiles = unnamed
    var recipe = try ext4(16 << 20)
    recipe.isPreallocated = true
    #expect(try maker.makeIfMissing(directory.file("a.img"), recipe) != .existed)
    #expect(try status("a.img").blocks * 512 >= 16 << 20)
    #expect(try output(of: ["/usr/sbin/e2fsck", "-fn", directory.file("a.img").text]).end == .code(0))
  }

  @Test(arguments: [true, false])
  func aFileSystemIsMadeWithItsLabelAndArguments(unnamed: Bool) throws {
    var maker = ImageMaker()
    maker.usesUnnamedFiles = unnamed
    var recipe = try ext4()
    recipe.label = "my volume"
    recipe.makeArguments = ["-m", "0", "-U", "11111111-2222-3333-4444-555555555555"]
    #expect(try maker.makeIfMissing(directory.file("a.img"), recipe) != .existed)
    let image = directory.file("a.img").text
    #expect(try output(of: ["/usr/sbin/e2fsck", "-fn", image]).end == .code(0))
    let facts = try output(of: ["/usr/sbin/dumpe2fs", "-h", image]).text
    #expect(facts.contains("Filesystem volume name:   my volume\n"))
    #expect(facts.contains("11111111-2222-3333-4444-555555555555"))
    #expect(facts.contains("Reserved block count:     0\n"))
    #expect(directory.names == ["a.img"])
  }

  @Test func whatIsThereIsNotTouched() throws {
    try directory.write("precious", to: "a.img")
    let before = try status("a.img")
    #expect(try ImageMaker().makeIfMissing(directory.file("a.img"), ext4()) == .existed)
    #expect(directory.bytes("a.img") == Data("precious".utf8))
    let after = try status("a.img")
    #expect(after.changeTime == before.changeTime && after.inode == before.inode)
    // A directory, a device and an empty file are there too.
    #expect(try ImageMaker().makeIfMissing(Path("/dev/null"), ext4()) == .existed)
    #expect(try ImageMaker().makeIfMissing(Path("/tmp"), ext4()) == .existed)
    try directory.write("", to: "empty.img")
    #expect(try ImageMaker().makeIfMissing(directory.file("empty.img"), ext4()) == .existed)
    #expect(try status("empty.img").size == 0)
  }

  /// While mkfs runs nobody sees the name; a maker that is killed then leaves nothing under it.
  @Test(arguments: [true, false])
  func theNameAppearsOnlyWhenTheImageIsComplete(unnamed: Bool) throws {
    var maker = try directory.makeTool("mkfs.ext4", "ls -A \(directory.path) > \(directory.path).seen")
    defer { try? Path(directory.path + ".seen").remove() }
    maker.usesUnnamedFiles = unnamed
    #expect(try maker.makeIfMissing(directory.file("a.img"), ext4()) != .existed)
    let seen = try Path(directory.path + ".seen").contents().split(separator: "\n")
    #expect(seen.allSatisfy { $0.hasPrefix(".a.img.martlet-") })
    #expect(seen.count == (unnamed ? 0 : 1))
    #expect(directory.names == ["a.img"])
  }

  @Test(arguments: [true, false])
  func anImageThatAppearsMeanwhileWins(unnamed: Bool) throws {
    var maker = try directory.makeTool("mkfs.ext4", "echo other > \(directory.path)/a.img")
    maker.usesUnnamedFiles = unnamed
    #expect(try maker.makeIfMissing(directory.file("a.img"), ext4()) == .existed)
    #expect(directory.bytes("a.img") == Data("other\n".utf8))
    #expect(directory.names == ["a.img"])
  }

  @Test func leftoversGoAndWorkInProgressStays() throws {
    try directory.write("half", to: ".a.img.martlet-1-1")
    try directory.write("in work", to: ".a.img.martlet-2-1")
    try directory.write("another image's", to: ".b.img.martlet-1-1")
    let working = try directory.file(".a.img.martlet-2-1").open(flags: OpenFlags.readWrite)
    try working.file.lockRange(RangeLock(kind: .write, start: 0, length: 0))
    _ = try ImageMaker().makeIfMissing(directory.file("a.img"), ImageRecipe(byteCount: 512))
    #expect(directory.names == [".a.img.martlet-2-1", ".b.img.martlet-1-1", "a.img"])
  }

  @Test func twoMakersDoNotDisturbEachOther() throws {
    var maker = try directory.makeTool(
      "mkfs.ext4",
      "exec 9>\(directory.path).started; until [ -e \(directory.path).go ]; do sleep 0.02; done")
    maker.usesUnnamedFiles = false
    let (base, recipe, image, first) = (directory.path, try ext4(), directory.file("a.img"), maker)
    let worker = try Linux.Thread(name: "maker") { _ = try? first.makeIfMissing(image, recipe) }
    #expect(eventually { FileManager.default.fileExists(atPath: base + ".started") })
    let hidden = directory.names
    _ = try ImageMaker().makeIfMissing(image, ImageRecipe(byteCount: 4096))
    #expect(directory.names == hidden + ["a.img"])
    try Data().write(to: URL(fileURLWithPath: base + ".go"))
    worker.join()
    // The second one was first; nothing hidden stays.
    #expect(directory.names == ["a.img"])
    #expect(try status("a.img").size == 4096)
    for end in [".started", ".go"] { try Path(base + end).remove() }
  }

  @Test func mkfsGetsTheImageAndNoOtherDescriptorOfOurs() throws {
    let secret = try Path("/etc/passwd").open(flags: OpenFlags.readOnly)
    let maker = try directory.makeTool(
      "mkfs.ext4",
      """
      for last; do :; done
      { ls -l /proc/$$/fd; echo "arguments: $*"; stat -Lc 'size %s' "$last"; } > \(directory.path).seen
      """)
    defer { try? Path(directory.path + ".seen").remove() }
    var recipe = try ext4()
    recipe.label = "a"
    recipe.makeArguments = ["-O", "x y"]
    _ = try maker.makeIfMissing(directory.file("a.img"), recipe)
    let seen = try Path(directory.path + ".seen").contents()
    #expect(seen.contains("arguments: -q -L a -O x y /proc/self/fd/3\n"))
    #expect(seen.contains("size \(64 << 20)\n"))
    #expect(!seen.contains("passwd"))
    #expect(secret.file.raw >= 0)
  }
}
