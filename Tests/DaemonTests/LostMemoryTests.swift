// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Frontend
import Linux
import Support
import Testing

/// A frontend that truncates its guest memory, against the program with its sandbox and its seccomp filter. Invariant:
/// the daemon lives, says so in one line, and serves the next frontend.
@Suite(.timeLimit(.minutes(30))) struct LostMemoryTests {
  @Test(arguments: ["namespace", "none"]) func costsThatFrontendOnly(_ sandbox: String) throws {
    let directory = try TemporaryDirectory()
    let socket = directory.file("s.sock")
    let process = try DaemonProcess(
      [
        "--shared-dir=\(try directory.makeDirectory("share"))", "--socket-path=\(socket)", "--sandbox=\(sandbox)",
        "--on-disconnect=relisten",
      ], in: directory)
    try process.waitUntilServing()
    let server = try process.server()
    for round in 1...3 {
      let ram = try GuestRAM(byteCount: 1 << 20)
      var wishes = DriverWishes()
      wishes.queueCount = 2
      let driver = try VhostUserDriver(try FrontendConnection(path: socket), ram: ram, wishes: wishes)
      try driver.start()
      let queue = driver.queues[1]
      // The rings were made first and lie in the half that stays.
      let question = try #require(ram.buffer(at: 0xc0000, count: 128))
      let answer = try #require(ram.buffer(at: 0xd0000, count: 128))
      try #require(ram.regions.first).file.setSize(512 << 10)
      for _ in 0..<8 { try queue.add(readable: [question], writable: [answer], indirect: false) }
      queue.submit()
      try process.waitUntil("the frontend is cut off") {
        process.log.split(separator: "\n").count { $0.contains("frontend cut off") } == round
      }
      try process.waitUntil("it has left") {
        process.log.split(separator: "\n").count { $0.contains("frontend left") } == round
      }
    }
    #expect(process.log.split(separator: "\n").count { $0.contains(" ERROR ") } == 3, "\(process.log)")
    #expect(try Probe.features(at: socket) != 0)
    #expect(try process.server() == server)
    #expect(try process.end().status == .code(0))
  }
}
