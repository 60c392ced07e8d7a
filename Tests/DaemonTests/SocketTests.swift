// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linux
import Support
import Testing

/// The socket file: who may have it, who may not, and that nothing of it is left behind.
@Suite struct SocketTests {
  private let directory: TemporaryDirectory
  private let share: String
  private let socket: String

  init() throws {
    directory = try TemporaryDirectory()
    share = try directory.makeDirectory("share")
    socket = directory.file("s.sock")
  }

  private func start(
    _ more: String..., environment: [String: String] = [:], files: [File] = [], wrapper: [String] = []
  ) throws -> DaemonProcess {
    let process = try DaemonProcess(
      ["--shared-dir=\(share)", "--socket-path=\(socket)", "--sandbox=none"] + more, in: directory,
      environment: environment, files: files, wrapper: wrapper)
    try process.waitUntilServing()
    return process
  }

  @Test(arguments: ["namespace", "chroot", "none"])
  func isRemovedAtTheEndWhateverTheSandbox(_ sandbox: String) throws {
    if sandbox == "chroot", !DaemonProcess.isRoot { return }
    let process = try start("--sandbox=\(sandbox)")
    #expect(directory.exists("s.sock"))
    #expect(try Probe.features(at: socket) != 0)
    let outcome = try process.end()
    #expect(outcome.status == .code(0))
    #expect(!directory.exists("s.sock"))
    #expect(!directory.exists("s.sock.pid"))
  }

  @Test func replacesAStaleOne() throws {
    let first = try start()
    try Signal.kill.send(to: first.child.identifier)
    #expect(try first.wait().status == .signal(9))
    #expect(directory.exists("s.sock"))
    let second = try start()
    #expect(try Probe.features(at: socket) != 0)
    #expect(try second.end().status == .code(0))
  }

  @Test func isRefusedWhileAnotherDaemonServesItAndThatOneNoticesNothing() throws {
    let first = try start()
    let frontend = try UnixSocket.connect(to: socket)
    #expect(try Probe.features(frontend) != 0)
    let second = try DaemonProcess(
      ["--shared-dir=\(share)", "--socket-path=\(socket)", "--sandbox=none"], in: directory)
    let outcome = try second.wait()
    #expect(outcome.status == .code(1))
    #expect(outcome.standardError.contains("another program is serving the socket"))
    #expect(outcome.errorLines.count == 1)
    #expect(try Probe.features(frontend) != 0)
    #expect(!first.log.contains("second frontend"))
    try first.end()
  }

  /// A path in the kernel's list says nothing here: the other one was bound relative to another directory.
  @Test func isRefusedHoweverTheOtherOneSpelledIt() throws {
    let other = try DaemonProcess(
      ["-c", "cd \(directory.path) && exec \(DaemonProcess.binary) --shared-dir=share --socket-path=s.sock"],
      in: directory, binary: "/bin/sh")
    try other.waitUntilServing()
    let second = try DaemonProcess(["--shared-dir=\(share)", "--socket-path=\(socket)"], in: directory)
    #expect(try second.wait().standardError.contains("another program is serving"))
    #expect(try other.end().status == .code(0))
    #expect(!directory.exists("s.sock"))
  }

  /// What the kernel lists of sockets is that of one network namespace; the file is everybody's.
  @Test(.enabled(if: DaemonProcess.isRoot))
  func isRefusedFromAnotherNetworkNamespaceToo() throws {
    let first = try start()
    let second = try DaemonProcess(
      ["--shared-dir=\(share)", "--socket-path=\(socket)"], in: directory, wrapper: ["unshare", "--net"])
    #expect(try second.wait().standardError.contains("another program is serving"))
    #expect(try first.end().status == .code(0))
  }

  @Test func oneThatAnotherDaemonHasReplacedIsNotRemoved() throws {
    let process = try start()
    try Path(socket).remove()
    let other = try ListeningSocket(path: socket, mode: 0o700)
    try process.end()
    #expect(directory.exists("s.sock"))
    #expect(other.file.raw >= 0)
  }

  @Test func whatIsNoSocketIsNotTouched() throws {
    try directory.write("s.sock", "precious")
    let process = try DaemonProcess(["--shared-dir=\(share)", "--socket-path=\(socket)"], in: directory)
    #expect(try process.wait().status == .code(1))
    #expect(try String(contentsOfFile: socket, encoding: .utf8) == "precious")
  }

  @Test func twoThatStartAtOnceDoNotStealFromEachOther() throws {
    // Something stale for both to find.
    do { _ = try ListeningSocket(path: socket, mode: 0o700) }
    // A process that another test is just starting holds a copy until it runs its program.
    let deadline = Linux.Clock.monotonic + 60_000_000_000
    while try Path(socket).isServed(), Linux.Clock.monotonic < deadline { usleep(1000) }
    let arguments = ["--shared-dir=\(share)", "--socket-path=\(socket)", "--sandbox=none"]
    let rivals = try (0..<4).map { _ in try DaemonProcess(arguments, in: directory) }
    let logs = { rivals.map { $0.log } }
    try rivals[0].waitUntil("one serves, three gave up: \(logs())") {
      rivals.filter { $0.log.contains("] serving ") }.count == 1
        && rivals.filter { $0.log.contains("another program is serving") }.count == 3
    }
    #expect(try Probe.features(at: socket) != 0)
    for rival in rivals { try rival.end() }
  }

  @Test func isForTheOwnerAlone() throws {
    let process = try start()
    #expect(try Path(socket).status().mode & 0o777 == 0o700)
    try process.end()
  }

  @Test(.enabled(if: DaemonProcess.isRoot))
  func isForTheGroupThatWasAskedFor() throws {
    let process = try start("--socket-group=daemon")
    let status = try Path(socket).status()
    #expect(status.mode & 0o777 == 0o770)
    #expect(status.gid == (try Groups.identifier(of: "daemon")))
    try process.end()
  }

  @Test func aListeningDescriptorIsServed() throws {
    let listener = try ListeningSocket(path: socket, mode: 0o700)
    let process = try DaemonProcess(
      ["--shared-dir=\(share)", "--fd=3", "--sandbox=none"], in: directory, files: [listener.file])
    #expect(try Probe.features(at: socket) != 0)
    #expect(try process.wait().status == .code(0), "the frontend left, which ends it by default")
    #expect(directory.exists("s.sock"), "who made it removes it")
  }

  @Test func aConnectedDescriptorIsServed() throws {
    let pair = try UnixSocket.pair()
    let process = try DaemonProcess(
      ["--shared-dir=\(share)", "--fd=3", "--on-disconnect=relisten"], in: directory, files: [pair.second.file])
    #expect(try Probe.features(pair.first) != 0)
    pair.first.shutDown()
    #expect(try process.wait().status == .code(0), "nobody else can come")
  }

  @Test func theServiceManagersDescriptorIsServed() throws {
    let listener = try ListeningSocket(path: socket, mode: 0o700)
    let process = try DaemonProcess(
      ["-c", "LISTEN_PID=$$ LISTEN_FDS=1 exec \(DaemonProcess.binary) --shared-dir=\(share) --sandbox=none"],
      in: directory, files: [listener.file], binary: "/bin/sh")
    #expect(try Probe.features(at: socket) != 0)
    #expect(try process.wait().status == .code(0))
  }

  @Test func theServiceManagersDescriptorsAreFoundByName() throws {
    let first = try ListeningSocket(path: directory.file("1"), mode: 0o700)
    let second = try ListeningSocket(path: directory.file("2"), mode: 0o700)
    let daemon = "\(DaemonProcess.binary) --share tag=beta,source=\(share) --share tag=alpha,source=\(share)"
    let process = try DaemonProcess(
      ["-c", "LISTEN_PID=$$ LISTEN_FDS=2 LISTEN_FDNAMES=alpha:beta exec \(daemon) --log-level=debug"],
      in: directory, files: [first.file, second.file], binary: "/bin/sh")
    try process.waitUntilServing()
    #expect(try Probe.features(at: directory.file("2")) != 0)
    try process.waitUntil("beta has a frontend") { process.log.contains("beta: frontend attached") }
    #expect(!process.log.contains("alpha: frontend"))
    try process.end()
  }
}
