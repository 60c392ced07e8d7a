// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

//
// The host's own view of a share: plain calls on its directory, none of them through the device.

import Foundation
import Linux
import Testing
import Wire

enum Host {
  static let isRoot = geteuid() == 0
  /// Set for the long variants.
  static let isSlow = ProcessInfo.processInfo.environment["MARTLET_SLOW"] != nil

  /// lstat(2).
  static func status(_ path: String) throws -> stat {
    var status = stat()
    guard unsafe lstat(path, &status) == 0 else { throw Errno(errno) }
    return status
  }

  static func exists(_ path: String) -> Bool { (try? status(path)) != nil }

  static func mode(_ path: String) throws -> UInt32 { UInt32(try status(path).st_mode) & 0o7777 }

  static func owner(_ path: String) throws -> [UInt32] {
    let status = try status(path)
    return [UInt32(status.st_uid), UInt32(status.st_gid)]
  }

  static func open(_ path: String, _ flags: Int32, mode: UInt32 = 0) throws(Errno) -> FileDescriptor {
    try Text(path).use { (name) throws(Errno) in
      try File.currentDirectory.open(name, flags: flags, mode: mode)
    }
  }

  static func write(_ text: String, to path: String) throws {
    let file = try open(path, O_CREAT | O_TRUNC | O_WRONLY, mode: 0o644)
    try file.file.write(text)
  }

  static func bytes(_ path: String) throws -> [UInt8] { Array(try Data(contentsOf: URL(fileURLWithPath: path))) }

  static func text(_ path: String) throws -> String { String(decoding: try bytes(path), as: UTF8.self) }

  static func names(_ directory: String) throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: directory).sorted()
  }

  static func makeDirectory(_ path: String, mode: UInt32 = 0o755) throws {
    guard unsafe mkdir(path, 0o700) == 0 else { throw Errno(errno) }
    try setMode(path, mode)
  }

  static func setMode(_ path: String, _ mode: UInt32) throws {
    guard unsafe chmod(path, mode_t(mode)) == 0 else { throw Errno(errno) }
  }

  static func setOwner(_ path: String, _ user: UInt32, _ group: UInt32) throws {
    guard unsafe lchown(path, user, group) == 0 else { throw Errno(errno) }
  }

  static func makeSymlink(_ path: String, to target: String) throws {
    guard unsafe symlink(target, path) == 0 else { throw Errno(errno) }
  }

  static func makeFIFO(_ path: String) throws {
    guard unsafe mkfifo(path, 0o666) == 0 else { throw Errno(errno) }
  }

  /// renameat2(2) with RENAME_EXCHANGE.
  static func exchange(_ one: String, _ other: String) throws(Errno) {
    try Text(one).use { (one) throws(Errno) in
      try Text(other).use { (other) throws(Errno) in
        try File.currentDirectory.rename(one, to: .currentDirectory, other, flags: 2)
      }
    }
  }

  // MARK: Extended attributes

  /// The value, or nil if there is none. Of the file itself, also if that is a symlink.
  static func attribute(_ path: String, _ name: String) throws(Errno) -> [UInt8]? {
    let buffer = Scratch(byteCount: 65536)
    do throws(Errno) {
      let count = try withLink(path, name) { (link, name) throws(Errno) in
        try PathAttributes.get(link, name, into: buffer.segment)
      }
      return buffer.segment.prefix(count).bytes()
    } catch .noData {
      return nil
    }
  }

  static func setAttribute(_ path: String, _ name: String, _ value: [UInt8]) throws(Errno) {
    let buffer = Scratch(byteCount: 65536)
    buffer.segment.copy(value)
    try withLink(path, name) { (link, name) throws(Errno) in
      try PathAttributes.set(link, name, value: buffer.segment.prefix(value.count), flags: 0)
    }
  }

  private static func withLink<Result>(
    _ path: String, _ name: String, _ body: (CName, CName) throws(Errno) -> Result
  ) throws(Errno) -> Result {
    let file = try open(path, OpenFlags.path | OpenFlags.noFollow)
    return try Text("/proc/self/fd/\(file.file.raw)").use { (link) throws(Errno) in
      try Text(name).use { (name) throws(Errno) in try body(link, name) }
    }
  }

  // MARK: This process

  /// Where the open descriptors of this process lead that are below a directory.
  static func descriptors(below directory: String) -> [String] {
    let open = (try? FileManager.default.contentsOfDirectory(atPath: "/proc/self/fd")) ?? []
    return open.compactMap { number in
      let target = try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/fd/\(number)")
      guard let target, target == directory || target.hasPrefix(directory + "/") || target.hasPrefix(directory + " ")
      else { return nil }
      return target
    }
  }

  /// A field of /proc/self/status in KiB.
  static func memory(_ field: String) throws -> Int {
    let status = try String(contentsOfFile: "/proc/self/status", encoding: .utf8)
    let line = status.split(separator: "\n").first { $0.hasPrefix(field + ":") }
    return line?.split(whereSeparator: { $0 == " " || $0 == "\t" }).dropFirst().first.flatMap { Int($0) } ?? 0
  }

  /// Runs a program of the host; false if it fails.
  @discardableResult
  static func run(_ program: String, _ arguments: String...) -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: program)
    process.arguments = arguments
    process.standardError = Foundation.FileHandle.nullDevice
    do { try process.run() } catch { return false }
    process.waitUntilExit()
    return process.terminationStatus == 0
  }

  /// Mounts something for as long as `body` runs; false, without running it, if this process may not mount.
  static func mounting(_ arguments: [String], at path: String, _ body: () throws -> Void) rethrows -> Bool {
    let process = Process()
    process.executableURL = URL(fileURLWithPath: "/usr/bin/mount")
    process.arguments = arguments + [path]
    process.standardError = Foundation.FileHandle.nullDevice
    guard (try? process.run()) != nil else { return false }
    process.waitUntilExit()
    guard process.terminationStatus == 0 else { return false }
    defer { run("/usr/bin/umount", "--lazy", path) }
    try body()
    return true
  }
}

/// A directory that goes with its owner.
final class TemporaryDirectory {
  let path: String

  init(on ground: Ground = .disk) throws {
    path = "\(ground.rawValue)/martlet-fs-\(getpid())-\(UInt64.random(in: 0 ... .max))"
    try Host.makeDirectory(path)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  func path(_ name: String) -> String { path + "/" + name }
}

/// A string as a call of room Linux takes it.
struct Text: ~Copyable {
  private let memory: Scratch
  private let count: Int

  init(_ text: String) {
    let bytes = Array(text.utf8)
    memory = Scratch(byteCount: bytes.count + 1)
    memory.segment.copy(bytes + [0])
    count = bytes.count
  }

  func use<Result: ~Copyable>(_ body: (CName) throws(Errno) -> Result) throws(Errno) -> Result {
    try body(
      unsafe CName(base: UnsafeRawPointer(memory.segment.base).assumingMemoryBound(to: CChar.self), count: count))
  }
}

extension Segment {
  /// Copies bytes to the start.
  func copy(_ bytes: [UInt8]) {
    for (index, byte) in bytes.enumerated() { store(byte, at: index) }
  }
}
