// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The built daemon as a process of its own: what the suites of this folder start, look at from outside and end.

import Foundation
import Linux
import Support
import Testing

typealias TemporaryDirectory = Workplace

/// How a run that has ended went.
struct Outcome: Sendable {
  let status: ProcessEnd
  let standardOutput: String
  let standardError: String

  var errorLines: [Substring] { standardError.split(separator: "\n") }
}

final class DaemonProcess: Sendable {
  static let binary = BuildFolder.program("martlet-fs")
  /// A copy that any user may run. Made by cp(1): a descriptor of this process that is open for writing would be held
  /// by whatever another test starts meanwhile, and a program that somebody may write to cannot be run (ETXTBSY).
  static func binaryForEverybody(in directory: TemporaryDirectory, _ name: String = "martlet-fs") throws -> String {
    let copy = directory.file(name)
    try #require(try RunningProgram(["cp", BuildFolder.program(name), copy], in: directory).waitBlocking().code == 0)
    return copy
  }
  static let isRoot = CurrentProcess.effectiveUser == 0

  let child: RunningProgram
  let startedNanoseconds: Int64

  /// - Parameters:
  ///   - environment: beside PATH; nothing else of the test's is passed on.
  ///   - files: descriptors from 3 on.
  ///   - wrapper: a program and arguments in front ("setpriv", ...).
  init(
    _ arguments: [String], in directory: TemporaryDirectory, environment: [String: String] = [:], files: [File] = [],
    wrapper: [String] = [], binary: String = DaemonProcess.binary
  ) throws {
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    startedNanoseconds = Linux.Clock.monotonic
    child = try RunningProgram(
      [binary] + arguments, in: directory, wrapper: wrapper,
      environment: ["PATH=\(path)"] + environment.map { "\($0)=\($1)" }, files: files.map(\.raw))
  }

  /// Runs to the end.
  static func run(
    _ arguments: [String], environment: [String: String] = [:], wrapper: [String] = []
  ) throws -> Outcome {
    let process = try DaemonProcess(
      arguments, in: TemporaryDirectory(), environment: environment, wrapper: wrapper)
    return try process.wait()
  }

  var log: String { child.log }

  /// Waits for the end; kills the process and fails after `seconds`.
  func wait(seconds: Double = RunningProgram.patienceSeconds) throws -> Outcome {
    let end = try child.waitBlocking(seconds: seconds)
    return Outcome(
      status: end.code.map { .code($0) } ?? .signal(end.signal ?? 0), standardOutput: end.output,
      standardError: end.errors)
  }

  @discardableResult
  func end(_ signal: Linux.Signal = .terminate) throws -> Outcome {
    try signal.send(to: child.identifier)
    return try wait()
  }

  func waitUntil(
    seconds: Double = RunningProgram.patienceSeconds, _ what: @autoclosure () -> String, _ condition: () throws -> Bool
  ) throws {
    let deadline = Linux.Clock.monotonic + Int64(seconds * 1e9)
    while Linux.Clock.monotonic < deadline {
      if try condition() { return }
      usleep(1000)
    }
    throw Trouble("timed out: \(what()); the log: \(log)")
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

  /// What a process has used, in the kernel's ticks of 10 ms (proc(5), utime and stime of stat).
  static func processorMilliseconds(_ process: Int32) throws -> Int {
    let text = try Path("/proc/\(process)/stat").contents()
    // The name, in parentheses, may hold blanks.
    let fields = text.split(separator: ")").last?.split(separator: " ") ?? []
    guard fields.count > 12, let user = Int(fields[11]), let system = Int(fields[12]) else { return 0 }
    return (user + system) * 10
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
    // Closing alone could leave it open for a moment: a process that another test is just starting holds a copy.
    defer { socket.shutDown() }
    return try features(socket)
  }

  static func features(_ socket: borrowing UnixSocket) throws -> UInt64 {
    try socket.send([1, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0])
    var none = ReceivedDescriptors()
    guard let reply = try socket.receive(20, descriptors: &none) else {
      throw Trouble("no answer to GET_FEATURES")
    }
    return reply[12...].reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }
}
