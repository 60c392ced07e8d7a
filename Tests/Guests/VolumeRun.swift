// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the tests of volumes share: images, martlet-blk and a guest as processes, and the host's own eyes on the images.
// Imports no room of Martlet, so that what is tested is the program as a user starts it.

import Foundation
import Support
import Testing

enum VolumeRig {
  static let mebibyte = 1 << 20
  static let unavailable: Comment =
    "needs MARTLET_BIN_DIR, MARTLET_GUEST_DIR with a root for volumes (contrib/test sets and makes them) and root"

  static func hasGuest(_ kind: GuestKind) -> Bool {
    guard let guests = GuestRig.guests, GuestRig.hasGuest(kind) else { return false }
    return FileManager.default.fileExists(atPath: "\(guests)/root.stamp")
  }

  static let noLibblkio: Comment =
    "needs MARTLET_GUEST_DIR with blkiocheck, which contrib/test makes where libblkio can be fetched"

  static var hasLibblkio: Bool {
    guard let guests = GuestRig.guests, GuestRig.programs != nil else { return false }
    return FileManager.default.fileExists(atPath: "\(guests)/blkiocheck")
  }

  static let noNewestQEMU: Comment = "needs MARTLET_GUEST_DIR with qemu-for-screens, which contrib/test fetches"

  /// A newer QEMU than the system's: `prepare` has fetched it for the screens.
  static var newestQEMU: String? {
    guard let guests = GuestRig.guests, hasGuest(.qemu) else { return nil }
    let path = "\(guests)/qemu-for-screens"
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }

  static func program(_ name: String) -> String { GuestRig.rig.appending(path: name).path }

  /// A program that `prepare` has made.
  static func prepared(_ name: String) throws -> String { "\(try #require(GuestRig.guests))/\(name)" }

  /// Disk space that a file takes.
  static func allocatedBytes(_ path: String) throws -> Int {
    var status = stat()
    guard unsafe stat(path, &status) == 0 else { throw Trouble("\(path): \(errno)") }
    return Int(status.st_blocks) * 512
  }

  /// Makes a file of this size, or an existing one larger.
  static func resize(_ path: String, to bytes: Int) throws {
    if !FileManager.default.fileExists(atPath: path) {
      _ = FileManager.default.createFile(atPath: path, contents: nil)
    }
    let file = try FileHandle(forWritingTo: URL(filePath: path))
    try file.truncate(atOffset: UInt64(bytes))
    try file.close()
  }

  /// Runs a program of the host; throws with its words if it fails.
  @discardableResult
  static func run(_ arguments: [String], in place: Support.Workplace) async throws -> String {
    let outcome = try await RunningProgram(arguments, in: place).wait()
    guard outcome.code == 0 else {
      throw Trouble("\(arguments) ended with \(outcome.status): \(outcome.output)\(outcome.errors)")
    }
    return outcome.output
  }
}

/// martlet-blk as a process, and the one in the sandbox that it waits for.
struct VolumeDaemon {
  let program: RunningProgram

  /// Returns when it serves; takes stale sockets away first. A socket's file alone would not do: it is there a moment
  /// before anybody listens, and QEMU does not try again.
  init(_ arguments: [String], sockets: [String], in place: Support.Workplace) async throws {
    for socket in sockets { try? FileManager.default.removeItem(atPath: place.file(socket)) }
    let program = try RunningProgram([BuildFolder.program("martlet-blk")] + arguments, in: place)
    self.program = program
    try await program.waitUntil("serving") { program.log.contains("] serving ") }
  }

  /// Those of it that live: the one that waits first.
  var processes: [Int32] {
    let first = program.identifier
    let children = (try? String(contentsOfFile: "/proc/\(first)/task/\(first)/children", encoding: .utf8)) ?? ""
    return [first] + children.split { $0 == " " || $0 == "\n" }.compactMap { Int32($0) }
  }

  /// Ends it as a service manager does; nil if it ended well.
  func stop() async throws -> String? {
    program.send(SIGTERM)
    let outcome = try await program.wait()
    return outcome.code == 0 ? nil : "martlet-blk ended with \(outcome.status): \(outcome.errors.suffix(2000))"
  }
}

/// A guest that the test talks with: by lines on its console, and by what happens to its volumes.
struct VolumeGuest {
  let runner: RunningProgram

  init(_ kind: GuestKind, _ arguments: [String], job: String, in place: Support.Workplace) throws {
    let script = GuestRig.rig.appending(path: "jobs/\(job)").path
    let words = [VolumeRig.program("run-\(kind.rawValue)"), "--timeout", "1500"] + arguments + [script]
    runner = try RunningProgram(words, in: place)
  }

  var console: String { runner.outputSoFar() }

  /// Waits for a line of this beginning.
  func wait(for line: String) async throws {
    try await runner.waitUntil("'\(line)' on the console", seconds: 1400) { console.contains("\n\(line)") }
  }

  /// Waits until every thread of volumecheck has come through with something more.
  func waitForProgress(of threads: Int) async throws {
    // Not the whole console over and over: it becomes long.
    let before = runner.outputSoFar().utf8.count
    try await runner.waitUntil("going on", seconds: 600) {
      let lines = runner.outputSoFar(from: UInt64(before)).split(separator: "\n")
      let reports = lines.map { $0.split(separator: " ") }.filter { $0.count == 3 && $0[0] == "ACK" }
      return Set(reports.map { $0[1] }).count >= threads
    }
  }

  func waitForEnd() async throws -> GuestReport {
    let outcome = try await runner.wait(seconds: 1600)
    return GuestReport(status: outcome.status, console: outcome.output)
  }

  /// The rig's script ends its guest when it is asked to, not when it is killed.
  func end() {
    guard runner.isRunning else { return }
    runner.send(SIGTERM)
    _ = try? runner.waitBlocking(seconds: 30)
  }
}

extension GuestReport {
  /// What is wrong with a guest that should have had no trouble at all.
  var problems: [String] {
    var problems = failures.map(String.init) + kernelComplaints.map(String.init)
    if passed == 0 { problems.append("not one check passed") }
    if status != 0 {
      let tail = lines.suffix(12).joined(separator: "\n")
      problems.append("the guest's job ended with \(status), its console with:\n\(tail)")
    }
    return problems
  }
}

/// Keeps the logs of a failed test and records what was wrong.
func record(_ problems: [String], of name: String, logs: [String: String]) {
  if problems.isEmpty { return }
  let folder = GuestRig.failures.appending(path: name)
  try? FileManager.default.createDirectory(at: folder, withIntermediateDirectories: true)
  for (file, text) in logs { try? text.write(to: folder.appending(path: file), atomically: false, encoding: .utf8) }
  for problem in problems + ["logs: \(folder.path)"] { Issue.record("\(problem)") }
}
