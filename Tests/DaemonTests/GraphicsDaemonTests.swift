// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Frontend
import Linux
import Support
import Testing

/// martlet-gpu and martlet-input as a person meets them: their options about viewers and keyboards, what they say when
/// something is wrong, and the sockets that they make.
@Suite struct GraphicsDaemonTests {
  static let screens = BuildFolder.program("martlet-gpu")
  static let keyboard = BuildFolder.program("martlet-input")

  typealias Row = WrongLine

  static let base = "--socket-path /tmp/martlet-gpu-never-made.sock"

  static let wrong: [Row] = [
    Row("\(base) --vnc=5900", 2, "--vnc needs unix:PATH or ADDRESS:PORT with a port from 1 to 65535, not '5900'"),
    Row("\(base) --vnc=localhost:0", 2, "with a port from 1 to 65535"),
    Row("\(base) --vnc=localhost:70000", 2, "with a port from 1 to 65535"),
    Row("\(base) --vnc=unix:", 2, "needs a path behind it"),
    Row("\(base) --vnc=0.0.0.0:5900", 2, "can be reached from other machines"),
    Row("\(base) --vnc=[::]:5900", 2, "add --vnc-from-anywhere"),
    Row("\(base) --vnc=unix:/tmp/v,screen=1", 2, "cannot show screen 1; they are 0 to 0"),
    Row("\(base) --vnc=unix:/tmp/v,colour=red", 2, "only screen=N may follow"),
    Row("\(base) --vnc-password-file=/etc/hostname", 2, "needs a --vnc to protect"),
    Row("\(base) --vnc=unix:/tmp/v --vnc-password-file=/nowhere", 1, "cannot read the password in '/nowhere'"),
    Row("\(base) --vnc=unix:/tmp/v --vnc-password-file=/dev/null", 1, "has 0 bytes"),
    Row("\(base) --vnc=unix:/tmp/v --vnc=unix:/tmp/v", 2, "'/tmp/v' is given for two sockets"),
    Row("\(base) --vnc=nowhere:5900 --vnc-from-anywhere", 2, "is no numeric address"),
    Row("\(base) --vnc=192.0.2.77:5900 --vnc-from-anywhere", 1, "choose an address of this machine"),
  ]

  @Test(arguments: wrong) func whatIsWrongIsSaidInOneSentence(row: Row) throws {
    let process = try DaemonProcess(row.arguments, in: TemporaryDirectory(), binary: Self.screens)
    #expect(row.faults(of: "martlet-gpu", in: try process.child.waitBlocking()) == [])
  }

  @Test(arguments: [
    Row("--socket-path s", 2, "no device to hand on"),
    Row("--evdev-path /dev/null", 2, "no socket to listen on"),
    Row("--socket-path s --evdev-path /nowhere", 1, "there is no device '/nowhere'"),
    Row("--socket-path s --evdev-path /dev/null --sandbox none", 1, "'/dev/null' is no input device"),
  ])
  func aHostDeviceIsNeeded(row: Row) throws {
    let process = try DaemonProcess(row.arguments, in: TemporaryDirectory(), binary: Self.keyboard)
    #expect(row.faults(of: "martlet-input", in: try process.child.waitBlocking()) == [])
  }

  @Test func martletInputTellsWhatItCan() throws {
    let process = try DaemonProcess(["--print-capabilities"], in: TemporaryDirectory(), binary: Self.keyboard)
    let outcome = try process.wait()
    #expect(outcome.status == .code(0))
    let object = try JSONSerialization.jsonObject(with: Data(outcome.standardOutput.utf8)) as? [String: Any]
    #expect(object?["type"] as? String == "input")
    #expect(object?["features"] as? [String] == ["evdev-path", "no-grab"])
  }

  /// All in one process and inside the sandbox: a screen, a keyboard, viewers on a socket file and on TCP.
  @Test(arguments: ["namespace", "none"])
  func viewersAndTheKeyboardAreServed(sandbox: String) throws {
    let place = try TemporaryDirectory()
    let password = try place.write("password", "sesame\n")
    let (gpu, vnc, input) = (place.file("gpu.sock"), place.file("vnc.sock"), place.file("input.sock"))
    let process = try DaemonProcess(
      [
        "--socket-path", gpu, "--vnc", "unix:\(vnc)", "--vnc-password-file", password, "--input-socket", input,
        "--wayland", place.file("wayland"), "--control-socket", place.file("control.sock"), "--sandbox", sandbox,
      ], in: place, binary: Self.screens)
    try process.waitUntilServing()
    #expect(try Path(vnc).status().mode & 0o777 == 0o600)
    let viewer = try UnixSocket.connect(to: vnc)
    var none = ReceivedDescriptors()
    #expect(try viewer.receive(12, descriptors: &none) == Array("RFB 003.008\n".utf8))
    try viewer.send(Array("RFB 003.008\n".utf8))
    #expect(try viewer.receive(2, descriptors: &none) == [1, 2], "the password is asked for")
    try expectWalls(around: process)
    #expect(try Probe.features(at: input) & 1 << 32 != 0)
    // The screen's verbs need no endpoint's name beside a keyboard, which has none of its own.
    let control = try UnixSocket.connect(to: place.file("control.sock"))
    try control.send(Array("screens\n".utf8))
    #expect(try #require(try control.receive(6, descriptors: &none)) == Array("screen".utf8))
    let outcome = try process.end()
    #expect(outcome.status == .code(0))
    for path in [gpu, vnc, input] { #expect(!FileManager.default.fileExists(atPath: path)) }
  }

  /// The filter, and no capabilities to speak of, hold for each thread, those of viewers and windows too.
  private func expectWalls(around process: DaemonProcess) throws {
    func threads(_ process: Int32) throws -> [[Substring]] {
      try FileManager.default.contentsOfDirectory(atPath: "/proc/\(process)/task").compactMap { thread in
        // One may end meanwhile.
        (try? Path("/proc/\(process)/task/\(thread)/status").contents())?.split(separator: "\n")
      }
    }
    func names(_ threads: [[Substring]]) -> Set<String> {
      Set(threads.map { $0[0].split(separator: "\t").last.map(String.init) ?? "" })
    }
    // Beside the one that serves there are one that connects, and one that waits for its end.
    let all = try ([process.child.identifier] + process.children()).map { try threads($0) }
    let server = try #require(all.first { names($0).isSuperset(of: ["vnc", "wayland"]) }, "\(all.map { names($0) })")
    for lines in server {
      #expect(lines.contains("Seccomp:\t2") && lines.contains("NoNewPrivs:\t1"), "\(lines)")
      let capabilities = lines.filter { $0.hasPrefix("CapEff:") || $0.hasPrefix("CapBnd:") }
      #expect(capabilities == ["CapEff:\t0000000000000000", "CapBnd:\t0000000000000000"])
    }
  }

  /// The keyboard is a companion: when the screen's frontend has gone, nobody waits for one that never came.
  @Test func theDaemonEndsWithItsScreen() throws {
    let place = try TemporaryDirectory()
    let gpu = place.file("gpu.sock")
    let process = try DaemonProcess(
      ["--socket-path", gpu, "--input-socket", place.file("input.sock")], in: place, binary: Self.screens)
    try process.waitUntilServing()
    #expect(try Probe.features(at: gpu) & 1 << 32 != 0)
    #expect(try process.wait().status == .code(0))
  }
}
