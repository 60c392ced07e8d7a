// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Linux
import Testing

/// Paths that a person typed, and who serves a socket file.
@Suite struct PathTests {
  @Test(arguments: [("/run/a.sock", "/run"), ("a.sock", "."), ("/a.sock", "/"), ("x/y/z", "x/y")])
  func directoryIsWhatHoldsTheLastComponent(_ path: String, _ directory: String) {
    #expect(Path(path).directory == Path(directory))
  }

  @Test func statusAndContentsAreThoseOfTheFile() throws {
    #expect(try Path("/usr").status().isDirectory)
    #expect(try Path("/proc/self/exe").status(following: false).type == .symlink)
    #expect(try Path("/proc/self/exe").status().isRegular)
    #expect(try Path("/proc/self/status").contents().contains("Pid:\t\(CurrentProcess.identifier)\n"))
    #expect(throws: Errno.noEntry) { try Path("/nowhere/at/all").status() }
  }

  @Test func aSocketFileIsServedAsLongAsSomebodyHasItBound() async throws {
    let path = Path("/tmp/mt-served-\(CurrentProcess.identifier)")
    defer { try? path.remove() }
    do {
      let listener = try ListeningSocket(path: path.text, mode: 0o700)
      #expect(try path.isServed())
      // Nobody is in its queue: it was not disturbed.
      #expect(Poll.wait(listener.file, nil, timeoutNanoseconds: 0).first.isEmpty)
    }
    #expect(try path.status(following: false).type == .socket)
    // A program that another test starts just now holds a copy of the listener until it is executed.
    let deadline = Clock.monotonic + 60_000_000_000
    while try path.isServed(), Clock.monotonic < deadline { try await Task.sleep(for: .milliseconds(10)) }
    #expect(try !path.isServed())
    #expect(try !Path("/nowhere/at/all").isServed())
  }

  @Test func aConnectedSocketIsNotAListener() throws {
    let pair = try UnixSocket.pair()
    #expect(try !ListeningSocket.isListening(pair.first.file))
    let file = try Path("/usr").open(flags: OpenFlags.readOnly)
    #expect(throws: Errno(88)) { try ListeningSocket.isListening(file.file) }
    #expect(pair.second.file.raw >= 0)
  }
}
