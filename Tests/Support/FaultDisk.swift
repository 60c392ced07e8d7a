// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation

/// A disk that fails and loses its power when it is told to: the program in Tests/FaultDisk, and the file system that
/// it mounts.
public final class FaultDisk: Sendable {
  /// The image as whoever opens it sees it.
  public let image: String
  /// The file with what is on the medium, power or not.
  public let medium: String
  private let directory: String
  private let program: RunningProgram
  private let place: Workplace

  public static let isThere = geteuid() == 0 && FileManager.default.fileExists(atPath: "/dev/fuse")
  public static let why = "mounts a file system of a program's, which needs root and /dev/fuse"

  public init(byteCount: Int) throws {
    place = try Workplace()
    medium = place.file("medium")
    directory = try place.makeDirectory("disk")
    image = directory + "/image"
    guard FileManager.default.createFile(atPath: medium, contents: Data(count: byteCount)) else {
      throw Trouble("cannot make \(medium)")
    }
    // Beside the tests, wherever the programs under test are.
    let binary = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().appending(path: "faultdisk")
    program = try RunningProgram(
      [binary.standardizedFileURL.path(percentEncoded: false), medium, directory], in: place)
    for _ in 0..<12_000 where program.isRunning && !FileManager.default.fileExists(atPath: image) { usleep(5000) }
    guard program.isRunning else { throw Trouble("faultdisk does not run: \(program.log)") }
  }

  /// Fails from now on where a request touches these bytes. What: read, write or sync.
  public func fail(_ what: String, from offset: Int = 0, count: Int = 1) throws {
    try tell("fail \(what) \(offset) \(count)")
  }

  public func heal() throws { try tell("heal") }

  /// Writes are done and not answered until `release`.
  public func hold() throws { try tell("hold") }
  public func release() throws { try tell("go") }
  /// Writes that are held; the kernel asks for this number no more than once a second.
  public var heldCount: Int {
    let attributes = try? FileManager.default.attributesOfItem(atPath: directory + "/control")
    return attributes?[.size] as? Int ?? 0
  }

  /// What was not synced is on the medium or is not, as the seed says, sector by sector.
  public func losePower(seed: UInt64) throws { try tell("lose \(seed & 0xffff_ffff)") }

  /// Done when this returns.
  private func tell(_ line: String) throws {
    let file = try FileHandle(forWritingTo: URL(filePath: directory + "/control"))
    try file.write(contentsOf: Data(line.utf8))
    try file.close()
  }

  /// Bytes of the medium.
  public func mediumBytes() throws -> [UInt8] { [UInt8](try Data(contentsOf: URL(filePath: medium))) }

  deinit {
    program.send(SIGTERM)
    if (try? program.waitBlocking(seconds: 30)) == nil {
      _ = try? RunningProgram(["umount", "-l", directory], in: place).waitBlocking()
    }
  }
}
