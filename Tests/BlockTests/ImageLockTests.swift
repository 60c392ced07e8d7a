// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Block
import Foundation
import Linux
import Testing

/// Locks on an image. Invariants: one writer and nobody beside it, or any number of readers; a refusal names the holder
/// and leaves no lock behind; QEMU's programs and this one see each other's locks, in both directions.
@Suite struct ImageLockTests {
  private let directory: ImageDirectory
  private let image: Path

  init() throws {
    directory = try ImageDirectory()
    image = directory.file("a.img")
    _ = try ImageMaker().makeIfMissing(image, ImageRecipe(byteCount: 1 << 20))
  }

  private func open(_ use: ImageUse) throws -> SharedDescriptor {
    let flags =
      switch use {
      case .read: OpenFlags.readOnly
      case .write: OpenFlags.readWrite
      }
    return SharedDescriptor(try image.open(flags: flags))
  }

  private func refusal(_ descriptor: SharedDescriptor, _ use: ImageUse) -> String? {
    defer { withExtendedLifetime(descriptor) {} }
    do {
      try ImageLock.take(descriptor.file, for: use, path: image)
      return nil
    } catch {
      return error.message
    }
  }

  /// The bytes of this image that somebody has locked, as the kernel lists them.
  private func lockedBytes() throws -> Set<String> {
    Set(try locks().map { $0.split(separator: " ").suffix(2).joined(separator: "-") })
  }

  private func locks() throws -> [Substring] {
    let inode = try image.status().inode
    return try Path("/proc/locks").contents().split(separator: "\n").filter { $0.contains(":\(inode) ") }
  }

  @Test func theBytesAreThoseOfQemu() throws {
    do {
      let file = try open(.write)
      try ImageLock.take(file.file, for: .write, path: image)
      // Reads and writes, lets nobody else write: 100 and 101 are one range to the kernel.
      #expect(try lockedBytes() == ["100-101", "201-201"])
      ImageLock.release(file.file)
      #expect(try lockedBytes().isEmpty)
    }
    let file = try open(.read)
    try ImageLock.take(file.file, for: .read, path: image)
    #expect(try lockedBytes() == ["100-100", "201-201", "203-203"])
  }

  @Test func readersShareAndAWriterIsAlone() throws {
    let (one, two, writer) = (try open(.read), try open(.read), try open(.write))
    #expect(refusal(one, .read) == nil)
    #expect(refusal(two, .read) == nil)
    // A process that another test is just starting may hold copies for a moment, and be found first.
    #expect(eventually { refusal(writer, .write)?.contains("by this process, which was given it twice") == true })
    ImageLock.release(one.file)
    #expect(refusal(writer, .write) != nil)
    ImageLock.release(two.file)
    #expect(refusal(writer, .write) == nil)
    let second = try open(.write)
    #expect(refusal(second, .write)?.contains("stop that one first, or let both open it read-only") == true)
    #expect(refusal(one, .read)?.contains("can be shared only by readers, so stop the one that writes") == true)
  }

  @Test func aRefusalLeavesNoLockBehind() throws {
    let (first, second) = (try open(.write), try open(.write))
    #expect(refusal(first, .write) == nil)
    let before = try lockedBytes()
    #expect(refusal(second, .write) != nil)
    ImageLock.release(first.file)
    #expect(try lockedBytes().isEmpty)
    #expect(before == ["100-101", "201-201"])
  }

  @Test func aLockEndsWithItsOpenFile() throws {
    do {
      let file = try open(.write)
      #expect(refusal(file, .write) == nil)
    }
    // Not at once: a process that another test is just starting holds a copy until it runs its program.
    #expect(try eventually { refusal(try open(.write), .write) == nil })
  }

  @Test func anotherProcessIsNamed() throws {
    let child: ChildProcess
    do {
      let file = try open(.write)
      #expect(refusal(file, .write) == nil)
      child = try ChildProcess.spawn(["sleep", "600"], files: [nil, nil, nil, file.file])
    }
    defer {
      kill(child.identifier, SIGKILL)
      _ = try? child.wait()
    }
    #expect(eventually { (try? Path("/proc/\(child.identifier)/comm").contents()) == "sleep\n" })
    let sentence =
      "the image \(image) is in use by sleep (process \(child.identifier)); stop that one first, or let both open it "
      + "read-only"
    // One that another test is just starting may hold it for a moment too, and be found first.
    #expect(try eventually { refusal(try open(.write), .write) == sentence })
  }

  /// Cloud Hypervisor's way.
  @Test func aLockOfTheWholeFileIsAConflictToo() throws {
    let (other, ours) = (try open(.write), try open(.write))
    try other.file.lockRange(RangeLock(kind: .write, start: 0, length: 0))
    #expect(refusal(ours, .write)?.contains("is in use by") == true)
    #expect(refusal(ours, .read)?.contains("is in use by") == true)
    try other.file.lockRange(RangeLock(kind: .unlock, start: 0, length: 0))
    #expect(refusal(ours, .write) == nil)
    #expect(throws: Errno.tryAgain) { try other.file.lockRange(RangeLock(kind: .write, start: 0, length: 0)) }
  }

  // MARK: QEMU's own

  private static let qemu = ["/usr/bin/qemu-system-x86_64"].first { FileManager.default.isExecutableFile(atPath: $0) }

  /// A QEMU with the image as its disk, which never gets as far as running anything.
  private func attach(writable: Bool) throws -> ChildProcess {
    let errors = try directory.file("errors").open(
      flags: OpenFlags.create | OpenFlags.truncate | OpenFlags.writeOnly, mode: 0o600)
    return try ChildProcess.spawn(
      [
        try #require(ImageLockTests.qemu), "-S", "-machine", "q35,accel=tcg", "-nodefaults", "-display", "none",
        "-blockdev", "driver=file,node-name=f,filename=\(image),locking=on,read-only=\(writable ? "off" : "on")",
        "-device", "virtio-blk-pci,drive=f",
      ], files: [nil, nil, errors.file])
  }

  /// True once QEMU forbids others to write; false if it has ended instead.
  private func holds(_ child: ChildProcess) -> Bool {
    var ended = false
    _ = eventually {
      ended = (try? child.waitWithoutBlocking()) != .some(nil)
      return ended || (try? lockedBytes().contains { $0.hasPrefix("201") }) == true
    }
    return !ended
  }

  private func end(_ child: ChildProcess) throws {
    try Signal.terminate.send(to: child.identifier)
    _ = try child.wait()
  }

  @Test(
    .enabled(if: qemu != nil, "qemu-system-x86_64 is not installed (package qemu-system-x86)"),
    arguments: [true, false])
  func whatQemuHoldsIsSeenHere(qemuWrites: Bool) throws {
    let child = try attach(writable: qemuWrites)
    try #require(holds(child))
    let message = refusal(try open(.write), .write)
    #expect(message?.contains("is in use by qemu-system-x86 (process \(child.identifier))") == true, "\(message ?? "")")
    #expect((refusal(try open(.read), .read) == nil) == !qemuWrites)
    try end(child)
    #expect(refusal(try open(.write), .write) == nil)
  }

  @Test(
    .enabled(if: qemu != nil, "qemu-system-x86_64 is not installed (package qemu-system-x86)"),
    arguments: [ImageUse.write, .read], [true, false])
  func whatIsHeldHereIsSeenByQemu(_ use: ImageUse, qemuWrites: Bool) throws {
    let file = try open(use)
    #expect(refusal(file, use) == nil)
    let before = try locks().count
    let child = try attach(writable: qemuWrites)
    if use == .read, !qemuWrites {
      #expect(eventually { (try? locks().count) ?? 0 > before })
      #expect(try child.waitWithoutBlocking() == nil)
      try end(child)
    } else {
      #expect(try child.wait() == .code(1))
      let errors = try directory.file("errors").contents()
      #expect(errors.contains("Failed to get"), "\(errors)")
    }
  }
}
