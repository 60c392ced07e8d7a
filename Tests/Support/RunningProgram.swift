// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A program under test as a process of its own. All waits poll with a limit that is far away: on a busy machine a
// test is slow, not wrong.

import Foundation
import Synchronization

/// How a run went that has ended.
public struct ProgramOutcome: Sendable {
  /// The exit code; nil if a signal ended it.
  public let code: Int32?
  public let signal: Int32?
  public let output: String
  public let errors: String

  /// As a shell puts it: the exit code, or 128 plus the signal.
  public var status: Int32 { code ?? 128 + (signal ?? 0) }
  public var errorLines: [Substring] { errors.split(separator: "\n") }
}

/// A child process. Foundation's Process is not used: a child that lives longer inherits the socket by which it would
/// see another one end.
public final class RunningProgram: Sendable {
  /// Of a child that was not waited for yet; afterwards the number may be another's.
  public let identifier: Int32
  /// How long tests wait for what must come: longer than the slowest machine takes. Only a failure waits so long.
  public static let patienceSeconds: Double = 300
  private let arguments: [String]
  /// Where its standard output goes.
  public let outputFile: String
  private let errors: String
  private let place: Workplace
  /// What waitpid(2) said; nil as long as it runs.
  private let end = Mutex<Int32?>(nil)

  /// Starts a program in `place`, where its output goes as well.
  /// - Parameters:
  ///   - wrapper: a program and arguments in front ("setpriv", ...).
  ///   - environment: "NAME=value" strings; nil passes on this process's own.
  ///   - files: become the program's descriptors from 3 on; no other is inherited.
  public init(
    _ arguments: [String], in place: Workplace, wrapper: [String] = [], environment: [String]? = nil,
    files: [Int32] = []
  ) throws {
    self.place = place
    self.arguments = wrapper + arguments
    let run = UInt32.random(in: .min ... .max)
    outputFile = place.file("out-\(run)")
    errors = place.file("err-\(run)")
    var start = Start(arguments: self.arguments, folder: place.path, output: outputFile, errors: errors)
    start.environment = environment
    start.files = files
    identifier = try start.run()
  }

  /// A test that failed half-way leaves nobody behind.
  deinit {
    guard isRunning else { return }
    send(SIGKILL)
    _ = waitpid(identifier, nil, 0)
  }

  public var isRunning: Bool {
    end.withLock { end in
      if end != nil { return false }
      var word: Int32 = 0
      guard unsafe waitpid(identifier, &word, WNOHANG) == identifier else { return true }
      end = word
      return false
    }
  }

  /// What it has written to standard error.
  public var log: String { (try? String(contentsOfFile: errors, encoding: .utf8)) ?? "" }

  /// What it has written to standard output, from a byte on; the end may be half a character.
  public func outputSoFar(from offset: UInt64 = 0) -> String {
    guard let file = FileHandle(forReadingAtPath: outputFile), (try? file.seek(toOffset: offset)) != nil else {
      return ""
    }
    return String(decoding: (try? file.readToEnd()) ?? Data(), as: UTF8.self)
  }

  /// Not to one that was waited for: its number may be another's.
  public func send(_ signal: Int32) {
    end.withLock { if $0 == nil { kill(identifier, signal) } }
  }

  /// Waits for the end; kills the process and throws after `seconds`.
  public func wait(seconds: Double = RunningProgram.patienceSeconds) async throws -> ProgramOutcome {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while isRunning {
      if ContinuousClock.now >= deadline { throw giveUp(after: seconds) }
      try await Task.sleep(for: .milliseconds(5))
    }
    return try outcome()
  }

  /// As `wait`, for tests that are not asynchronous.
  public func waitBlocking(seconds: Double = RunningProgram.patienceSeconds) throws -> ProgramOutcome {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while isRunning {
      if ContinuousClock.now >= deadline { throw giveUp(after: seconds) }
      usleep(2000)
    }
    return try outcome()
  }

  /// Waits as long as it runs; throws if `condition` does not come true.
  public func waitUntil(_ what: String, seconds: Double = RunningProgram.patienceSeconds, _ condition: () -> Bool)
    async throws
  {
    let deadline = ContinuousClock.now + .seconds(seconds)
    while !condition() {
      guard ContinuousClock.now < deadline, isRunning else { throw Trouble("not \(what); the log: \(log)") }
      try await Task.sleep(for: .milliseconds(5))
    }
  }

  private func giveUp(after seconds: Double) -> Trouble {
    send(SIGKILL)
    return Trouble("\(arguments) did not end within \(seconds) s; its log: \(log)")
  }

  private func outcome() throws -> ProgramOutcome {
    // WIFEXITED and its kin are macros that Swift does not see.
    let word = end.withLock { $0 } ?? 0
    let signal = word & 0x7f
    return ProgramOutcome(
      code: signal == 0 ? word >> 8 & 0xff : nil, signal: signal == 0 ? nil : signal,
      output: try String(contentsOfFile: outputFile, encoding: .utf8), errors: log)
  }
}

/// posix_spawn(3) with nothing inherited: no descriptors but the given ones, and no blocked or ignored signals; the
/// threads of Swift's pools have nearly all of them blocked.
private struct Start {
  let arguments: [String]
  let folder: String
  let output: String
  let errors: String
  var environment: [String]?
  var files: [Int32] = []

  func run() throws -> pid_t {
    var actions = unsafe posix_spawn_file_actions_t()
    unsafe posix_spawn_file_actions_init(&actions)
    defer { unsafe posix_spawn_file_actions_destroy(&actions) }
    unsafe posix_spawn_file_actions_addopen(&actions, 0, "/dev/null", O_RDONLY, 0)
    unsafe posix_spawn_file_actions_addopen(&actions, 1, output, O_WRONLY | O_CREAT | O_APPEND, 0o666)
    unsafe posix_spawn_file_actions_addopen(&actions, 2, errors, O_WRONLY | O_CREAT | O_APPEND, 0o666)
    // Copies far above, so that none is overwritten before it has been moved to its place.
    let copies = files.map { fcntl($0, F_DUPFD_CLOEXEC, 200) }
    defer { for copy in copies { close(copy) } }
    for (index, copy) in copies.enumerated() {
      unsafe posix_spawn_file_actions_adddup2(&actions, copy, Int32(3 + index))
    }
    unsafe posix_spawn_file_actions_addclosefrom_np(&actions, Int32(3 + files.count))
    unsafe posix_spawn_file_actions_addchdir_np(&actions, folder)

    var attributes = posix_spawnattr_t()
    unsafe posix_spawnattr_init(&attributes)
    defer { unsafe posix_spawnattr_destroy(&attributes) }
    var signals = sigset_t()
    unsafe sigemptyset(&signals)
    unsafe posix_spawnattr_setsigmask(&attributes, &signals)
    unsafe sigfillset(&signals)
    unsafe posix_spawnattr_setsigdefault(&attributes, &signals)
    unsafe posix_spawnattr_setflags(&attributes, Int16(POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF))

    let words = CStrings(arguments)
    let variables = environment.map { CStrings($0) }
    var identifier: pid_t = 0
    let result = withExtendedLifetime((words, variables)) {
      unsafe posix_spawnp(
        &identifier, arguments[0], &actions, &attributes, words.pointers, variables?.pointers ?? environ)
    }
    guard result == 0 else { throw Trouble("cannot start \(arguments): \(result)") }
    return identifier
  }
}

/// A list of strings as C takes it, for as long as this lives.
@safe private final class CStrings {
  private let count: Int
  let pointers: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>

  init(_ strings: [String]) {
    count = strings.count
    unsafe pointers = .allocate(capacity: count + 1)
    for (index, string) in strings.enumerated() { unsafe pointers[index] = strdup(string) }
    unsafe pointers[count] = nil
  }

  deinit {
    for index in 0..<count { unsafe free(pointers[index]) }
    unsafe pointers.deallocate()
  }
}
