// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What suites need that test programs from outside, whichever program: a directory to work in, and where the built
// programs are. Knows processes, files and text alone and imports no room of Martlet.

import Foundation

/// What goes wrong outside of the program under test, or takes too long.
public struct Trouble: Error, CustomStringConvertible {
  public let description: String
  public init(_ description: String) { self.description = description }
}

/// A directory that goes away with the test.
public final class Workplace: Sendable {
  public let path: String

  public init() throws {
    // Short: socket paths below it must fit into 107 bytes.
    path = "/tmp/mt-\(UInt32.random(in: .min ... .max))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    // Programs that run as another user must get in.
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  public func file(_ name: String) -> String { "\(path)/\(name)" }

  @discardableResult
  public func makeDirectory(_ name: String) throws -> String {
    try FileManager.default.createDirectory(atPath: file(name), withIntermediateDirectories: true)
    return file(name)
  }

  @discardableResult
  public func write(_ name: String, _ text: String) throws -> String {
    try text.write(toFile: file(name), atomically: false, encoding: .utf8)
    return file(name)
  }

  /// A symlink is there, wherever it leads.
  public func exists(_ name: String) -> Bool {
    (try? FileManager.default.attributesOfItem(atPath: file(name))) != nil
  }
}

public enum BuildFolder {
  /// $MARTLET_BIN_DIR, or beside the tests: the test bundle is an executable in the build folder on Linux.
  public static let path: String =
    ProcessInfo.processInfo.environment["MARTLET_BIN_DIR"]
    ?? URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().path(percentEncoded: false)

  /// Absolute: programs are started in other directories.
  public static func program(_ name: String) -> String {
    URL(filePath: path).appending(path: name).standardizedFileURL.path(percentEncoded: false)
  }
}
