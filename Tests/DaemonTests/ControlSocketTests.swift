// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linux
import Support
import Testing

/// The control socket of a running daemon, sandbox and seccomp filter included. Invariants: one line, one answer, then
/// the end; it is the owner's alone and gone at the end; no client can keep another one out for long.
@Suite(.timeLimit(.minutes(30))) struct ControlSocketTests {
  private let directory: TemporaryDirectory
  private let socket: String
  private let control: String
  private let arguments: [String]

  init() throws {
    directory = try TemporaryDirectory()
    socket = directory.file("s.sock")
    control = directory.file("c.sock")
    arguments = [
      "--shared-dir=\(try directory.makeDirectory("share"))", "--socket-path=\(socket)", "--control-socket=\(control)",
      "--on-disconnect=relisten",
    ]
  }

  private func start(_ more: String...) throws -> DaemonProcess {
    let process = try DaemonProcess(arguments + more, in: directory)
    try process.waitUntilServing()
    return process
  }

  private func ask(_ line: String) throws -> String {
    let client = try UnixSocket.connect(to: control)
    try client.send(Array((line + "\n").utf8))
    return try rest(of: client)
  }

  /// Everything that comes until the connection ends.
  private func rest(of client: borrowing UnixSocket, seconds: Int64 = 60) throws -> String {
    var bytes: [UInt8] = []
    while true {
      try #require(!Poll.wait(client.file, nil, timeoutNanoseconds: seconds * 1_000_000_000).first.isEmpty)
      var none = ReceivedDescriptors()
      guard let piece = try client.receiveOnce(atMost: 4096, descriptors: &none) else { break }
      bytes += piece
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func json(_ line: String) throws -> Any {
    try JSONSerialization.jsonObject(with: Data(try ask(line).utf8), options: .fragmentsAllowed)
  }

  @Test(arguments: ["namespace", "chroot", "none"])
  func answersInEverySandboxAndIsRemovedAtTheEnd(_ sandbox: String) throws {
    if sandbox == "chroot", !DaemonProcess.isRoot { return }
    let process = try start("--sandbox=\(sandbox)")
    #expect(try Path(control).status().mode & 0o777 == 0o600)
    #expect(try ask("help").contains("counters [ENDPOINT]"))
    let status = try ask("status")
    #expect(status.hasPrefix("martlet-fs "))
    #expect(status.contains("process \(process.child.identifier),"))
    #expect(status.contains("frontend none"))
    #expect(try process.end().status == .code(0))
    #expect(!directory.exists("c.sock") && !directory.exists("s.sock"))
  }

  @Test func tellsWhoIsAttachedAndWhatWasCounted() throws {
    let process = try start("--tag=data", "--sandbox=none")
    let frontend = try UnixSocket.connect(to: socket)
    #expect(try Probe.features(frontend) != 0)
    let attached = "attached (process \(CurrentProcess.identifier))"
    try process.waitUntil("attached") { try ask("list").contains(attached) }
    let list = try #require(try json("list json") as? [[String: Any]])
    #expect(list.count == 1)
    #expect(list[0]["name"] as? String == "data")
    #expect(list[0]["socket"] as? String == socket)
    #expect(list[0]["connected"] as? Bool == true)
    #expect(list[0]["frontend_process"] as? Int == Int(CurrentProcess.identifier))
    #expect(try ask("counters").hasPrefix("data: sessions 1, messages 1 (refused 0), requests 0"))
    let counters = try #require(try json("counters data json") as? [[String: Any]])
    #expect(counters[0]["sessions"] as? Int == 1)
    #expect((counters[0]["operations"] as? [Any])?.isEmpty == true)
    #expect(try ask("latency") == "data:\nno operation yet\n")
    frontend.shutDown()
    try process.waitUntil("left") { try ask("list").contains("none") }
    #expect(!process.log.contains("process 0"))
    try process.end()
  }

  /// The frontend's process id means nothing in another pid namespace, so it is not told.
  @Test func aFrontendOutsideOfTheNamespaceHasNoNumber() throws {
    let process = try start()
    let frontend = try UnixSocket.connect(to: socket)
    #expect(try Probe.features(frontend) != 0)
    try process.waitUntil("attached") { process.log.contains("frontend attached") }
    let list = try #require(try json("list json") as? [[String: Any]])
    #expect(list[0]["connected"] as? Bool == true)
    #expect(list[0]["frontend_process"] is NSNull)
    #expect(!process.log.contains("process 0"))
    try process.end()
  }

  @Test func severalEndpointsAreToldApart() throws {
    let share = try directory.makeDirectory("share")
    let process = try DaemonProcess(
      [
        "--share", "tag=one,source=\(share),socket=\(directory.file("1"))",
        "--share", "tag=two,source=\(share),socket=\(directory.file("2"))", "--control-socket=\(control)",
      ], in: directory)
    try process.waitUntilServing()
    #expect(try Probe.features(at: directory.file("2")) != 0)
    #expect(try ask("counters").split(separator: "\n").count == 2)
    #expect(try ask("counters two").hasPrefix("two: sessions 1"))
    #expect(try ask("counters 0").hasPrefix("one: sessions 0"))
    #expect(try ask("counters three") == "error: there is no endpoint 'three'; ask for 'list'\n")
    try process.end()
  }

  @Test func theLogLevelChangesWhileItRuns() throws {
    let process = try start("--log-level=info", "--sandbox=none")
    #expect(try ask("log-level") == "info\n")
    #expect(try Probe.features(at: socket) != 0)
    try process.waitUntil("left") { process.log.contains("frontend left") }
    #expect(!process.log.contains("TRACE"))
    #expect(try ask("log-level trace") == "trace\n")
    #expect(try Probe.features(at: socket) != 0)
    try process.waitUntil("a line of level trace") { process.log.contains(" TRACE martlet-fs] getFeatures") }
    // Its last line, before nothing more may come.
    try process.waitUntil("left again") { process.log.components(separatedBy: "frontend left").count == 3 }
    #expect(try ask("log-level off") == "off\n")
    #expect(try ask("log-level loud").hasPrefix("error: there is no level 'loud'"))
    let log = process.log
    #expect(try Probe.features(at: socket) != 0)
    try process.waitUntil("left") { try ask("list").contains("none") }
    #expect(process.log == log)
    try process.end()
  }

  @Test func nonsenseIsAnsweredWithOneSentence() throws {
    let process = try start("--sandbox=none")
    #expect(try ask("explode") == "error: there is no verb 'explode'; ask for 'help'\n")
    #expect(try ask("") == "error: no verb; ask for 'help'\n")
    #expect(try ask("json") == "{\n  \"error\": \"no verb; ask for 'help'\"\n}\n")
    #expect(try ask("list \"open") == "error: a double quote is not closed\n")
    #expect(try ask(String(repeating: "x", count: 100_000)).contains("longer than 4096 bytes"))
    #expect(try ask("list\u{0}\u{1b}[2J").hasPrefix("error: "))
    let error = try #require(try json("explode json") as? [String: String])
    #expect(error["error"]?.contains("no verb 'explode'") == true)
    // Without a line break, but closed: that is a request too.
    let client = try UnixSocket.connect(to: control)
    try client.send(Array("log-level".utf8))
    _ = shutdown(client.file.raw, Int32(SHUT_WR))
    #expect(try rest(of: client) == "info\n")
    #expect(try process.end().status == .code(0))
  }

  @Test func clientsThatSayNothingKeepNobodyOut() throws {
    let process = try start("--sandbox=none")
    var silent: [SharedSilence] = []
    for _ in 0..<40 { silent.append(try SharedSilence(control)) }
    #expect(try ask("log-level") == "info\n")
    // One that never takes its answer, as far as the socket's buffer lets it, is no better.
    for one in silent { try? one.socket.send(Array("help\n".utf8)) }
    #expect(try ask("log-level") == "info\n")
    // And the frontend's side has not noticed any of it.
    #expect(try Probe.features(at: socket) != 0)
    try process.end()
  }

  /// Each costs the pause that a question costs: the last one is answered when the pauses are over.
  @Test func whoeverConnectsAndLeavesWithoutEndIsSlowedDown() throws {
    let process = try start("--sandbox=none")
    let start = Linux.Clock.monotonic
    for _ in 0..<200 { (try UnixSocket.connect(to: control, withinMilliseconds: 60_000)).shutDown() }
    #expect(try ask("log-level") == "info\n")
    // 2 ms each; a few may be under way still.
    #expect(Linux.Clock.monotonic - start >= 350_000_000)
    try process.end()
  }

  private final class SharedSilence {
    let socket: UnixSocket
    init(_ path: String) throws { socket = try UnixSocket.connect(to: path, withinMilliseconds: 60_000) }
  }

  @Test func aStaleOneIsReplacedAndAServedOneIsNot() throws {
    do { _ = try ListeningSocket(path: control, mode: 0o700) }
    // A process that another test is just starting holds a copy until it runs its program.
    let deadline = Linux.Clock.monotonic + 60_000_000_000
    while try Path(control).isServed(), Linux.Clock.monotonic < deadline { usleep(1000) }
    let process = try start("--sandbox=none")
    #expect(try ask("log-level") == "info\n")
    let other = try DaemonProcess(
      [
        "--shared-dir=\(directory.file("share"))", "--socket-path=\(directory.file("t.sock"))",
        "--control-socket=\(control)",
      ], in: directory)
    let outcome = try other.wait()
    #expect(outcome.status == .code(1) && outcome.errorLines.count == 1)
    #expect(outcome.standardError.contains("another program is serving the socket '\(control)'"))
    #expect(!directory.exists("t.sock"))
    #expect(try ask("log-level") == "info\n")
    try process.end()
  }

  @Test func latencyCanBeLeftOut() throws {
    let process = try DaemonProcess(arguments + ["--dry-run", "--no-latency"], in: directory)
    let outcome = try process.wait()
    #expect(outcome.standardOutput.contains("latency: not measured\n"))
    #expect(outcome.standardOutput.contains("control socket: \(control)\n"))
  }
}
