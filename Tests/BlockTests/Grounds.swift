// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// File systems and devices that the machine does not have by itself, made for a test and gone after it. They need root
// and loop devices.

import Foundation
import Linux
import Support
import Testing

/// Runs a program of the host; throws what it says if it fails.
@discardableResult
func host(_ arguments: String...) throws -> String {
  let outcome = try RunningProgram(arguments, in: Workplace()).waitBlocking()
  guard outcome.code == 0 else { throw HostRefusal(what: "\(arguments): \(outcome.errors)\(outcome.output)") }
  return outcome.output.trimmingCharacters(in: .whitespacesAndNewlines)
}

struct HostRefusal: Error, CustomStringConvertible {
  let what: String
  var description: String { what }
}

/// Whether tests may mount and make devices.
enum Grounds {
  static let areThere: Bool = {
    guard CurrentProcess.effectiveUser == 0 else { return false }
    guard let device = try? host("losetup", "--find") else { return false }
    return device.hasPrefix("/dev/loop")
  }()
  static let why: Comment = "makes loop devices and mounts, which needs root and the loop driver"
}

/// A loop device over an image of its own.
final class LoopDevice {
  let image: ImageFile
  let path: String

  init(byteCount: Int, sectorByteCount: Int = 512) throws {
    image = try ImageFile(byteCount: byteCount)
    path = try host("losetup", "--find", "--show", "--sector-size", "\(sectorByteCount)", image.path)
  }

  deinit {
    _ = try? host("losetup", "--detach", path)
  }
}

/// An ext4 on a loop device, a tmpfs of a limited size, or a ramfs.
final class MountedGround {
  let directory: String
  private let device: LoopDevice?

  /// ext4 on a device with sectors of a size.
  /// - Parameter journalsData: data goes through the journal too, and O_DIRECT means nothing.
  init(ext4 byteCount: Int, sectorByteCount: Int = 512, journalsData: Bool = false) throws {
    let device = try LoopDevice(byteCount: byteCount, sectorByteCount: sectorByteCount)
    self.device = device
    directory = try MountedGround.emptyDirectory()
    try host("mkfs.ext4", "-q", "-b", "4096", "-O", journalsData ? "has_journal" : "^has_journal", device.path)
    try host("mount", "-o", journalsData ? "data=journal" : "defaults", device.path, directory)
  }

  /// Has no O_DIRECT.
  init(ramfs name: String) throws {
    device = nil
    directory = try MountedGround.emptyDirectory()
    try host("mount", "-t", "ramfs", name, directory)
  }

  init(tmpfs byteCount: Int) throws {
    device = nil
    directory = try MountedGround.emptyDirectory()
    try host("mount", "-t", "tmpfs", "-o", "size=\(byteCount)", "martlet-test", directory)
  }

  private static func emptyDirectory() throws -> String {
    let path = "/tmp/martlet-ground-\(UInt32.random(in: .min ... .max))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    return path
  }

  deinit {
    // A helper may have the image open a moment longer.
    for _ in 0..<600 {
      if (try? host("umount", directory)) != nil { break }
      usleep(100_000)
    }
    try? FileManager.default.removeItem(atPath: directory)
  }
}
