// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The programs under test as processes of their own. Works on processes, files and text alone and imports no room of
// Martlet, so that what is tested is the tool as a person uses it.

import Foundation
import Synchronization
import Testing

/// Where things are, and why a test cannot run.
enum Programs {
  /// $MARTLET_BIN_DIR, or beside the tests: the test bundle is an executable in the build folder on Linux.
  static let folder: String =
    ProcessInfo.processInfo.environment["MARTLET_BIN_DIR"]
    ?? URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().path(percentEncoded: false)
  static let martlet = URL(filePath: folder).appending(path: "martlet").path
  static let martletFS = URL(filePath: folder).appending(path: "martlet-fs").path
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

struct Trouble: Error, CustomStringConvertible {
  let description: String
  init(_ description: String) { self.description = description }
}

/// A directory that goes away with the test.
final class Workplace: Sendable {
  let path: String

  init() throws {
    // Short: socket paths below it must fit into 107 bytes.
    path = "/tmp/mtt-\(UInt32.random(in: .min ... .max))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    // The POSIX checks visit it as other users.
    try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: path)
  }

  deinit {
    try? FileManager.default.removeItem(atPath: path)
  }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  @discardableResult
  func makeDirectory(_ name: String) throws -> String {
    try FileManager.default.createDirectory(atPath: file(name), withIntermediateDirectories: true)
    return file(name)
  }
}

/// How a run went that has ended.
struct Outcome: Sendable {
  /// The exit code; 128 plus the signal if one ended it.
  let status: Int32
  let output: String
  let errors: String

  var errorLines: [Substring] { errors.split(separator: "\n") }
}

/// A child process. Foundation's Process is not used: a child that lives longer inherits the socket by which it would
/// see another one end.
final class RunningProgram: Sendable {
  private let identifier: pid_t
  private let arguments: [String]
  private let output: String
  private let errors: String
  private let place: Workplace
  /// What waitpid(2) said; nil as long as it runs.
  private let status = Mutex<Int32?>(nil)

  /// - Parameter wrapper: a program and arguments in front.
  init(_ arguments: [String], in place: Workplace, wrapper: [String] = []) throws {
    self.place = place
    self.arguments = wrapper + arguments
    let run = UInt32.random(in: .min ... .max)
    output = place.file("out-\(run)")
    errors = place.file("err-\(run)")
    identifier = try spawn(self.arguments, in: place.path, output: output, errors: errors)
  }

  deinit {
    guard isRunning else { return }
    send(SIGKILL)
    _ = waitpid(identifier, nil, 0)
  }

  var isRunning: Bool {
    status.withLock { status in
      if status != nil { return false }
      var word: Int32 = 0
      guard unsafe waitpid(identifier, &word, WNOHANG) == identifier else { return true }
      // WIFEXITED and its kin are macros that Swift does not see.
      status = word & 0x7f == 0 ? word >> 8 & 0xff : 128 + word & 0x7f
      return false
    }
  }
  var log: String { (try? String(contentsOfFile: errors, encoding: .utf8)) ?? "" }

  func send(_ signal: Int32) { kill(identifier, signal) }

  /// Waits for the end; kills the process and throws after `seconds`.
  func wait(seconds: Double = 20) async throws -> Outcome {
    let deadline = ContinuousClock.now + .milliseconds(Int(seconds * 1000))
    while isRunning {
      if ContinuousClock.now >= deadline {
        send(SIGKILL)
        throw Trouble("\(arguments) did not end within \(seconds) s; its log: \(log)")
      }
      try await Task.sleep(for: .milliseconds(5))
    }
    return Outcome(
      status: status.withLock { $0 ?? -1 },
      output: try String(contentsOfFile: output, encoding: .utf8), errors: log)
  }

  func waitUntil(_ what: String, seconds: Double = 20, _ condition: () -> Bool) async throws {
    let deadline = ContinuousClock.now + .milliseconds(Int(seconds * 1000))
    while !condition() {
      guard ContinuousClock.now < deadline, isRunning else { throw Trouble("not \(what); the log: \(log)") }
      try await Task.sleep(for: .milliseconds(5))
    }
  }

  /// Runs `martlet` to its end.
  static func martlet(
    _ arguments: [String], in place: Workplace? = nil, wrapper: [String] = [], seconds: Double = 20
  ) async throws -> Outcome {
    try await RunningProgram(
      [Programs.martlet] + arguments, in: try place ?? Workplace(), wrapper: wrapper
    ).wait(seconds: seconds)
  }
}

/// posix_spawn(3) with nothing inherited: no descriptors, and no blocked signals, which the threads of Swift's pools
/// have nearly all.
private func spawn(_ arguments: [String], in folder: String, output: String, errors: String) throws -> pid_t {
  var actions = unsafe posix_spawn_file_actions_t()
  unsafe posix_spawn_file_actions_init(&actions)
  defer { unsafe posix_spawn_file_actions_destroy(&actions) }
  unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
  unsafe posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o644)
  unsafe posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_APPEND, 0o644)
  unsafe posix_spawn_file_actions_addclosefrom_np(&actions, 3)
  unsafe posix_spawn_file_actions_addchdir_np(&actions, folder)
  var attributes = posix_spawnattr_t()
  unsafe posix_spawnattr_init(&attributes)
  defer { unsafe posix_spawnattr_destroy(&attributes) }
  var none = sigset_t()
  unsafe sigemptyset(&none)
  unsafe posix_spawnattr_setsigmask(&attributes, &none)
  unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK))
  var words: [UnsafeMutablePointer<CChar>?] = unsafe arguments.map { unsafe strdup($0) }
  unsafe words.append(nil)
  defer { unsafe words.forEach { unsafe free($0) } }
  var identifier: pid_t = 0
  let result = unsafe posix_spawnp(&identifier, arguments[0], &actions, &attributes, words, environ)
  guard result == 0 else { throw Trouble("cannot start \(arguments): \(result)") }
  return identifier
}

/// Runs a shell script to its end, in `folder`; standard error is part of the output. Whatever hangs in it is ended.
@discardableResult
func shell(_ script: String, in folder: String, seconds: Int = 60) async throws -> Outcome {
  let place = try Workplace()
  return try await RunningProgram(
    ["timeout", "-k", "5", "\(seconds)", "sh", "-c", "cd '\(folder)' && exec 2>&1\n\(script)"], in: place
  ).wait(seconds: Double(seconds) + 10)
}
