// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The host's side of the guest tests: finds the programs and the rig, prepares a folder to share, runs the daemon and
// one guest, and reads what the guest said. Works on processes and text alone: it imports no room of Martlet, so that
// what is tested is the program as a user starts it.

import Foundation
import Testing

/// Where things are, and why a test cannot run. `contrib/test` sets the variables.
enum GuestRig {
  static let programs = ProcessInfo.processInfo.environment["MARTLET_BIN_DIR"]
  static let guests = ProcessInfo.processInfo.environment["MARTLET_GUEST_DIR"]
  static let isSlow = ProcessInfo.processInfo.environment["MARTLET_SLOW"] == "1"
  /// Of the random runs; MARTLET_SEED repeats what a run printed.
  static let seed =
    ProcessInfo.processInfo.environment["MARTLET_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...1 << 40)
  static let folder = URL(filePath: #filePath).deletingLastPathComponent()
  static let rig = folder.appending(path: "rig")
  /// In the build folder, so that neither git nor the package sees it.
  static let failures = folder.appending(path: "../../.build/guest-failures").standardizedFileURL

  /// Shares hold files of many users, so the daemon under test runs as root; nothing of that works otherwise.
  static let isRoot = NSUserName() == "root"

  static let unavailable: Comment =
    "needs MARTLET_BIN_DIR and MARTLET_GUEST_DIR (contrib/test sets them) and root"
  static let slowOnly: Comment = "runs with contrib/test --all (MARTLET_SLOW=1)"

  static func hasGuest(_ kind: GuestKind) -> Bool {
    guard let guests, programs != nil, isRoot else { return false }
    return FileManager.default.fileExists(atPath: "\(guests)/\(kind.rawValue)/initrd")
  }
}

enum GuestKind: String, Sendable {
  case qemu, uml
}

/// One row of a suite: how the daemon is started and how the guest.
struct GuestCase: Sendable, CustomTestStringConvertible {
  var name: String
  var options: [String] = []
  var runner: [String] = []
  /// Limits the POSIX checks to topics or titles with these words; empty: all of them.
  var words: [String] = []
  /// Random runs after the checks: arguments of posixcheck, without the directory. Where all checks run, those of the
  /// kind of guest: emulation is slow.
  func randomRuns(on kind: GuestKind) -> [String] {
    guard words.isEmpty else { return [] }
    let operations =
      switch (kind, GuestRig.isSlow) {
      case (.qemu, false): (300, 60)
      case (.qemu, true): (3000, 600)
      case (.uml, false): (1500, 300)
      case (.uml, true): (50_000, 5000)
      }
    let seed = GuestRig.seed
    return [
      "fsx --direct --seed \(seed) --operations \(operations.0)",
      "stress --seed \(seed) --processes 4 --operations \(operations.1)",
    ]
  }
  /// Skips that are right under these options, by a part of the check's title or of its reason.
  var expectedSkips: [String] = []

  var testDescription: String { name }
}

/// A folder that is gone when the test is over, and what is in it.
struct Workplace: Sendable {
  let home: URL
  var share: URL { home.appending(path: "share") }
  var console: URL { home.appending(path: "console") }
  var daemonLog: URL { home.appending(path: "daemon.log") }

  init() throws {
    home = FileManager.default.temporaryDirectory.appending(path: "martlet-guest-\(UUID().uuidString.prefix(8))")
    try FileManager.default.createDirectory(at: share, withIntermediateDirectories: true)
    // The checks visit the share as other users.
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: share.path)
    try write("written by the host", to: share.appending(path: "from-host.txt"))
    try fillTree(share.appending(path: "tree"))
  }

  func remove() {
    try? FileManager.default.removeItem(at: home)
  }

  /// Keeps the logs of a failed test and says where.
  func keepLogs(as name: String) -> String {
    let place = GuestRig.failures.appending(path: name)
    try? FileManager.default.removeItem(at: place)
    try? FileManager.default.createDirectory(at: place, withIntermediateDirectories: true)
    for log in [console, daemonLog] {
      try? FileManager.default.copyItem(at: log, to: place.appending(path: log.lastPathComponent))
    }
    return place.path
  }

  private func write(_ text: String, to file: URL) throws {
    try Data(text.utf8).write(to: file)
  }

  /// Kinds, sizes and names of many sorts; the same tree every time.
  private func fillTree(_ tree: URL) throws {
    let files = FileManager.default
    try files.createDirectory(at: tree.appending(path: "a/b/c"), withIntermediateDirectories: true)
    try files.createDirectory(at: tree.appending(path: "many"), withIntermediateDirectories: true)
    try write("", to: tree.appending(path: "empty"))
    try write("deep", to: tree.appending(path: "a/b/c/deep file"))
    try write("Grüße", to: tree.appending(path: "größe.txt"))
    try write("#!/bin/sh\n", to: tree.appending(path: "program"))
    try files.setAttributes([.posixPermissions: 0o4755], ofItemAtPath: tree.appending(path: "program").path)
    try write("private", to: tree.appending(path: "private"))
    try files.setAttributes([.posixPermissions: 0o600], ofItemAtPath: tree.appending(path: "private").path)
    try files.createSymbolicLink(atPath: tree.appending(path: "link").path, withDestinationPath: "a/b/c/deep file")
    try files.createSymbolicLink(atPath: tree.appending(path: "dangling").path, withDestinationPath: "no/where")
    for number in 0..<300 {
      try write("file \(number)", to: tree.appending(path: "many/\(number)"))
    }
    // Larger than one request and not a multiple of a page.
    var state: UInt64 = 42
    let bytes = (0..<3_000_001).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return UInt8(truncatingIfNeeded: state >> 33)
    }
    try Data(bytes).write(to: tree.appending(path: "large"))
  }
}

/// A program that runs to its end; the output goes to a file, as a pipe could fill up.
func runToEnd(_ program: String, _ arguments: [String], in folder: URL, output: URL) async throws -> Int32 {
  let process = try makeProcess(program, arguments, in: folder, output: output)
  return try await withCheckedThrowingContinuation { continuation in
    process.terminationHandler = { continuation.resume(returning: $0.terminationStatus) }
    do {
      try start(process)
    } catch {
      process.terminationHandler = nil
      continuation.resume(throwing: error)
    }
  }
}

/// Foundation starts children with the calling thread's signal mask, and the threads of Swift's pools block nearly all
/// signals: a daemon or a shell so started would not hear SIGTERM.
func start(_ process: Process) throws {
  var none = sigset_t()
  var before = sigset_t()
  unsafe sigemptyset(&none)
  unsafe pthread_sigmask(SIG_SETMASK, &none, &before)
  defer { unsafe pthread_sigmask(SIG_SETMASK, &before, nil) }
  try process.run()
}

func makeProcess(_ program: String, _ arguments: [String], in folder: URL, output: URL) throws -> Process {
  _ = FileManager.default.createFile(atPath: output.path, contents: nil)
  let handle = try FileHandle(forWritingTo: output)
  let process = Process()
  process.executableURL = URL(filePath: program)
  process.arguments = arguments
  process.currentDirectoryURL = folder
  process.standardInput = FileHandle.nullDevice
  process.standardOutput = handle
  process.standardError = handle
  return process
}
