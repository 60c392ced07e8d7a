// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Displays
import Foundation
import Frontend
import GPUProtocol
import Graphics
import Linux
import Support
import Testing

/// Windows on a compositor that others have written (sway, without a screen of its own), which is asked what it shows
/// (grim) and told what a person would do (swaymsg).
@Suite(.timeLimit(.minutes(30)))
struct DesktopTests {
  @Test(.enabled(if: Desktop.isThere, "needs sway and grim (Debian's packages of these names)"))
  func theGuestsPictureIsOnTheDesktop() async throws {
    let place = try Workplace()
    let desktop = try Desktop(in: place)
    try await desktop.start()
    let bench = try WindowBench(compositor: desktop.socket)
    // Text-like parts, noise, and one colour.
    let picture = Picture(width: 240, height: 150) { x, y in
      y < 50
        ? (x / 3 + y) % 7 == 0 ? 0xff_ffff : 0x10_2030
        : y < 100 ? UInt32(truncatingIfNeeded: (x &* 0x9e37 &+ y &* 0x85eb) &* 0xc2b2) & 0xff_ffff : 0x80_4020
    }
    let buffers = try bench.bench.showBlob(picture, id: 1)
    let window = try await desktop.window("a window") { $0.size == (240, 150) }
    #expect(window.title == "a guest")
    #expect(window.application == "martlet-gpu")
    expectSame(try await desktop.picture(of: window) { $0 == picture }, picture)

    // What the guest changes.
    var changed = picture
    for y in 20..<40 { for x in 30..<60 { changed[x, y] = 0x00_ff7f } }
    buffers[0].segment.copy(changed.bytes)
    #expect(try bench.bench.client.flush(1, rectangle(30, 20, 30, 20)) == .okNoData)
    expectSame(try await desktop.picture(of: window) { $0 == changed }, changed)

    // What a person does: another size, which the guest is told and follows.
    try await desktop.tell("[app_id=martlet-gpu] resize set 320 200")
    try await waitUntil("told") { bench.device.scanouts.first.map { ($0.width, $0.height) == (320, 200) } == true }
    let larger = Picture.noise(width: 320, height: 200, seed: 5)
    _ = try bench.bench.showBlob(larger, id: 2)
    let resized = try await desktop.window("resized") { $0.size == (320, 200) }
    expectSame(try await desktop.picture(of: resized) { $0 == larger }, larger)

    // Fullscreen: the compositor's size, with the picture in the middle of it until the guest follows.
    try await desktop.tell("[app_id=martlet-gpu] fullscreen enable")
    try await waitUntil("told") { bench.device.scanouts.first.map { ($0.width, $0.height) == (800, 600) } == true }
    let full = try await desktop.window("full") { $0.size == (800, 600) }
    let framed = Picture(width: 800, height: 600) { x, y in
      (240..<560).contains(x) && (200..<400).contains(y) ? larger[x - 240, y - 200] : 0
    }
    expectSame(try await desktop.picture(of: full) { $0 == framed }, framed)
    try await desktop.tell("[app_id=martlet-gpu] fullscreen disable")
    _ = try await desktop.window("as before") { $0.size == (320, 200) }

    // Closed: the guest goes on, and has a window again when its screen was off.
    try await desktop.tell("[app_id=martlet-gpu] kill")
    try await desktop.noWindow()
    #expect(try bench.bench.client.flush(2, rectangle(0, 0, 320, 200)) == .okNoData)
    #expect(try bench.bench.client.setScanout(0, 0, rectangle(0, 0, 0, 0)) == .okNoData)
    _ = try bench.bench.showBlob(picture, id: 3)
    let again = try await desktop.window("open again") { $0.size == (240, 150) }
    expectSame(try await desktop.picture(of: again) { $0 == picture }, picture)

    // Killed, and started anew.
    try await desktop.kill()
    #expect(try bench.bench.client.flush(3, rectangle(0, 0, 240, 150)) == .okNoData)
    try await desktop.start()
    let back = try await desktop.window("back") { $0.size == (240, 150) }
    expectSame(try await desktop.picture(of: back) { $0 == picture }, picture)
    #expect(bench.reports.all.contains { $0.contains("is gone") }, "\(bench.reports.all)")
  }

  private static let sandboxes = geteuid() == 0 ? ["namespace", "chroot", "none"] : ["namespace", "none"]

  /// The program, behind its walls and with a filter that kills, for a guest that draws, and a desktop that is killed.
  @Test(.enabled(if: Desktop.isThere, "needs sway and grim (Debian's packages of these names)"), arguments: sandboxes)
  func theProgramsWindowIsOnTheDesktop(sandbox: String) async throws {
    let place = try Workplace()
    let desktop = try Desktop(in: place)
    let socket = place.file("gpu.sock")
    let program = try RunningProgram(
      [
        BuildFolder.program("martlet-gpu"), "--socket-path", socket, "--wayland-sock", desktop.socket, "--sandbox",
        sandbox, "--seccomp", "kill", "--input-socket", place.file("keys.sock"),
      ], in: place)
    try await program.waitUntil("serving") { program.log.contains("] serving ") }
    let client = try Bench.attach(socket, try GuestRAM(byteCount: 16 << 20), nil)
    let picture = Picture.noise(width: 200, height: 120)
    let buffer = try client.driver.ram.allocate(picture.bytes.count)
    buffer.segment.copy(picture.bytes)
    #expect(try client.createBlob(1, byteCount: UInt64(picture.bytes.count), [buffer]) == .okNoData)
    #expect(try client.setScanoutBlob(0, 1, width: 200, height: 120, stride: 800) == .okNoData)
    #expect(try client.flush(1, rectangle(0, 0, 200, 120)) == .okNoData)
    for _ in 0..<2 {
      try await desktop.start()
      let window = try await desktop.window("a window") { $0.size == (200, 120) }
      #expect(window.title == "gpu - Martlet")
      expectSame(try await desktop.picture(of: window) { $0 == picture }, picture)
      try await desktop.kill()
    }
    #expect(try client.flush(1, rectangle(0, 0, 200, 120)) == .okNoData)
    client.driver.connection.close()
    let outcome = try await program.wait()
    #expect(outcome.code == 0, "\(outcome.errors)")
  }
}

/// A desktop of sway's on a screen that is memory.
private final class Desktop {
  static let isThere = ["sway", "swaymsg", "grim"].allSatisfy {
    FileManager.default.isExecutableFile(atPath: "/usr/bin/\($0)")
  }

  struct Window {
    let title: String
    let application: String
    let frame: (x: Int, y: Int, width: Int, height: Int)
    var size: (Int, Int) { (frame.width, frame.height) }
  }

  /// Where clients connect: the first name that a compositor takes in a new directory.
  var socket: String { "\(runtime)/wayland-1" }

  private let place: Workplace
  private let runtime: String
  private let control: String
  private let environment: [String]
  /// sway does not run as root.
  private let wrapper: [String]
  private var program: RunningProgram?
  private static let somebody: UInt32 = 65534

  init(in place: Workplace) throws {
    self.place = place
    runtime = try place.makeDirectory("run")
    control = "\(runtime)/control"
    environment = [
      "XDG_RUNTIME_DIR=\(runtime)", "WLR_BACKENDS=headless", "WLR_RENDERER=pixman", "WLR_LIBINPUT_NO_DEVICES=1",
      "HOME=\(runtime)", "PATH=/usr/bin:/bin", "SWAYSOCK=\(control)", "WAYLAND_DISPLAY=wayland-1",
    ]
    let isRoot = geteuid() == 0
    wrapper =
      isRoot
      ? ["setpriv", "--reuid", "\(Self.somebody)", "--regid", "\(Self.somebody)", "--clear-groups"] : []
    var attributes: [FileAttributeKey: Any] = [.posixPermissions: 0o700]
    if isRoot { attributes[.ownerAccountID] = Self.somebody }
    try FileManager.default.setAttributes(attributes, ofItemAtPath: runtime)
    let configuration = try place.write(
      "config",
      """
      output HEADLESS-1 mode 800x600 position 0 0 bg #000000 solid_color
      xwayland disable
      default_floating_border none
      default_border none
      for_window [app_id=".*"] floating enable
      seat * hide_cursor 100

      """)
    try FileManager.default.setAttributes([.posixPermissions: 0o644], ofItemAtPath: configuration)
  }

  func start() async throws {
    // A compositor that was killed leaves its socket files; it takes the same name with its lock gone.
    for name in ["wayland-1", "wayland-1.lock", "control"] {
      try? FileManager.default.removeItem(atPath: "\(runtime)/\(name)")
    }
    // Without WAYLAND_DISPLAY, which would make it a client.
    let own = environment.filter { !$0.hasPrefix("WAYLAND_DISPLAY=") }
    let program = try RunningProgram(
      ["sway", "-c", place.file("config")], in: place, wrapper: wrapper, environment: own)
    self.program = program
    try await program.waitUntil("listening") {
      FileManager.default.fileExists(atPath: socket) && FileManager.default.fileExists(atPath: control)
    }
  }

  func kill() async throws {
    program?.send(SIGKILL)
    _ = try await program?.wait()
    program = nil
  }

  private func run(_ arguments: [String]) async throws -> String {
    let run = try RunningProgram(arguments, in: place, wrapper: wrapper, environment: environment)
    let outcome = try await run.wait()
    guard outcome.code == 0 else { throw Trouble("\(arguments): \(outcome.errors) \(outcome.output)") }
    return outcome.output
  }

  func tell(_ command: String) async throws {
    _ = try await run(["swaymsg", command])
  }

  private func windows() async throws -> [Window] {
    let text = try await run(["swaymsg", "-r", "-t", "get_tree"])
    guard let tree = try JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] else { return [] }
    var found: [Window] = []
    func look(_ node: [String: Any]) {
      if let application = node["app_id"] as? String, let frame = node["rect"] as? [String: Int] {
        found.append(
          Window(
            title: node["name"] as? String ?? "", application: application,
            frame: (frame["x"] ?? 0, frame["y"] ?? 0, frame["width"] ?? 0, frame["height"] ?? 0)))
      }
      for key in ["nodes", "floating_nodes"] {
        for child in node[key] as? [[String: Any]] ?? [] { look(child) }
      }
    }
    look(tree)
    return found
  }

  func window(_ what: String, _ isRight: (Window) -> Bool) async throws -> Window {
    let deadline = ContinuousClock.now + .seconds(RunningProgram.patienceSeconds)
    while true {
      let windows = try await windows()
      if let window = windows.first(where: isRight) { return window }
      guard ContinuousClock.now < deadline else { throw Trouble("not \(what): \(windows)") }
      try await Task.sleep(for: .milliseconds(50))
    }
  }

  func noWindow() async throws {
    let deadline = ContinuousClock.now + .seconds(RunningProgram.patienceSeconds)
    while try await !windows().isEmpty {
      guard ContinuousClock.now < deadline else { throw Trouble("the window does not go") }
      try await Task.sleep(for: .milliseconds(50))
    }
  }

  /// The pixels of a window as a screenshot has them: the right ones, or the last ones when patience ends.
  func picture(of window: Window, _ isRight: (Picture) -> Bool) async throws -> Picture {
    let deadline = ContinuousClock.now + .seconds(RunningProgram.patienceSeconds)
    let file = "\(runtime)/screen.ppm"
    let frame = window.frame
    while true {
      _ = try await run(["grim", "-t", "ppm", "-g", "\(frame.x),\(frame.y) \(frame.width)x\(frame.height)", file])
      let picture = try PPM.picture([UInt8](try Data(contentsOf: URL(filePath: file))))
      if isRight(picture) || ContinuousClock.now >= deadline { return picture }
      try await Task.sleep(for: .milliseconds(50))
    }
  }
}

/// Reads what grim writes: P6, width, height, 255, and the pixels.
private enum PPM {
  static func picture(_ bytes: [UInt8]) throws -> Picture {
    var place = 0
    func word() -> String {
      while place < bytes.count, bytes[place] <= 0x20 { place += 1 }
      let start = place
      while place < bytes.count, bytes[place] > 0x20 { place += 1 }
      return String(decoding: bytes[start..<place], as: UTF8.self)
    }
    guard word() == "P6", let width = Int(word()), let height = Int(word()), word() == "255",
      bytes.count == place + 1 + width * height * 3
    else { throw Trouble("no PPM file") }
    let start = place + 1
    return Picture(width: width, height: height) { x, y in
      let pixel = start + (y * width + x) * 3
      return UInt32(bytes[pixel]) << 16 | UInt32(bytes[pixel + 1]) << 8 | UInt32(bytes[pixel + 2])
    }
  }
}

/// As `eventually`, without keeping a thread.
private func waitUntil(_ what: String, _ condition: () -> Bool) async throws {
  let deadline = ContinuousClock.now + .seconds(RunningProgram.patienceSeconds)
  while !condition() {
    guard ContinuousClock.now < deadline else { throw Trouble("not \(what)") }
    try await Task.sleep(for: .milliseconds(10))
  }
}
