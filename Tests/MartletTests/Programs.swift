// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The programs under test. Works on processes, files and text alone and imports no room of Martlet, so that what is
// tested is the tool as a person uses it.

import Foundation
import Support
import Testing

/// Where things are, and why a test cannot run.
enum Programs {
  static let martlet = BuildFolder.program("martlet")
  static let martletFS = BuildFolder.program("martlet-fs")
  /// The virtiofsd in C of QEMU before 8: an implementation that shares nothing with ours.
  static let rival = "/usr/lib/qemu/virtiofsd"

  static let isThere = [martlet, martletFS].allSatisfy { FileManager.default.isExecutableFile(atPath: $0) }
  static let missing: Comment = "needs the programs martlet and martlet-fs beside the tests or in MARTLET_BIN_DIR"

  static let canMount = isThere && NSUserName() == "root" && FileManager.default.fileExists(atPath: "/dev/fuse")
  static let isSlow = ProcessInfo.processInfo.environment["MARTLET_SLOW"] == "1"
  static let slowOnly: Comment = "runs with contrib/test --all (MARTLET_SLOW=1): it needs a machine to itself"
  static let cannotMount: Comment = "needs root, /dev/fuse and the programs martlet and martlet-fs"

  static let hasRival = FileManager.default.isExecutableFile(atPath: rival)
  /// The virtiofsd in Rust, where Benchmarks/Rivals/fetch-virtiofsd has put one.
  static let rustRival: String? = {
    let environment = ProcessInfo.processInfo.environment
    let cache = environment["XDG_CACHE_HOME"] ?? "\(NSHomeDirectory())/.cache"
    let suites = ["virtiofsd-sid", "virtiofsd-trixie"]
    return suites.map { "\(cache)/martlet/rivals/\($0)/virtiofsd" }
      .first { FileManager.default.isExecutableFile(atPath: $0) }
  }()
}

typealias Outcome = ProgramOutcome

extension RunningProgram {
  /// Runs `martlet` to its end.
  static func martlet(
    _ arguments: [String], in place: Workplace? = nil, wrapper: [String] = []
  ) async throws -> Outcome {
    try await RunningProgram(
      [Programs.martlet] + arguments, in: try place ?? Workplace(), wrapper: wrapper
    ).wait()
  }
}

/// Runs a shell script to its end, in `folder`; standard error is part of the output. Whatever hangs in it is ended.
@discardableResult
func shell(_ script: String, in folder: String, seconds: Int = Int(RunningProgram.patienceSeconds)) async throws
  -> Outcome
{
  let place = try Workplace()
  return try await RunningProgram(
    ["timeout", "-k", "5", "\(seconds)", "sh", "-c", "cd '\(folder)' && exec 2>&1\n\(script)"], in: place
  ).wait(seconds: Double(seconds) + 10)
}
