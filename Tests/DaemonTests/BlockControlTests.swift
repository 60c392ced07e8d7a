// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Frontend
import Linux
import Support
import Testing
import VhostUserProtocol

/// A running martlet-blk, asked and told on its control socket, sandbox and seccomp filter included. Invariants:
/// - however an image becomes larger, its guest is told once, and only its guest;
/// - nothing makes an image smaller, and a refusal changes nothing;
/// - what the guest did is counted for each queue, with times unless they were left out.
@Suite(.timeLimit(.minutes(30))) struct BlockControlTests {
  private let place: Workplace
  private let control: String

  init() throws {
    place = try Workplace()
    control = place.file("control")
  }

  private func ask(_ line: String) throws -> String {
    let client = try UnixSocket.connect(to: control, withinMilliseconds: 60_000)
    try client.send(Array((line + "\n").utf8))
    var bytes: [UInt8] = []
    while true {
      try #require(!Poll.wait(client.file, nil, timeoutNanoseconds: 60_000_000_000).first.isEmpty)
      var none = ReceivedDescriptors()
      guard let piece = try client.receiveOnce(atMost: 65536, descriptors: &none) else { break }
      bytes += piece
    }
    return String(decoding: bytes, as: UTF8.self)
  }

  private func json(_ line: String) throws -> Any {
    try JSONSerialization.jsonObject(with: Data(try ask(line + " json").utf8), options: .fragmentsAllowed)
  }

  private func start(_ more: [String], images: [String]) async throws -> RunningProgram {
    for image in images { try Data(count: 1 << 20).write(to: URL(fileURLWithPath: place.file(image))) }
    let program = try RunningProgram(
      [BlockDaemonTests.binary, "--control-socket=\(control)"] + more, in: place)
    try await program.waitUntil("serving") { program.log.contains("] serving ") }
    return program
  }

  private func volume(_ name: String) -> [String] {
    ["--blk-file=\(place.file(name))", "--socket-path=\(place.file("s"))"]
  }

  private func attach(_ socket: String, queues: Int = 1) throws -> VhostUserDriver {
    var wishes = DriverWishes()
    wishes.queueCount = queues
    let driver = try VhostUserDriver(
      try FrontendConnection(path: place.file(socket)), ram: try GuestRAM(byteCount: 8 << 20), wishes: wishes)
    try driver.start()
    return driver
  }

  private func size(_ name: String) throws -> UInt64 { try Path(place.file(name)).status().size }

  private func resize(_ name: String, _ byteCount: UInt64) throws {
    let handle = try FileHandle(forWritingTo: URL(fileURLWithPath: place.file(name)))
    try handle.truncate(atOffset: byteCount)
    try handle.close()
  }

  /// The capacity in bytes once the backend has said that the configuration has changed (CONFIG_CHANGE_MSG).
  private func toldCapacity(_ driver: VhostUserDriver) throws -> UInt64 {
    let channel = try #require(driver.channel)
    let message = try channel.receive(timeoutNanoseconds: 60_000_000_000)
    #expect(message.header.request == 2)
    return try driver.config(count: 8).reversed().reduce(0) { $0 << 8 | UInt64($1) } * 512
  }

  @Test(arguments: ["namespace", "none"])
  func anImageGrowsUnderItsGuest(_ sandbox: String) async throws {
    let program = try await start(volume("image") + ["--sandbox=\(sandbox)"], images: ["image"])
    let driver = try attach("s")
    let client = BlockClient(driver.queues[0])

    #expect(try ask("resize 2M") == "2097152 bytes\n")
    #expect(try toldCapacity(driver) == 2 << 20)
    #expect(try size("image") == 2 << 20)
    try client.write(sector: 4095, [UInt8](repeating: 5, count: 512))

    // Somebody else made it larger: told on request, by the signal, and at last by itself.
    try resize("image", 3 << 20)
    #expect(try ask("resize") == "3145728 bytes\n")
    #expect(try toldCapacity(driver) == 3 << 20)
    try resize("image", 4 << 20)
    program.send(SIGHUP)
    #expect(try toldCapacity(driver) == 4 << 20)
    try resize("image", 5 << 20)
    #expect(try toldCapacity(driver) == 5 << 20)
    #expect(try json("resize") as? [String: Int] == ["bytes": 5 << 20])

    #expect(try ask("resize 1M").contains("has 5242880 bytes, and is never made smaller; give no less than that"))
    #expect(try ask("resize 8388608").contains("has no unit"))
    #expect(try ask("resize 6M now").contains("a size is needed, and nothing else"))
    #expect(try ask("resize 5242881B").contains("give a multiple of 512"))
    #expect(try size("image") == 5 << 20)
    #expect(try client.read(sector: 4095, byteCount: 512) == [UInt8](repeating: 5, count: 512))
    driver.connection.close()
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
  }

  @Test func severalVolumesInOneProcessAreToldApart() async throws {
    let program = try await start(
      ["a", "b", "c"].map {
        "--volume=image=\(place.file($0)),socket=\(place.file("\($0).sock"))\($0 == "c" ? ",read-only" : "")"
      }, images: ["a", "b", "c"])
    let drivers = try ["a.sock", "b.sock"].map { try attach($0) }
    #expect(try ask("help").contains("resize ENDPOINT [SIZE]"))
    #expect(try ask("resize 2M").hasPrefix("error: there is no endpoint '2M'"))
    #expect(try ask("resize b 2M") == "2097152 bytes\n")
    #expect(try toldCapacity(drivers[1]) == 2 << 20)
    #expect(try ask("resize c 2M").contains("is served read-only"))
    for (name, wanted) in [("a", 1 << 20), ("b", 2 << 20), ("c", 1 << 20)] {
      #expect(try size(name) == UInt64(wanted))
      #expect(try json("resize \(name)") as? [String: Int] == ["bytes": wanted])
    }
    // Each guest has its own disk.
    for (index, driver) in drivers.enumerated() {
      try BlockClient(driver.queues[0]).write(sector: 9, [UInt8](repeating: UInt8(index + 1), count: 512))
    }
    for (index, driver) in drivers.enumerated() {
      let bytes = try BlockClient(driver.queues[0]).read(sector: 9, byteCount: 512)
      #expect(bytes == [UInt8](repeating: UInt8(index + 1), count: 512))
      #expect(throws: FrontendError.self) { _ = try driver.channel?.receive(timeoutNanoseconds: 1_000_000) }
      driver.connection.close()
    }
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
  }

  @Test func whatTheGuestDidIsCountedAndTimedForEachQueue() async throws {
    let program = try await start(volume("image") + ["--num-queues=2"], images: ["image"])
    let driver = try attach("s", queues: 2)
    let clients = driver.queues.map { BlockClient($0) }
    for number in 0..<5 { _ = try clients[0].read(sector: UInt64(number), byteCount: 4096) }
    for number in 0..<3 { _ = try clients[1].read(sector: UInt64(number), byteCount: 512) }
    try clients[1].write(sector: 0, [UInt8](repeating: 1, count: 512))
    try clients[1].flushCache()

    let status = try #require(try json("status") as? [String: Any])
    let endpoints = try #require(status["endpoints"] as? [[String: Any]])
    let operations = try #require(endpoints[0]["operations"] as? [[String: Any]])
    #expect(Set(operations.compactMap { $0["name"] as? String }) == ["read", "write", "flush"])
    for operation in operations {
      let times = try #require(operation["latency_ns"] as? [String: Int])
      let ordered = [times["p50"], times["p99"], times["p99.9"], times["longest"]].map { $0 ?? -1 }
      #expect(ordered == ordered.sorted() && ordered[0] >= 0, "\(operation)")
    }
    let reads = try #require(operations.first { $0["name"] as? String == "read" })
    #expect(reads["count"] as? Int == 8)
    let queues = try #require(reads["queues"] as? [[String: Any]])
    #expect(queues.map { $0["queue"] as? Int } == [0, 1] && queues.map { $0["count"] as? Int } == [5, 3])
    #expect(try ask("status").contains("\nread "))
    driver.connection.close()
    program.send(SIGUSR1)
    try await program.waitUntil("counters in the log") { program.log.contains("image: read 8, errors 0, mean ") }
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
  }

  @Test func timesCanBeLeftOut() async throws {
    let program = try await start(volume("image") + ["--no-latency"], images: ["image"])
    let driver = try attach("s")
    _ = try BlockClient(driver.queues[0]).read(sector: 0, byteCount: 512)
    let endpoints = try #require(try json("latency") as? [[String: Any]])
    let operations = try #require(endpoints[0]["operations"] as? [[String: Any]])
    #expect(operations.count == 1 && operations[0]["count"] as? Int == 1)
    #expect(operations[0]["latency_ns"] is NSNull)
    driver.connection.close()
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
  }
}
