// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The C program with which a share is examined, in guests (Tests/Guests/posix) as well as over a mount.

import Foundation
import Support

enum PosixCheck {
  /// Its path; built once, beside the tests, when the first test needs it.
  static let program = Task {
    let build = URL(filePath: #filePath).deletingLastPathComponent().appending(path: "../Guests/posix/build")
    let tests = URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent()
    let program = tests.appending(path: "posixcheck").path(percentEncoded: false)
    let built = try await shell("'\(build.standardizedFileURL.path)' '\(program)'", in: "/", seconds: 300)
    guard built.status == 0 else { throw Trouble("posixcheck cannot be built: \(built.output)") }
    return program
  }

  /// MARTLET_SEED repeats what a run printed.
  static var seed: UInt64 {
    ProcessInfo.processInfo.environment["MARTLET_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...1 << 40)
  }
}
