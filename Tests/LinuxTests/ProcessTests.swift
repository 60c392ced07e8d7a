// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Linux
import Testing
import Wire

/// Children, pipes, signals and datagrams as the daemons use them.
@Suite struct ProcessTests {
  private func output(of program: [String], environment: [String]? = nil) throws -> (String, ProcessEnd) {
    let pipe = try Pipe()
    let child = try ChildProcess.spawn(program, environment: environment, files: [nil, pipe.writing.file])
    let end = try child.wait()
    let scratch = Scratch(byteCount: 4096)
    let count = try pipe.reading.file.read(into: scratch.segment)
    return (String(decoding: scratch.segment.prefix(count).bytes(), as: UTF8.self), end)
  }

  @Test func aProgramGetsItsArgumentsAndDescriptors() throws {
    let (text, end) = try output(of: ["printf", "%s|", "one", "two words", ""])
    #expect(text == "one|two words||")
    #expect(end == .code(0))
  }

  @Test func aProgramGetsTheEnvironmentThatWasGiven() throws {
    let (text, _) = try output(
      of: ["sh", "-c", "echo $MARTLET_A$MARTLET_B"], environment: ["MARTLET_A=a", "PATH=/bin"])
    #expect(text == "a\n")
  }

  @Test func noOtherDescriptorIsInherited() throws {
    let secret = try Path("/").open(flags: OpenFlags.readOnly)
    let (text, _) = try output(of: ["sh", "-c", "test -e /proc/self/fd/\(secret.file.raw) && echo open || echo closed"])
    #expect(text == "closed\n")
  }

  @Test func theEndOfAChildIsTold() throws {
    #expect(try ChildProcess.spawn(["sh", "-c", "exit 7"]).wait() == .code(7))
    #expect(try ChildProcess.spawn(["sh", "-c", "kill -9 $$"]).wait() == .signal(9))
    #expect(ProcessEnd.signal(9).shellCode == 137)
    let sleeping = try ChildProcess.spawn(["sleep", "60"])
    #expect(try sleeping.waitWithoutBlocking() == nil)
    try Signal.terminate.send(to: sleeping.identifier)
    #expect(try sleeping.wait() == .signal(15))
    // Waited for already: whoever has the number now is not this program's child.
    #expect(throws: Errno(10)) { try sleeping.wait() }
  }

  @Test func aProgramThatIsNotThereIsAnError() {
    #expect(throws: Errno.noEntry) { try ChildProcess.spawn(["/nowhere/at/all"]) }
  }

  @Test func aPipeEndsWhenItsWriterIsGone() throws {
    var pipe: Pipe? = try Pipe()
    let reading = try #require(pipe).reading
    #expect(Poll.wait(reading.file, nil, timeoutNanoseconds: 0).first.isEmpty)
    pipe = nil
    // Not at once: a process that another test is just starting holds a copy until it runs its program.
    #expect(Poll.wait(reading.file, nil, timeoutNanoseconds: 60_000_000_000).first.contains(.hangUp))
  }

  @Test(arguments: ["/tmp/mt-datagram-\(CurrentProcess.identifier)", "@mt-datagram-\(CurrentProcess.identifier)"])
  func datagramsArriveWhole(_ name: String) throws {
    let receiver = try DatagramSocket(boundTo: name)
    defer { try? Path(name).remove() }
    let sender = try DatagramSocket(to: name)
    try sender.send("READY=1\nSTATUS=ä")
    try sender.send("second")
    #expect(try receiver.receive() == "READY=1\nSTATUS=ä")
    #expect(try receiver.receive() == "second")
  }

  @Test func aNameThatNoSocketAddressHoldsIsRefused() {
    #expect(throws: Errno.nameTooLong) { try DatagramSocket(to: "/" + String(repeating: "x", count: 108)) }
    #expect(throws: Errno.nameTooLong) { try DatagramSocket(to: "") }
    #expect(throws: Errno.noEntry) { try DatagramSocket(to: "/nowhere/at/all") }
  }

  @Test func theEnvironmentIsReadByName() {
    #expect(CurrentProcess.environment("PATH") != nil)
    #expect(CurrentProcess.environment("MARTLET_SURELY_NOT_SET") == nil)
  }
}
