// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Frontend
import Linux
import Support
import Testing

/// martlet-blk as a person meets it: its options, what it says when something is wrong, its signals and its walls.
@Suite struct BlockDaemonTests {
  static let binary = BuildFolder.program("martlet-blk")
  static let never = "/tmp/martlet-blk-never-made.sock"
  static let base = "--blk-file /etc/hostname --socket-path \(never)"

  typealias Row = WrongLine

  static let wrong: [Row] = [
    Row("--nonsense", 2, "unknown option '--nonsense'"),
    Row("\(base) stray", 2, "unexpected argument 'stray'"),
    Row("--socket-path=s", 2, "nothing to serve"),
    Row("--blk-file=/x", 2, "no socket to listen on"),
    Row("--blk-file= --socket-path=s", 2, "missing value for '--blk-file <path>'"),
    Row("\(base) --num-queues=0", 2, "from 1 to 64, not 0"),
    Row("\(base) --num-queues 65", 2, "from 1 to 64, not 65"),
    Row("\(base) --num-queues=many", 2, "the value 'many' is invalid for '--num-queues <count>'"),
    Row("\(base) --queue-size=100", 2, "power of two from 2 to 32768, not 100"),
    Row("\(base) --queue-size 65536", 2, "power of two from 2 to 32768, not 65536"),
    Row("\(base) --block-size=1000", 2, "power of two from 512 to 65536, not 1000"),
    Row("\(base) --direct=maybe", 2, "give one of 'off', 'prefer' or 'on'"),
    Row("\(base) --cache=none", 2, "give one of 'writeback', 'writethrough' or 'unsafe'"),
    Row("\(base) --engine=magic", 2, "give one of 'auto', 'io_uring' or 'threads'"),
    Row("\(base) --serial=123456789012345678901", 2, "has 21 bytes"),
    Row("\(base) --fd=3", 2, "exclude each other"),
    Row("\(base) --volume image=/x,socket=s", 2, "leave out --blk-file"),
    Row("--volume socket=s", 2, "has no image"),
    Row("--volume image=/x", 2, "has no socket"),
    Row("--volume image=/x,socket=s,colour=red", 2, "does not know 'colour=red'"),
    Row("--volume image=/x,socket=s,direct=perhaps", 2, "direct in --volume cannot be 'perhaps'"),
    Row("--volume image=/x,socket=s,queue-size=3", 2, "queue-size in --volume needs a power of two"),
    Row("--volume image=/x,fd=no", 2, "needs a descriptor number, not 'no'"),
    Row("--volume image=/x,socket=s --volume image=/y,socket=s", 2, "two volumes have the socket 's'"),
    Row("\(base) --size=1G", 2, "say how to make an image; add --create"),
    Row("\(base) --create", 2, "add --size"),
    Row("\(base) --create --size=5", 2, "--size"),
    Row("\(base) --create --size=1M --label=x", 2, "--label needs a file system; add --fs-type"),
    Row("\(base) --format=qcow2", 2, "--format qcow2 is not served"),
    Row("\(base) --format=null --size=1M", 2, "--format null has no image; leave out '/etc/hostname'"),
    Row("--socket-path=s --format=null", 2, "--format null needs to know how large; add --size"),
    Row("--socket-path=s --format=null --size=1000B", 2, "--size 1000B is no multiple of 512 bytes"),
    Row("--socket-path=s --format=null --size=1M --create", 2, "--format null makes no image"),
    Row("--volume image=/x,socket=s,format=null,size=1M", 2, "--format null has no image; leave out '/x'"),
    Row("\(base) --locking=maybe", 2, "give one of 'on' and 'off'"),
    Row("--volume image=/x,socket=s,locking=maybe", 2, "locking in --volume cannot be 'maybe'"),
    Row("\(base) --iops=0", 2, "--iops cannot be 0"),
    Row("\(base) --iops=many", 2, "the value 'many' is invalid for '--iops <count>'"),
    Row("\(base) --iops-burst=5", 2, "--iops-burst means nothing without --iops"),
    Row("\(base) --bandwidth=5000", 2, "--bandwidth 5000 has no unit"),
    Row("\(base) --bandwidth=1M --bandwidth-burst=some", 2, "--bandwidth-burst cannot be 'some'"),
    Row("--volume image=/x,socket=s,iops=-1", 2, "--iops cannot be -1"),
    Row("--volume image=/x,socket=s,iops=few", 2, "iops in --volume needs a number, not 'few'"),
    Row("--volume image=/x,socket=s,bandwidth=3Q", 2, "bandwidth in --volume 3Q has an unknown unit"),
    // The host.
    Row("--blk-file=/nowhere/at/all --socket-path=\(never)", 1, "does not exist; create it"),
    Row("--blk-file=/usr --socket-path=\(never)", 1, "is a directory; give an image file"),
    Row("--blk-file=/dev/null --socket-path=\(never)", 1, "neither a regular file nor a block device"),
    Row("--blk-file=/proc/self/status --read-only --socket-path=\(never)", 1, "less than a sector"),
    Row("--blk-file=/proc/self/status --read-only --direct --socket-path=\(never)", 1, "give --direct=prefer"),
    Row("--volume image=/nowhere,socket=\(never)", 1, "does not exist"),
  ]

  private func run(_ arguments: [String]) throws -> ProgramOutcome {
    try RunningProgram([Self.binary] + arguments, in: Workplace()).waitBlocking()
  }

  @Test(arguments: wrong)
  func whatIsWrongIsOneSentence(_ row: Row) throws {
    #expect(row.faults(of: "martlet-blk", in: try run(row.arguments)) == [])
    #expect((try? Path(Self.never).status()) == nil)
  }

  @Test func imagesThatCannotBeServedAreRefused() throws {
    let place = try Workplace()
    for (size, sentence) in [(100, "less than a sector"), (5000, "no multiple of 512 bytes")] {
      try Data(count: size).write(to: URL(fileURLWithPath: place.file("image")))
      let outcome = try run(["--blk-file=\(place.file("image"))", "--socket-path=\(place.file("s"))"])
      #expect(outcome.code == 1)
      #expect(outcome.errors.contains(sentence.replacing(" bytes", with: "")), "\(outcome.errors)")
      #expect(!place.exists("s"))
    }
  }

  static let understood: [(String, [String])] = [
    (
      "--blk-file /a/b.img --socket-path s",
      [
        "service: b.img, socket s", "on disconnect: relisten", "capabilities: \n", "image /a/b.img", "serial automatic",
        "read-write", "queues 1,", "queue size 128", "direct off", "cache writeback", "engine auto",
      ]
    ),
    (
      "--blk-file=/a --socket-path=s --read-only --serial=X --num-queues=4 --queue-size=256 --direct "
        + "--cache=writethrough",
      ["read-only", "serial X", "queues 4,", "queue size 256", "direct on", "cache writethrough"]
    ),
    ("--blk-file=/a --socket-path=s --direct prefer --engine threads", ["direct prefer", "engine threads"]),
    ("--blk-file=/a --socket-path=s --direct --read-only --poll-us 0", ["direct on", "read-only", "poll: 0 us"]),
    ("--blk-file=/a --socket-path=s --direct=on --direct=off", ["direct off"]),
    (
      "--iops 500 --volume image=/a,socket=s,bandwidth=10M,bandwidth-burst=64K "
        + "--volume image=/b,socket=t,iops=7,iops-burst=70",
      [
        "image /a, serial automatic, read-write, queues 1, queue size 128, direct off, cache writeback, engine auto, "
          + "block size automatic, iops 500, bandwidth 10485760, bandwidth-burst 65536\n",
        "block size automatic, iops 7, iops-burst 70\n",
      ]
    ),
    ("--format null --size 2G --socket-path s", ["service: null, socket s", "volume: null, image null"]),
    ("--volume format=null,size=2G,socket=s,name=empty", ["volume: empty, image null"]),
    (
      "--volume image=/a,socket=s --queue-size 64 "
        + "--volume image=/c/d,socket=t,read-only,direct,serial=D,num-queues=2,name=data",
      [
        "service: a, socket s", "service: data, socket t",
        "volume: a, image /a, serial automatic, read-write, queues 1",
        "volume: data, image /c/d, serial D, read-only, queues 2, queue size 64, direct on",
      ]
    ),
  ]

  @Test(arguments: understood)
  func optionsMeanWhatTheySay(_ arguments: String, _ expected: [String]) throws {
    let outcome = try run(arguments.split(separator: " ").map(String.init) + ["--dry-run"])
    #expect(outcome.code == 0, "\(outcome.errors)")
    for text in expected { #expect(outcome.output.contains(text), "\(text): \(outcome.output)") }
  }

  @Test func printsItsCapabilitiesWhateverElseIsThere() throws {
    let outcome = try run(["--print-capabilities", "--nonsense"])
    #expect(outcome.code == 0)
    let json = try #require(try JSONSerialization.jsonObject(with: Data(outcome.output.utf8)) as? [String: Any])
    #expect(json["type"] as? String == "block")
    #expect(json["features"] as? [String] == ["read-only", "blk-file"])
  }

  // MARK: Running

  private func start(_ place: Workplace, _ more: String...) async throws -> RunningProgram {
    try Data(count: 1 << 20).write(to: URL(fileURLWithPath: place.file("image")))
    let program = try RunningProgram(
      [Self.binary, "--blk-file=\(place.file("image"))", "--socket-path=\(place.file("s"))"] + more, in: place)
    try await program.waitUntil("serving") { program.log.contains("] serving ") }
    return program
  }

  @Test(arguments: ["namespace", "none"], [SIGTERM, SIGINT])
  func signalsEndIt(_ sandbox: String, _ signal: Int32) async throws {
    let place = try Workplace()
    let program = try await start(place, "--sandbox=\(sandbox)")
    #expect(try Probe.features(at: place.file("s")) != 0)
    // The next frontend comes: a reset of the guest is not the end.
    #expect(try Probe.features(at: place.file("s")) != 0)
    program.send(signal)
    #expect(try await program.wait().code == 0)
    #expect(!place.exists("s"))
  }

  @Test(arguments: ["namespace", "none"])
  func hangUpLooksWhetherTheImageHasGrown(_ sandbox: String) async throws {
    let place = try Workplace()
    let program = try await start(place, "--sandbox=\(sandbox)")
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: place.file("image")))
    try handle.truncate(atOffset: 3 << 20)
    program.send(SIGHUP)
    try await program.waitUntil("resized") { program.log.contains("has 3145728 bytes now") }
    #expect(try Probe.features(at: place.file("s")) != 0)
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
  }

  @Test func aMissingImageIsMadeAndKeptForOneWriter() async throws {
    let place = try Workplace()
    let wishes = ["--blk-file=\(place.file("new"))", "--create", "--size=8M", "--fs-type=ext4", "--label=data"]
    let program = try RunningProgram([Self.binary] + wishes + ["--socket-path=\(place.file("s"))"], in: place)
    try await program.waitUntil("serving") { program.log.contains("] serving ") }
    let bytes = try Data(contentsOf: URL(fileURLWithPath: place.file("new")))
    #expect(bytes.count == 8 << 20)
    // ext4's superblock: magic number, volume name.
    #expect(bytes[1024 + 0x38] == 0x53 && bytes[1024 + 0x39] == 0xEF)
    #expect(bytes[(1024 + 0x78)..<(1024 + 0x7C)] == Data("data".utf8))

    let rival = ["--blk-file=\(place.file("new"))", "--socket-path=\(place.file("t"))"]
    let refused = try run(rival)
    #expect(refused.code == 1 && refused.errorLines.count == 1, "\(refused.errors)")
    #expect(refused.errors.contains("martlet-blk (process "), "the holder is named: \(refused.errors)")
    #expect(!place.exists("t"))
    #expect(try run(rival + ["--read-only"]).code == 1)
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)

    // What is there is served as it is, whatever the wishes say.
    let again = try RunningProgram(
      [Self.binary] + wishes + ["--size=16M", "--read-only", "--socket-path=\(place.file("s"))"], in: place)
    try await again.waitUntil("serving") { again.log.contains("] serving ") }
    #expect(try Data(contentsOf: URL(fileURLWithPath: place.file("new"))) == bytes)
    let reader = try RunningProgram([Self.binary] + rival + ["--read-only"], in: place)
    try await reader.waitUntil("serving") { reader.log.contains("] serving ") }
    for program in [again, reader] {
      program.send(SIGTERM)
      #expect(try await program.wait().code == 0)
    }
  }

  @Test func severalVolumesAreServedByOneProcess() async throws {
    let place = try Workplace()
    for name in ["a", "b"] { try Data(count: 1 << 20).write(to: URL(fileURLWithPath: place.file(name))) }
    let program = try RunningProgram(
      [Self.binary] + ["a", "b"].map { "--volume=image=\(place.file($0)),socket=\(place.file("\($0).sock"))" },
      in: place)
    try await program.waitUntil("serving") { program.log.contains("] serving a, b") }
    for name in ["a.sock", "b.sock"] { #expect(try Probe.features(at: place.file(name)) != 0) }
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
  }

  /// More threads than malloc has arenas of its own accord: nothing that they need is outside of the filter.
  @Test func manyThreadsStayInsideOfTheFilter() async throws {
    let place = try Workplace()
    let program = try await start(place, "--num-queues=24", "--engine=threads")
    var wishes = DriverWishes()
    wishes.queueCount = 24
    let driver = try VhostUserDriver(
      try FrontendConnection(path: place.file("s")), ram: try GuestRAM(byteCount: 8 << 20), wishes: wishes)
    try driver.start()
    for queue in driver.queues {
      let client = BlockClient(queue)
      try client.write(sector: UInt64(queue.index * 8), [UInt8](repeating: UInt8(queue.index), count: 4096))
      try client.flushCache()
      let bytes = try client.read(sector: UInt64(queue.index * 8), byteCount: 4096)
      #expect(bytes == [UInt8](repeating: UInt8(queue.index), count: 4096))
    }
    driver.connection.close()
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
  }

  @Test func ringsCanBeForbidden() async throws {
    let place = try Workplace()
    let program = try await start(place, "--engine=threads")
    #expect(!program.log.contains("io_uring"))
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
  }

  /// Nothing of the host is left but the image: no directory, no network, no capability.
  @Test(.enabled(if: DaemonProcess.isRoot, "looks into other processes, which needs root"))
  func theSandboxHoldsNothing() async throws {
    let place = try Workplace()
    let program = try await start(place)
    let children = try Path("/proc/\(program.identifier)/task/\(program.identifier)/children").contents()
    let server = try #require(Int32(children.split(separator: " ").first ?? ""))
    #expect(try FileManager.default.contentsOfDirectory(atPath: "/proc/\(server)/root").isEmpty)
    for name in ["mnt", "pid", "net"] {
      #expect(
        try FileManager.default.destinationOfSymbolicLink(atPath: "/proc/\(server)/ns/\(name)")
          != FileManager.default.destinationOfSymbolicLink(atPath: "/proc/self/ns/\(name)"), "\(name)")
    }
    #expect(try DaemonProcess.capabilities(server) == 0)
    #expect(try DaemonProcess.status(server, "Seccomp") == "2")
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
  }
}
