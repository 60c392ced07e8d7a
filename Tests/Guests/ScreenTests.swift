// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Debian's kernel draws on the screens of martlet-gpu, in both dialects, and beside them on QEMU's own virtio-gpu,
// whose pictures are the measure.

import Foundation
import Support
import Testing

enum ScreenRig {
  static let unavailable: Comment =
    "needs MARTLET_BIN_DIR, MARTLET_GUEST_DIR with screens.tar and qemu-for-screens (contrib/test sets and makes them)"

  /// A QEMU that has the devices: `prepare` puts a link to it here.
  static var qemu: String? {
    guard let guests = GuestRig.guests, GuestRig.programs != nil, GuestRig.hasGuest(.qemu) else { return nil }
    let path = "\(guests)/qemu-for-screens"
    let files = ["\(guests)/screens.tar", path]
    return files.allSatisfy { FileManager.default.fileExists(atPath: $0) } ? path : nil
  }

  /// Where kmscube and weston are.
  static var desktop: String? {
    guard let path = GuestRig.guests.map({ "\($0)/desktop.img" }) else { return nil }
    return FileManager.default.fileExists(atPath: path) ? path : nil
  }

  /// What `modetest -F smpte` draws at 1024x768, as libdrm 2.4.114 and every device since have shown it.
  static let smpte = "2617dc400108c471eecb823641067d8ec6e992e6b7d99d9d590785861c8ed7b6"
}

/// A pipe with a name in both directions, as QEMU's character devices take it. Opened both ways, so that neither side
/// waits for the other or sees its end.
final class NamedPipes {
  private let reading: FileHandle
  private let writing: FileHandle
  private var received = Data()

  /// - Parameter makes: the fifos are not there yet.
  init(_ path: String, makes: Bool) throws {
    for name in ["\(path).in", "\(path).out"] where makes {
      guard unsafe mkfifo(name, 0o600) == 0 else { throw Trouble("cannot make \(name): \(errno)") }
    }
    writing = try FileHandle(forUpdating: URL(filePath: "\(path).in"))
    reading = try FileHandle(forUpdating: URL(filePath: "\(path).out"))
    _ = fcntl(reading.fileDescriptor, F_SETFL, O_NONBLOCK | O_RDWR)
  }

  func send(_ text: String) throws { try writing.write(contentsOf: Data(text.utf8)) }

  /// The next line; nil if there is none yet.
  func line() -> String? {
    var buffer = [UInt8](repeating: 0, count: 4096)
    while true {
      let count = unsafe read(reading.fileDescriptor, &buffer, buffer.count)
      if count <= 0 { break }
      received.append(contentsOf: buffer.prefix(count))
    }
    guard let end = received.firstIndex(of: UInt8(ascii: "\n")) else { return nil }
    let line = String(decoding: received[received.startIndex..<end], as: UTF8.self)
    received = Data(received[(end + 1)...])
    return line.trimmingCharacters(in: .whitespacesAndNewlines)
  }
}

/// The guest, the two daemons behind it, and the host's eyes.
final class ScreenGuest {
  let place: Support.Workplace
  let daemons: [String: RunningProgram]
  let runner: RunningProgram
  private let talk: NamedPipes
  private let monitor: NamedPipes
  private var boots = 0
  /// Pictures of QEMU's own device, by name and head.
  private var measures: [String: Data] = [:]
  private(set) var looks = 0
  private(set) var viewer: TypingViewer?

  static let dialects = ["qemu", "plain"]

  init(in place: Support.Workplace, qemu: String) async throws {
    self.place = place
    var daemons: [String: RunningProgram] = [:]
    for name in Self.dialects {
      daemons[name] = try RunningProgram(
        [
          BuildFolder.program("martlet-gpu"), "--socket-path=\(name).sock", "--control-socket=\(name).control",
          "--scanouts=2", "--seccomp=kill", "--vnc=unix:\(name).vnc",
          "--vnc=unix:\(name)-second.vnc,screen=1", "--input-socket=\(name).input",
        ], in: place)
    }
    self.daemons = daemons
    for name in Self.dialects {
      try await daemons[name]?.waitUntil("listening") {
        place.exists("\(name).sock") && place.exists("\(name).control")
      }
    }
    talk = try NamedPipes(place.file("talk"), makes: true)
    let guests = try #require(GuestRig.guests)
    let rig = GuestRig.rig.path
    let programs = place.file("programs.tar")
    let released = try #require(GuestRig.programs)
    let packing = try RunningProgram(["\(rig)/pack-programs", programs, "\(released)/martlet-input"], in: place)
    try #require(try await packing.wait().code == 0)
    runner = try RunningProgram(
      [
        "\(rig)/run-qemu", "--qemu", qemu, "--accel", "tcg", "--timeout", "1500", "--reboots", "--memory", "1G",
        "--monitor", place.file("monitor"), "--add", "\(guests)/screens.tar:screens.tar",
        "--add", "\(programs):programs.tar", "--add", "\(rig)/jobs/keys:keys", "--add", "\(rig)/jobs/desktop:desktop",
        "\(rig)/jobs/screens", "--",
        "-device", "virtio-gpu-pci,id=theirs,addr=0x4,max_outputs=2",
        "-chardev", "socket,id=q,path=\(place.file("qemu.sock"))",
        "-device", "vhost-user-gpu-pci,id=qemu,addr=0x5,chardev=q,max_outputs=2",
        "-chardev", "socket,id=p,path=\(place.file("plain.sock"))", "-device",
        "vhost-user-test-device-pci,id=plain,addr=0x6,chardev=p,virtio-id=16,num_vqs=2,vq_size=256,config_size=20",
        "-chardev", "socket,id=i,path=\(place.file("qemu.input"))",
        "-device", "vhost-user-input-pci,id=keys,addr=0x7,chardev=i",
        "-chardev", "pipe,id=talk,path=\(place.file("talk"))", "-serial", "chardev:talk",
      ] + Self.desktop(ScreenRig.desktop), in: place)
    let made = [place.file("monitor.in"), place.file("monitor.out")]
    try await runner.waitUntil("a monitor") { made.allSatisfy { FileManager.default.fileExists(atPath: $0) } }
    monitor = try NamedPipes(place.file("monitor"), makes: false)
    try monitor.send(#"{"execute":"qmp_capabilities"}"#)
    _ = try await reply()
  }

  /// The disk with programs that draw by themselves.
  private static func desktop(_ image: String?) -> [String] {
    guard let image else { return [] }
    return [
      "-drive", "if=none,id=desktop,format=raw,readonly=on,file=\(image)",
      "-device", "virtio-blk-pci,addr=0x8,drive=desktop",
    ]
  }

  /// Answers the guest until it ends.
  func serve() async throws -> GuestReport {
    while runner.isRunning {
      guard let line = talk.line() else {
        try await Task.sleep(for: .milliseconds(20))
        continue
      }
      let words = line.split(separator: " ").map(String.init)
      switch words.first {
      case "BOOT":
        boots += 1
        try talk.send("\(boots)\n")
      case "PAUSE":
        for command in ["stop", "cont"] {
          try monitor.send(#"{"execute":"\#(command)"}"#)
          _ = try await reply()
        }
        try talk.send("ok\n")
      case "TYPE":
        let viewer = try TypingViewer(place.file("qemu.vnc"))
        try viewer.type()
        self.viewer = viewer
        try talk.send("ok\n")
      case "POINT":
        try TypingViewer(place.file("qemu-second.vnc")).point()
        try talk.send("ok\n")
      case "FLUSHES" where words.count == 2: try talk.send("\(try await flushes(words[1]))\n")
      case "LOOK" where words.count == 6: try talk.send(try await look(words) + "\n")
      default: throw Trouble("the guest says '\(line)'")
      }
    }
    let outcome = try await runner.wait(seconds: 60)
    return GuestReport(status: outcome.status, console: outcome.output)
  }

  /// QEMU's answer to a command; events are passed over.
  private func reply() async throws -> String {
    for _ in 0..<3000 {
      guard let line = monitor.line() else {
        try await Task.sleep(for: .milliseconds(20))
        continue
      }
      if line.contains("\"return\"") || line.contains("\"error\"") { return line }
    }
    throw Trouble("QEMU's monitor says nothing")
  }

  /// How often the first screen was flushed.
  private func flushes(_ gpu: String) async throws -> Int {
    let outcome = try await RunningProgram(
      [BuildFolder.program("martlet"), "screen", "list", "--json", "--control-socket=\(gpu).control"], in: place
    ).wait()
    let screens = try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [[String: Any]]
    return screens?.first?["flushes"] as? Int ?? 0
  }

  // MARK: Pictures

  /// "ok", or what is wrong: LOOK name gpu head width height.
  private func look(_ words: [String]) async throws -> String {
    looks += 1
    let (name, gpu, head) = (words[1], words[2], words[3])
    let start = "P6\n\(words[4]) \(words[5])\n"
    let key = "\(name)-\(head)"
    let isMeasure = gpu == "theirs"
    var last: Data?
    var calm = 0
    let deadline = ContinuousClock.now + .seconds(300)
    while ContinuousClock.now < deadline {
      let picture = try await picture(gpu, head, "\(key)-\(gpu).ppm")
      if isMeasure {
        // Nothing to compare with: it is there when it does not change any more, and neither is it one that was there
        // before nor nothing at all.
        let isNew = picture.map { isDrawn($0, start) && !measures.contains { $0 != key && $1 == picture } } ?? false
        calm = picture == last && isNew ? calm + 1 : 0
        if calm == 3, let picture {
          measures[key] = picture
          return try await isGolden(key, gpu) ? "ok" : "another picture than every device before"
        }
      } else if let picture, picture == measures[key] {
        return "ok"
      }
      last = picture
      try await Task.sleep(for: .milliseconds(700))
    }
    return last.map { "another picture, of \($0.count) bytes" } ?? "no picture"
  }

  /// A picture of this size, and not all of one byte.
  private func isDrawn(_ picture: Data, _ start: String) -> Bool {
    guard picture.starts(with: Data(start.utf8)), let last = picture.last else { return false }
    return picture.dropFirst(start.utf8.count + 4).contains { $0 != last }
  }

  /// True for what has no known sum.
  private func isGolden(_ key: String, _ gpu: String) async throws -> Bool {
    guard key == "pattern-0" else { return true }
    let outcome = try await RunningProgram(["sha256sum", "\(key)-\(gpu).ppm"], in: place).wait()
    return outcome.output.hasPrefix(ScreenRig.smpte)
  }

  /// What a device shows, in a file of this name, by QEMU's screendump and by our own screenshot; nil while both differ
  /// or one has nothing to show.
  private func picture(_ gpu: String, _ head: String, _ file: String) async throws -> Data? {
    var pictures: [Data?] = []
    if gpu != "plain" {
      try monitor.send(
        #"{"execute":"screendump","arguments":{"filename":"\#(place.file(file))","device":"\#(gpu)","head":\#(head)}}"#)
      let answer = try await reply()
      pictures.append(answer.contains("\"return\"") ? FileManager.default.contents(atPath: place.file(file)) : nil)
    }
    if gpu != "theirs" {
      let own = gpu == "plain" ? file : "own-\(file)"
      let outcome = try await RunningProgram(
        [
          BuildFolder.program("martlet"), "screen", "shot", "--control-socket=\(gpu).control", "--screen=\(head)",
          "--timeout=60", own,
        ], in: place
      ).wait()
      pictures.append(outcome.code == 0 ? FileManager.default.contents(atPath: place.file(own)) : nil)
    }
    return pictures.allSatisfy { $0 == pictures[0] } ? pictures[0] : nil
  }

  /// Keeps pictures and logs, and says where. What was said by programs that only asked is left out.
  func keep(as name: String) -> String {
    let target = GuestRig.failures.appending(path: name)
    try? FileManager.default.removeItem(at: target)
    try? FileManager.default.createDirectory(at: target, withIntermediateDirectories: true)
    let logs = ([runner] + daemons.values).flatMap { program in
      let name = URL(filePath: program.outputFile).lastPathComponent
      return [name, "err-" + name.dropFirst(4)]
    }
    for file in (try? FileManager.default.contentsOfDirectory(atPath: place.path)) ?? []
    where file.hasSuffix(".ppm") || logs.contains(file) {
      try? FileManager.default.copyItem(atPath: place.file(file), toPath: target.appending(path: file).path)
    }
    return target.path
  }
}

extension Guests {
  /// Invariants: what Linux draws is what is seen, pixel for pixel, in QEMU's dialect (by QEMU and by our own eyes) and
  /// in the plain one; text, page flips, cursors and two screens over one picture; drivers come and go, the guest is
  /// paused and reboots; the daemons need no system call that they may not make, and end with QEMU.
  @Suite(.serialized, .enabled(if: ScreenRig.qemu != nil, ScreenRig.unavailable)) struct ScreenTests {
    @Test("a guest's screens in both dialects", .timeLimit(.minutes(30)))
    func bothDialects() async throws {
      let place = try Support.Workplace()
      let start = ContinuousClock.now
      let guest = try await ScreenGuest(in: place, qemu: try #require(ScreenRig.qemu))
      var problems: [String] = []
      do {
        let report = try await guest.serve()
        problems = report.problems + (guest.viewer?.problems(in: report) ?? ["the guest had nobody type"])
        if ScreenRig.desktop == nil { print("screens: no desktop.img, so neither kmscube nor weston was run") }
        print("screens: \(report.passed) checks passed, \((ContinuousClock.now - start).components.seconds) s")
        for line in report.lines where line.contains("freq:") { print("screens: \(line)") }
      } catch {
        guest.runner.send(SIGTERM)
        problems.append("\(error)")
      }
      let wanted = ScreenRig.desktop == nil ? 19 : 27
      if guest.looks < wanted { problems.append("only \(guest.looks) pictures were looked at") }
      for (name, daemon) in guest.daemons {
        if problems.isEmpty {
          let outcome = try await daemon.wait()
          if outcome.code != 0 {
            problems.append("martlet-gpu (\(name)) ended with \(outcome.status): \(outcome.errors)")
          }
        } else {
          daemon.send(SIGTERM)
        }
      }
      if !problems.isEmpty { problems.append("pictures and logs: \(guest.keep(as: "screens"))") }
      for problem in problems { Issue.record("\(problem)") }
    }
  }
}
