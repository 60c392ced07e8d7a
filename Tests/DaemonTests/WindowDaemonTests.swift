// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Frontend
import Linux
import Support
import Testing

/// martlet-gpu with windows, as a process: it reaches a compositor from inside every sandbox, whenever that comes; and
/// the command line that programs have for crosvm's GPU device.
@Suite(.timeLimit(.minutes(30)))
struct WindowDaemonTests {
  static let screens = BuildFolder.program("martlet-gpu")

  // MARK: The compositor

  /// wl_display.get_registry and wl_display.sync: what every client says first.
  private static let greeting: [UInt8] = [1, 0, 0, 0, 1, 0, 12, 0, 2, 0, 0, 0, 1, 0, 0, 0, 0, 0, 12, 0, 3, 0, 0, 0]

  private func expectGreeting(
    _ process: DaemonProcess, at listener: borrowing ListeningSocket, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> UnixSocket {
    let file = listener.file
    try process.waitUntil("connected") { Poll.wait(for: [.input(file)], timeoutNanoseconds: 1_000_000)[0] }
    let socket = try listener.accept()
    var none = ReceivedDescriptors()
    #expect(
      try socket.receive(Self.greeting.count, descriptors: &none) == Self.greeting, sourceLocation: sourceLocation)
    return socket
  }

  /// Those that root alone may have are left out where it is somebody else who runs the tests.
  static let sandboxes = DaemonProcess.isRoot ? ["namespace", "chroot", "none"] : ["namespace", "none"]

  /// With a filter that kills: whatever else connecting needed would end the process.
  @Test(arguments: sandboxes) func aCompositorIsReachedWheneverItComes(sandbox: String) throws {
    let place = try TemporaryDirectory()
    let (gpu, wayland) = (place.file("gpu.sock"), place.file("wayland-7"))
    let process = try DaemonProcess(
      ["--socket-path", gpu, "--wayland", "wayland-7", "--sandbox", sandbox, "--seccomp", "kill"], in: place,
      environment: ["XDG_RUNTIME_DIR": place.path], binary: Self.screens)
    try process.waitUntilServing()
    try process.waitUntil("told that it is not there") { process.log.contains("cannot be reached (No such file") }
    for _ in 0..<2 {
      try? FileManager.default.removeItem(atPath: wayland)
      let listener = try ListeningSocket(path: wayland, mode: 0o700)
      let socket = try expectGreeting(process, at: listener)
      // The guest's side is served meanwhile.
      socket.shutDown()
    }
    try process.waitUntil("connectors") { try Self.processes(with: gpu).count >= 2 }
    let outcome = try process.end()
    #expect(outcome.status == .code(0))
    #expect(outcome.standardError.split(separator: "\n").count { $0.contains("cannot be reached") } <= 3)
    // The process that connects ends with the one that it connects for.
    try process.waitUntil("alone") { try Self.processes(with: gpu).isEmpty }
  }

  /// Also when nobody can say goodbye.
  @Test func theConnectorEndsWithAKilledDaemon() throws {
    let place = try TemporaryDirectory()
    let gpu = place.file("gpu.sock")
    let process = try DaemonProcess(
      ["--socket-path", gpu, "--wayland", place.file("w"), "--sandbox", "none"], in: place, binary: Self.screens)
    try process.waitUntilServing()
    let outcome = try process.end(.kill)
    #expect(outcome.status == .signal(9))
    try process.waitUntil("alone") { try Self.processes(with: gpu).isEmpty }
  }

  /// It holds nothing of the daemon's but its end of a socket, and may do next to nothing.
  @Test func theConnectorHasNothingElse() throws {
    let place = try TemporaryDirectory()
    let gpu = place.file("gpu.sock")
    let process = try DaemonProcess(
      ["--socket-path", gpu, "--wayland", place.file("w"), "--sandbox", "none"], in: place, binary: Self.screens)
    try process.waitUntilServing()
    let connector = try #require(try process.children().first)
    try process.waitUntil("walled in") { try DaemonProcess.status(connector, "Seccomp") == "2" }
    let files = try FileManager.default.contentsOfDirectory(atPath: "/proc/\(connector)/fd")
    #expect(files.compactMap { Int($0) }.filter { $0 > 2 }.count == 1, "\(files)")
    // CAP_DAC_OVERRIDE at most.
    #expect(["0000000000000002", "0000000000000000"].contains(try DaemonProcess.status(connector, "CapPrm")))
    try process.end()
  }

  private static func processes(with word: String) throws -> [Int32] {
    try FileManager.default.contentsOfDirectory(atPath: "/proc").compactMap { Int32($0) }.filter { process in
      guard let line = FileManager.default.contents(atPath: "/proc/\(process)/cmdline") else { return false }
      return line.split(separator: 0).contains { Array($0) == Array(word.utf8) }
    }
  }

  // MARK: Options

  typealias Row = WrongLine
  private static let base = GraphicsDaemonTests.base

  static let wrong: [Row] = [
    Row("\(base) --wayland=,", 2, "--wayland needs the path or name of a socket"),
    Row("\(base) --wayland=wayland-1", 2, "$XDG_RUNTIME_DIR is not set; give the socket's path"),
    Row("\(base) --wayland=/run/w,colour=red", 2, "only name=NAME may follow the path"),
    Row("\(base) --wayland=/run/w --wayland-sock=/run/x", 2, "may be given once, and not for '/run/x' too"),
    Row("\(base) --wayland=/\(String(repeating: "a", count: 200))", 2, "is longer than the kernel's 107 bytes"),
    Row("\(base) --params={", 2, "--params needs a JSON object"),
    Row("\(base) --params=[]", 2, "--params needs a JSON object"),
    Row("\(base) --params={\"displays\":1}", 2, "'displays' needs a list of objects"),
    Row("\(base) --params={\"displays\":[1]}", 2, "'displays' needs a list of objects"),
    Row("\(base) --params={\"displays\":[{\"hidden\":1}]}", 2, "'hidden' is true or false"),
    Row("\(base) --params={\"displays\":[{\"mode\":{\"windowed\":[1]}}]}", 2, "'windowed' needs a width and a height"),
    Row(
      "\(base) --params={\"displays\":[{\"mode\":{\"windowed\":[1,2]}}]}", 2, "needs numbers of pixels from 32 to 16384"
    ),
    Row("\(base) --params={\"displays\":[\(Array(repeating: "{}", count: 17).joined(separator: ","))]}", 2, "not 17"),
    Row("\(base) --params={\"width\":800}", 2, "'width' and 'height' belong together"),
  ]

  @Test(arguments: wrong) func whatIsWrongIsSaidInOneSentence(row: Row) throws {
    let process = try DaemonProcess(row.arguments, in: TemporaryDirectory(), binary: Self.screens)
    #expect(row.faults(of: "martlet-gpu", in: try process.child.waitBlocking()) == [])
  }

  // MARK: crosvm's command line

  private static let standIn = URL(filePath: #filePath).deletingLastPathComponent()
    .appending(path: "../../contrib/crosvm").standardizedFileURL.path(percentEncoded: false)

  private func crosvm(_ arguments: [String], in place: TemporaryDirectory) throws -> DaemonProcess {
    let folder = URL(filePath: Self.screens).deletingLastPathComponent().path(percentEncoded: false)
    return try DaemonProcess(
      arguments, in: place, environment: ["PATH": "\(folder):/usr/bin:/bin"], binary: Self.standIn)
  }

  /// The words that microvm.nix (lib/runners/cloud-hypervisor.nix) has, then its wait for the socket.
  @Test func theLineOfMicroVMsWorks() throws {
    let place = try TemporaryDirectory()
    let socket = place.file("vm-gpu.sock")
    let process = try crosvm(
      [
        "device", "gpu", "--socket", "vm-gpu.sock", "--wayland-sock", place.file("wayland-1"), "--params",
        #"{"context-types":"virgl:virgl2:cross-domain","displays":[{"hidden":true}],"egl":true,"vulkan":true}"#,
      ], in: place)
    try process.waitUntil("listening") { FileManager.default.fileExists(atPath: socket) }
    // Whoever connects then is served: hypervisors try again where nobody listens yet.
    try process.waitUntil("listening") { (try? UnixSocket.connect(to: socket).shutDown()) != nil }
    #expect(try Probe.features(at: socket) & 1 << 32 != 0)
    // crosvm's device serves one hypervisor too.
    let outcome = try process.wait()
    #expect(outcome.status == .code(0))
    // Hidden: no window, and nobody to be reached for one.
    #expect(!outcome.standardError.contains("compositor") && !outcome.standardError.contains("old name"))
    #expect(outcome.standardError.contains("the context types virgl:virgl2:cross-domain are not there yet"))
  }

  @Test func screensAreWhatTheParametersSay() throws {
    let place = try TemporaryDirectory()
    let process = try crosvm(
      [
        "device", "gpu", "--socket=s", "--wayland-sock=/run/w,name=", "--wayland-sock=/run/x,name=other", "--params",
        #"""
        {"backend":"2d","displays":[{"mode":{"windowed":[1920,1080]},"refresh-rate":60,"dpi":[96,96]},
        {"mode":{"windowed":[640,480]},"hidden":true,"horizontal-dpi":96,"vertical-dpi":96}, {}],
        "gles":true,"glx":false,"surfaceless":true,"wsi":"vk","udmabuf":true,"cache-path":"/c","cache-size":"1M",
        "pci-address":"00:01.0","pci-bar-size":8589934592,"external-blob":true,"system-blob":false,
        "fixed-blob-mapping":true,"implicit-render-server":true,"renderer-features":"a","snapshot-scratch-path":"/s",
        "max-num-displays":4,"audio-device-mode":"per-surface"}
        """#, "--dry-run",
      ], in: place)
    let outcome = try process.wait()
    #expect(outcome.status == .code(0), "\(outcome.standardError)")
    #expect(outcome.standardOutput.contains("screens: 1920x1080 640x480 1280x800,"))
    #expect(outcome.standardOutput.contains("connects to: /run/w\n"))
    #expect(outcome.standardOutput.contains("socket s\n"))
    let warnings = outcome.standardOutput.split(separator: "\n").filter { $0.hasPrefix("warning: ") }
    #expect(warnings.count == 1 && warnings[0].contains("/run/x,name=other is left out"), "\(warnings)")
  }

  @Test func whatIsNotKnownIsAWarning() throws {
    let place = try TemporaryDirectory()
    let process = try crosvm(
      [
        "device", "gpu", "--socket-path", place.file("s"), "--params",
        #"{"warp":9,"displays":[{"shape":"round","mode":"borderless_full_screen"}]}"#,
      ], in: place)
    try process.waitUntilServing()
    for name in ["warp", "shape", "borderless_full_screen"] {
      #expect(process.log.contains("--params: '\(name)' is not known and left out"), "\(process.log)")
    }
    try process.end()
  }

  @Test func theStandInKnowsNothingElse() throws {
    for arguments in [["run", "bzImage"], ["device", "block"], []] {
      let outcome = try crosvm(arguments, in: TemporaryDirectory()).wait()
      #expect(outcome.status == .code(2))
      #expect(outcome.errorLines.count == 1 && outcome.standardError.contains("'crosvm device gpu' alone"))
    }
    let outcome = try crosvm(["device", "gpu", "--socket", "s", "--params", "{'a'}"], in: TemporaryDirectory()).wait()
    #expect(outcome.status == .code(2))
    #expect(outcome.errorLines.count == 1 && outcome.standardError.contains("--params needs a JSON object"))
  }
}
