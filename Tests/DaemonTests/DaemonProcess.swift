// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The built daemon as a process of its own: what the suites of this folder start, look at from outside and end.

import Foundation
import Linux
import Synchronization
import Testing

/// A directory that goes away with the test.
final class TemporaryDirectory: Sendable {
  let path: String

  init() throws {
    // Short: socket paths below it must fit into 107 bytes.
    path = "/tmp/mt-\(UInt32.random(in: .min ... .max))"
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: false)
    // Daemons that run as another user must get in.
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

  @discardableResult
  func write(_ name: String, _ text: String) throws -> String {
    try text.write(toFile: file(name), atomically: false, encoding: .utf8)
    return file(name)
  }

  func exists(_ name: String) -> Bool { (try? Path(file(name)).status(following: false)) != nil }
}

/// How a run that has ended went.
struct Outcome: Sendable {
  let status: ProcessEnd
  let standardOutput: String
  let standardError: String

  var errorLines: [Substring] { standardError.split(separator: "\n") }
}

final class DaemonProcess: Sendable {
  /// Where the programs are: $MARTLET_BIN_DIR, or beside the tests.
  static let programs: String = {
    if let directory = ProcessInfo.processInfo.environment["MARTLET_BIN_DIR"] { return directory }
    // The test bundle is an executable in the build folder on Linux.
    return URL(filePath: CommandLine.arguments[0]).deletingLastPathComponent().path(percentEncoded: false)
  }()
  static let binary = URL(filePath: programs).appending(path: "martlet-fs").path(percentEncoded: false)
  /// A copy that any user may run. Made by cp(1): a descriptor of this process that is open for writing would be held
  /// by whatever another test starts meanwhile, and a program that somebody may write to cannot be run (ETXTBSY).
  static func binaryForEverybody(in directory: TemporaryDirectory) throws -> String {
    let copy = directory.file("martlet-fs")
    try #require(try ChildProcess.spawn(["cp", binary, copy]).wait() == .code(0))
    return copy
  }
  static let isRoot = CurrentProcess.effectiveUser == 0

  let child: ChildProcess
  let startedNanoseconds: Int64
  /// True once it was waited for: its id may be another process's then.
  private let hasEnded = Atomic(false)
  private let output: String
  private let errors: String
  private let directory: TemporaryDirectory

  /// - Parameters:
  ///   - environment: beside PATH; nothing else of the test's is passed on.
  ///   - files: descriptors from 3 on.
  ///   - wrapper: a program and arguments in front ("setpriv", ...).
  init(
    _ arguments: [String], in directory: TemporaryDirectory, environment: [String: String] = [:], files: [File] = [],
    wrapper: [String] = [], binary: String = DaemonProcess.binary
  ) throws {
    self.directory = directory
    let run = UInt32.random(in: .min ... .max)
    output = directory.file("out-\(run)")
    errors = directory.file("err-\(run)")
    let flags = OpenFlags.writeOnly | OpenFlags.create | OpenFlags.append
    let out = SharedDescriptor(try Path(output).open(flags: flags, mode: 0o666))
    let err = SharedDescriptor(try Path(errors).open(flags: flags, mode: 0o666))
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    startedNanoseconds = Linux.Clock.monotonic
    child = try ChildProcess.spawn(
      wrapper + [binary] + arguments,
      environment: ["PATH=\(path)"] + environment.map { "\($0)=\($1)" },
      files: [nil, out.file, err.file] + files)
  }

  /// Runs to the end.
  static func run(
    _ arguments: [String], environment: [String: String] = [:], wrapper: [String] = []
  ) throws -> Outcome {
    let process = try DaemonProcess(
      arguments, in: TemporaryDirectory(), environment: environment, wrapper: wrapper)
    return try process.wait()
  }

  private func kill() {
    hasEnded.store(true, ordering: .relaxed)
    try? Signal.kill.send(to: child.identifier)
    _ = try? child.wait()
  }

  deinit {
    // A test that failed half-way leaves nobody behind.
    if !hasEnded.load(ordering: .relaxed) { kill() }
  }

  var log: String { (try? String(contentsOfFile: errors, encoding: .utf8)) ?? "" }

  /// Waits for the end; kills the process and fails after `seconds`.
  func wait(seconds: Double = 20) throws -> Outcome {
    let deadline = Linux.Clock.monotonic + Int64(seconds * 1e9)
    while Linux.Clock.monotonic < deadline {
      if let status = try child.waitWithoutBlocking() {
        hasEnded.store(true, ordering: .relaxed)
        return Outcome(
          status: status, standardOutput: try String(contentsOfFile: output, encoding: .utf8), standardError: log)
      }
      usleep(2000)
    }
    kill()
    throw Timeout(what: "the daemon did not end; its log: \(log)")
  }

  @discardableResult
  func end(_ signal: Linux.Signal = .terminate) throws -> Outcome {
    try signal.send(to: child.identifier)
    return try wait()
  }

  struct Timeout: Error, CustomStringConvertible {
    let what: String
    var description: String { what }
  }

  func waitUntil(seconds: Double = 10, _ what: @autoclosure () -> String, _ condition: () throws -> Bool) throws {
    let deadline = Linux.Clock.monotonic + Int64(seconds * 1e9)
    while Linux.Clock.monotonic < deadline {
      if try condition() { return }
      usleep(1000)
    }
    throw Timeout(what: "timed out: \(what()); the log: \(log)")
  }

  /// Waits until the log says that it serves, which it says last.
  func waitUntilServing() throws {
    try waitUntil("serving") { log.contains("] serving ") }
  }

  /// Processes whose parent is the started one.
  func children() throws -> [Int32] {
    let text = try Path("/proc/\(child.identifier)/task/\(child.identifier)/children").contents()
    return text.split(whereSeparator: { $0 == " " || $0 == "\n" }).compactMap { Int32($0) }
  }

  /// The process that serves.
  func server() throws -> Int32 { try children().first ?? child.identifier }

  /// A line of /proc/PID/status.
  static func status(_ process: Int32, _ name: String) throws -> String {
    for line in try Path("/proc/\(process)/status").contents().split(separator: "\n")
    where line.hasPrefix("\(name):") {
      return line.dropFirst(name.count + 1).trimmingCharacters(in: .whitespaces)
    }
    return ""
  }

  static func capabilities(_ process: Int32) throws -> UInt64 {
    UInt64(try status(process, "CapEff"), radix: 16) ?? 0
  }
}

/// The first words of a frontend: enough to see that somebody serves.
enum Probe {
  /// Connects and asks for the features (VHOST_USER_GET_FEATURES).
  static func features(at path: String) throws -> UInt64 {
    let socket = try UnixSocket.connect(to: path)
    return try features(socket)
  }

  static func features(_ socket: borrowing UnixSocket) throws -> UInt64 {
    try socket.send([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    var none = ReceivedDescriptors()
    guard let reply = try socket.receive(20, descriptors: &none) else {
      throw DaemonProcess.Timeout(what: "no answer to GET_FEATURES")
    }
    return reply[12...].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}
