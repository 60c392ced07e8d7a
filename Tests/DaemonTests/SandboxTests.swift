// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linux
import Support
import Testing

/// The walls, looked at from outside: namespaces, root directory, capabilities, filter and descriptors of the process
/// that serves.
@Suite(.enabled(if: DaemonProcess.isRoot, "looks into other processes, which needs root"))
struct SandboxTests {
  private let directory: TemporaryDirectory
  private let share: String

  init() throws {
    directory = try TemporaryDirectory()
    share = try directory.makeDirectory("share")
    try directory.write("share/inside", "x")
    try directory.write("outside", "x")
  }

  private func start(_ more: [String] = [], files: [File] = [], wrapper: [String] = []) throws -> DaemonProcess {
    let process = try DaemonProcess(
      ["--shared-dir=\(share)", "--socket-path=\(directory.file("s.sock"))"] + more, in: directory, files: files,
      wrapper: wrapper)
    try process.waitUntilServing()
    return process
  }

  private func namespace(_ process: Int32, _ name: String) throws -> String {
    try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(process)/ns/\(name)")
  }

  private func entries(_ process: Int32, _ path: String = "") throws -> [String] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/root/\(path)").sorted()
  }

  /// CHOWN, DAC_OVERRIDE, FOWNER, FSETID, SETGID, SETUID, MKNOD, SETFCAP.
  private static let kept: UInt64 = 0x8800_00db
  private static let dacReadSearch: UInt64 = 4

  @Test func namespaceModeHoldsNothingButTheShare() throws {
    let process = try start()
    let server = try process.server()
    #expect(server != process.child.identifier)
    for name in ["mnt", "pid", "net"] {
      #expect(try namespace(server, name) != namespace(CurrentProcess.identifier, name), "\(name)")
    }
    #expect(try DaemonProcess.status(server, "NSpid").split(separator: "\t").last == "1")
    #expect(try entries(server) == ["0"])
    #expect(try entries(server, "0") == ["inside"])
    // Read-only, nosuid, nodev, noexec; the share itself as it was.
    let mounts = try Path("/proc/\(server)/mountinfo").contents().split(separator: "\n")
    #expect(mounts.count == 2)
    #expect(mounts.contains { $0.contains(" / / ro,nosuid,nodev,noexec") && $0.contains("tmpfs") })
    #expect(mounts.contains { $0.contains(" /0 rw") })
    // No network but an unused loopback.
    let interfaces = try Path("/proc/\(server)/net/dev").contents().split(separator: "\n").dropFirst(2)
    #expect(interfaces.allSatisfy { $0.contains("lo:") })
    try process.end()
  }

  @Test func severalSharesAndAFileAreSideBySide() throws {
    let other = try directory.makeDirectory("other")
    let file = try directory.write("image", "contents")
    let process = try DaemonProcess(
      [
        "--share=tag=a,source=\(share),socket=\(directory.file("a"))",
        "--share=tag=b,source=\(other),socket=\(directory.file("b")),readonly",
        "--share=tag=c,source=\(file),socket=\(directory.file("c"))",
      ], in: directory)
    try process.waitUntilServing()
    let server = try process.server()
    #expect(try entries(server) == ["0", "1", "2"])
    #expect(try entries(server, "0") == ["inside"])
    #expect(try Path("/proc/\(server)/root/2").contents() == "contents")
    for name in ["a", "b", "c"] { #expect(try Probe.features(at: directory.file(name)) != 0) }
    // The next frontend comes: a list of shares relistens.
    for name in ["a", "b", "c"] { #expect(try Probe.features(at: directory.file(name)) != 0) }
    #expect(try process.end().status == .code(0))
    for name in ["a", "b", "c"] { #expect(!directory.exists(name)) }
  }

  @Test func chrootModeHasTheShareAsItsRoot() throws {
    let process = try start(["--sandbox=chroot"])
    let server = try process.server()
    #expect(try entries(server) == ["inside"])
    try process.end()
  }

  @Test func chrootModeHoldsOneShare() throws {
    let outcome = try DaemonProcess.run([
      "--share=tag=a,source=/usr,socket=\(directory.file("a"))",
      "--share=tag=b,source=/usr,socket=\(directory.file("b"))",
      "--sandbox=chroot",
    ])
    #expect(outcome.status == .code(1))
    #expect(outcome.standardError.contains("can hold one share only"))
  }

  @Test func noSandboxIsOneProcess() throws {
    let process = try start(["--sandbox=none"])
    #expect(try process.children().isEmpty)
    #expect(try namespace(process.child.identifier, "mnt") == namespace(CurrentProcess.identifier, "mnt"))
    try process.end()
  }

  struct PrivilegeRow: Sendable, CustomTestStringConvertible {
    let options: [String]
    let capabilities: UInt64
    var seccomp = "2"
    var testDescription: String { options.joined(separator: " ") }
  }

  static let privileges: [PrivilegeRow] = [
    PrivilegeRow(options: [], capabilities: kept | dacReadSearch),
    PrivilegeRow(options: ["--sandbox=none"], capabilities: kept | dacReadSearch),
    PrivilegeRow(options: ["--sandbox=chroot"], capabilities: kept | dacReadSearch),
    PrivilegeRow(options: ["--inode-file-handles=never"], capabilities: kept),
    PrivilegeRow(options: ["--modcaps=-mknod:+sys_admin"], capabilities: (kept & ~(1 << 27)) | dacReadSearch | 1 << 21),
    PrivilegeRow(options: ["--seccomp=none"], capabilities: kept | dacReadSearch, seccomp: "0"),
    PrivilegeRow(options: ["--seccomp=log"], capabilities: kept | dacReadSearch),
    PrivilegeRow(options: ["--seccomp=trap"], capabilities: kept | dacReadSearch),
  ]

  @Test(arguments: privileges)
  func keepsTheseCapabilitiesAndNoWayToMore(_ row: PrivilegeRow) throws {
    let process = try start(row.options)
    let server = try process.server()
    #expect(try DaemonProcess.capabilities(server) == row.capabilities)
    #expect(try UInt64(DaemonProcess.status(server, "CapBnd"), radix: 16) == 0)
    #expect(try DaemonProcess.status(server, "NoNewPrivs") == "1")
    #expect(try DaemonProcess.status(server, "Seccomp") == row.seccomp)
    #expect(try DaemonProcess.status(server, "Groups").isEmpty)
    if server != process.child.identifier {
      // The one that waits removes the socket, in whoever's directory that is. It gives up the rest beside the one that
      // serves, not before it.
      try process.waitUntil("the waiting process has one capability") {
        try DaemonProcess.capabilities(process.child.identifier) == 2
      }
    }
    #expect(try process.end().status == .code(0))
  }

  @Test func theFilterHoldsForTheThreads() throws {
    let process = try start()
    let server = try process.server()
    var count = 0
    for thread in try FileManager.default.contentsOfDirectory(atPath: "/proc/\(server)/task") {
      // One may end meanwhile.
      guard let status = try? Path("/proc/\(server)/task/\(thread)/status").contents() else { continue }
      #expect(status.contains("Seccomp:\t2"))
      count += 1
    }
    #expect(count > 0)
    try process.end()
  }

  @Test func whatTheStarterLeftOpenIsClosed() throws {
    let secret = try Path("/").open(flags: OpenFlags.readOnly | OpenFlags.directory)
    let process = try start(files: [secret.file, secret.file])
    let server = try process.server()
    let open = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(server)/fd").map { number in
      (try? FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(server)/fd/\(number)")) ?? ""
    }
    // Its own new root is "/" too, but only as the proc clone's and the share's descriptors name it.
    let device = try Path("/").status()
    for number in try FileManager.default.contentsOfDirectory(atPath: "/proc/\(server)/fd") {
      guard let status = try? Path("/proc/\(server)/fd/\(number)").status() else { continue }
      let isHostRoot =
        status.inode == device.inode && status.deviceMinor == device.deviceMinor
        && status.deviceMajor == device.deviceMajor
      #expect(!isHostRoot, "\(open)")
    }
    try process.end()
  }

  /// As a user: a user namespace with the own id, all the rest as for root.
  @Test(arguments: [[], ["--uid-map=:0:65534:1:", "--gid-map=:0:65534:1:"]])
  func aUserGetsAUserNamespace(_ options: [String]) throws {
    let binary = try DaemonProcess.binaryForEverybody(in: directory)
    let home = try directory.makeDirectory("home")
    try FileManager.default.createDirectory(atPath: "\(home)/share", withIntermediateDirectories: false)
    for path in [home, "\(home)/share"] {
      try FileManager.default.setAttributes([.ownerAccountID: 65534, .groupOwnerAccountID: 65534], ofItemAtPath: path)
    }
    let process = try DaemonProcess(
      ["--shared-dir=\(home)/share", "--socket-path=\(home)/s.sock"] + options, in: directory,
      wrapper: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"], binary: binary)
    try process.waitUntilServing()
    let server = try process.server()
    #expect(try namespace(server, "user") != namespace(CurrentProcess.identifier, "user"))
    #expect(try namespace(server, "mnt") != namespace(process.child.identifier, "mnt"))
    #expect(try DaemonProcess.capabilities(server) == Self.kept | Self.dacReadSearch)
    #expect(try DaemonProcess.status(server, "Seccomp") == "2")
    let inside = options.isEmpty ? "65534" : "0"
    let map = try Path("/proc/\(server)/uid_map").contents().split(separator: " ")
    #expect(map.first.map(String.init) == inside)
    #expect(try Probe.features(at: "\(home)/s.sock") != 0)
    #expect(try process.wait().status == .code(0))
    #expect(!directory.exists("home/s.sock"))
  }

  @Test func rangesWithoutTheHelpersAreOneSentence() throws {
    guard (try? Path("/usr/bin/newuidmap").status()) == nil else { return }
    let binary = try DaemonProcess.binaryForEverybody(in: directory)
    let process = try DaemonProcess(
      ["--shared-dir=/usr", "--socket-path=/tmp/mt-user-\(CurrentProcess.identifier)", "--uid-map=:0:100000:10:"],
      in: directory, wrapper: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"], binary: binary)
    let outcome = try process.wait()
    #expect(outcome.status == .code(1))
    #expect(outcome.errorLines.count == 1)
    #expect(outcome.standardError.contains("install the package uidmap"))
  }

  /// As in a container: root, but without the right to make namespaces.
  @Test func withoutTheRightToMakeNamespacesItSaysWhatToDo() throws {
    let process = try DaemonProcess(
      ["--shared-dir=\(share)", "--socket-path=\(directory.file("s.sock"))"], in: directory,
      wrapper: ["setpriv", "--bounding-set=-sys_admin", "--inh-caps=-sys_admin"])
    let outcome = try process.wait()
    #expect(outcome.status == .code(1))
    #expect(outcome.errorLines.count == 1)
    #expect(outcome.standardError.contains("choose --sandbox=chroot or --sandbox=none"))
    #expect(!directory.exists("s.sock"))
  }

  @Test func aUserMayDoWithoutASandbox() throws {
    let binary = try DaemonProcess.binaryForEverybody(in: directory)
    let home = try directory.makeDirectory("home")
    try FileManager.default.setAttributes([.ownerAccountID: 65534, .groupOwnerAccountID: 65534], ofItemAtPath: home)
    let process = try DaemonProcess(
      ["--shared-dir=\(home)", "--socket-path=\(home)/s.sock", "--sandbox=none"], in: directory,
      wrapper: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"], binary: binary)
    try process.waitUntilServing()
    #expect(try DaemonProcess.capabilities(process.child.identifier) == 0)
    #expect(try DaemonProcess.status(process.child.identifier, "Seccomp") == "2")
    #expect(try Probe.features(at: "\(home)/s.sock") != 0)
    #expect(try process.wait().status == .code(0))
  }

  @Test func aShareThatMayNotBeReadIsOneSentence() throws {
    try FileManager.default.setAttributes([.posixPermissions: 0o700], ofItemAtPath: share)
    let binary = try DaemonProcess.binaryForEverybody(in: directory)
    let process = try DaemonProcess(
      ["--shared-dir=\(share)", "--socket-path=/tmp/mt-user-\(CurrentProcess.identifier)"],
      in: directory, wrapper: ["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"], binary: binary)
    let outcome = try process.wait()
    #expect(outcome.status == .code(1))
    #expect(outcome.errorLines.count == 1)
    #expect(outcome.standardError.contains("no permission to read"))
  }
}
