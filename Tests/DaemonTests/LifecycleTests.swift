// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linux
import Support
import Testing

/// Start, readiness, signals, end: what a supervisor sees.
@Suite struct LifecycleTests {
  private let directory: TemporaryDirectory
  private let socket: String
  private let arguments: [String]

  init() throws {
    directory = try TemporaryDirectory()
    socket = directory.file("s.sock")
    arguments = ["--shared-dir=\(try directory.makeDirectory("share"))", "--socket-path=\(socket)"]
  }

  private func start(_ more: String..., environment: [String: String] = [:]) throws -> DaemonProcess {
    let process = try DaemonProcess(arguments + more, in: directory, environment: environment)
    try process.waitUntilServing()
    return process
  }

  @Test(arguments: ["namespace", "none"], [Linux.Signal.terminate, .interrupt, .hangUp])
  func signalsEndItInOrder(_ sandbox: String, _ signal: Linux.Signal) throws {
    let process = try start("--sandbox=\(sandbox)")
    let frontend = try UnixSocket.connect(to: socket)
    #expect(try Probe.features(frontend) != 0)
    // The frontend stays: nobody waits for it.
    let outcome = try process.end(signal)
    #expect(outcome.status == .code(0))
    #expect(outcome.standardError.contains("\(signal.name) received"))
    #expect(!directory.exists("s.sock"))
  }

  @Test func aLogLineHasTimeLevelAndName() throws {
    let process = try start()
    let line = try #require(process.log.split(separator: "\n").first { $0.contains("serving") })
    #expect(
      line.wholeMatch(of: /\[\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ INFO martlet-fs\] serving share/) != nil
        || line.contains("serving /"))
    try process.end()
  }

  @Test func offLogsNothing() throws {
    let process = try DaemonProcess(arguments + ["--log-level=off"], in: directory)
    try process.waitUntil("socket") { (try? Probe.features(at: socket)) != nil }
    #expect(try process.wait().standardError.isEmpty)
  }

  @Test func countersGoToTheLog() throws {
    let process = try start("--on-disconnect=relisten")
    #expect(try Probe.features(at: socket) != 0)
    try process.waitUntil("left") { process.log.contains("frontend left") }
    try Signal.user1.send(to: process.child.identifier)
    try process.waitUntil("counters") { process.log.contains("sessions 1, messages 1 (refused 0)") }
    try process.end()
  }

  @Test func withOneDirectoryItEndsWhenTheFrontendLeaves() throws {
    let process = try start()
    #expect(try Probe.features(at: socket) != 0)
    #expect(try process.wait().status == .code(0))
    #expect(!directory.exists("s.sock"))
  }

  @Test func relistenServesTheNextFrontend() throws {
    let process = try start("--on-disconnect=relisten")
    for _ in 0..<3 { #expect(try Probe.features(at: socket) != 0) }
    try process.end()
  }

  @Test func lookingWhetherSomebodyAnswersIsNoSession() throws {
    let process = try start()
    for _ in 0..<3 { _ = try UnixSocket.connect(to: socket) }
    #expect(try Probe.features(at: socket) != 0)
    #expect(try process.wait().status == .code(0))
  }

  @Test func theWaitingProcessTellsHowTheServingOneDied() throws {
    let process = try start()
    try Signal.kill.send(to: process.server())
    let outcome = try process.wait()
    #expect(outcome.status == .code(137))
    #expect(outcome.standardError.contains("ended by signal 9"))
    #expect(!directory.exists("s.sock"))
  }

  @Test func theServingProcessDoesNotOutliveTheWaitingOne() throws {
    let process = try start()
    let server = try process.server()
    try Signal.kill.send(to: process.child.identifier)
    _ = try process.wait()
    // Who adopts it may be one that never waits for anybody, as in many containers: then it stays as a zombie.
    try process.waitUntil("the serving process ends") {
      let state = try? DaemonProcess.status(server, "State")
      return state == nil || state?.first == "Z" || state?.first == "X"
    }
  }

  @Test(arguments: ["namespace", "none"], [false, true])
  func tellsTheServiceManagerWhenItServes(_ sandbox: String, _ abstract: Bool) throws {
    let name = abstract ? "@martlet-test-\(UInt32.random(in: .min ... .max))" : directory.file("notify")
    let manager = try DatagramSocket(boundTo: name)
    let process = try DaemonProcess(
      arguments + ["--sandbox=\(sandbox)"], in: directory, environment: ["NOTIFY_SOCKET": name])
    let ready = Poll.wait(manager.file, nil, timeoutNanoseconds: 60_000_000_000)
    try #require(!ready.first.isEmpty)
    let message = try manager.receive()
    #expect(message.hasPrefix("READY=1\n"))
    #expect(message.contains("STATUS=serving"))
    // Ready means ready.
    let frontend = try UnixSocket.connect(to: socket)
    #expect(try Probe.features(frontend) != 0)
    try process.end()
    #expect(try manager.receive() == "STOPPING=1")
  }

  /// microvm.nix runs its daemons under supervisord, which tells systemd itself; the variable is inherited.
  @Test func leavesItToSupervisord() throws {
    let manager = try DatagramSocket(boundTo: directory.file("notify"))
    let process = try start(environment: ["NOTIFY_SOCKET": directory.file("notify"), "SUPERVISOR_ENABLED": "1"])
    #expect(Poll.wait(manager.file, nil, timeoutNanoseconds: 50_000_000).first.isEmpty)
    try process.end()
  }

  /// From the start of the process to the answer to a frontend's first message. The goal is 50 ms for a release build
  /// on a quiet machine, which is printed; held against a bound is what does not depend on who else is running, the
  /// processor time that it took.
  @Test(arguments: ["namespace", "none"])
  func servesSoonAfterItsStart(_ sandbox: String) throws {
    var times: [Int64] = []
    var work: [Int] = []
    for _ in 0..<5 {
      let process = try DaemonProcess(
        arguments + ["--sandbox=\(sandbox)", "--on-disconnect=relisten"], in: directory)
      try process.waitUntil("an answer") { (try? Probe.features(at: socket)) != nil }
      times.append(Linux.Clock.monotonic - process.startedNanoseconds)
      let processes = [process.child.identifier] + (try process.children())
      work.append(try processes.reduce(0) { try $0 + DaemonProcess.processorMilliseconds($1) })
      try process.end()
    }
    let (sorted, least) = (times.sorted(), work.min() ?? 0)
    print(
      "start to first answer, sandbox \(sandbox): median \(sorted[2] / 1000) us, best \(sorted[0] / 1000) us,"
        + " \(least) ms of processor time")
    #expect(least < 500)
  }

  @Test(.enabled(if: DaemonProcess.isRoot))
  func theLimitOfDescriptorsIsWhatWasAskedFor() throws {
    let process = try start("--rlimit-nofile=5000")
    let limits = try Path("/proc/\(process.server())/limits").contents()
    let line = try #require(limits.split(separator: "\n").first { $0.hasPrefix("Max open files") })
    #expect(line.split(separator: " ").filter { $0 == "5000" }.count == 2)
    try process.end()
  }
}
