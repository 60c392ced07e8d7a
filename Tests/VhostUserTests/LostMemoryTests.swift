// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Linux
import Synchronization
import Testing
import VhostUser
import Virtio
import Wire

/// Collects lines.
final class LineLog: SessionLog {
  private let collected = Mutex<[(level: LogLevel, text: String)]>([])

  func log(_ level: LogLevel, _ message: @autoclosure () -> String) {
    let text = message()
    collected.withLock { $0.append((level, text)) }
  }

  /// Lines of at least this level.
  func lines(_ level: LogLevel) -> [String] { collected.withLock { $0.filter { $0.level >= level }.map { $0.text } } }

  /// The same, as soon as there is one, for a minute.
  func waitForLines(_ level: LogLevel) -> [String] {
    let end = Clock.monotonic + 60_000_000_000
    while lines(level).isEmpty, Clock.monotonic < end { _ = Poll.wait(nil, nil, timeoutNanoseconds: 1_000_000) }
    return lines(level)
  }
}

/// A frontend that truncates the file behind memory that it has shared. Invariants: the process lives; that frontend is
/// cut off, with one line in the log; the next one is served; another session of the process notices nothing.
@Suite(.timeLimit(.minutes(30)))
struct LostMemoryTests {
  /// An endpoint on a socket of its own, with a log.
  private final class House {
    let path = "/tmp/martlet-lost-\(UInt64.random(in: 0 ... .max)).sock"
    let device = EchoDevice()
    let endpoint: Endpoint
    let log = LineLog()
    private var thread: Thread?

    init() throws {
      endpoint = Endpoint(listener: try ListeningSocket(path: path, mode: 0o700), device: device, log: log)
      let endpoint = endpoint
      thread = try Thread(name: "endpoint") { _ = endpoint.run() }
    }

    deinit {
      endpoint.stop()
      if let thread = thread.take() { thread.join() }
      try? Path(path).remove()
    }

    /// A frontend whose ring runs.
    func attach(_ ring: GuestRing) throws -> RawFrontend {
      let frontend = try RawFrontend(try UnixSocket.connect(to: path))
      #expect(try frontend.acknowledge(2, SessionTests.noFeatures) == 0)
      #expect(try frontend.acknowledge(5, ring.memoryTable, files: [ring.file.file]) == 0)
      #expect(try frontend.acknowledge(8, bytes(UInt32(0), UInt32(ring.size))) == 0)
      #expect(try frontend.acknowledge(9, ring.addresses) == 0)
      #expect(try frontend.acknowledge(12, bytes(UInt64(0)), files: [ring.kick.file]) == 0)
      #expect(try frontend.acknowledge(13, bytes(UInt64(0)), files: [ring.call.file]) == 0)
      return frontend
    }

    func expectServes() throws {
      let ring = try GuestRing()
      let frontend = try attach(ring)
      ring.submit("still there")
      #expect(ring.waitUsed(1))
      #expect(ring.answer(11) == "still there")
      try frontend.barrier()
    }
  }

  /// A memory file of which only so much is left.
  enum Cut: Int64, CaseIterable {
    case everything = 0
    case allButTheDescriptors = 0x2000
    case theUsedRingAndTheData = 0x3000
    case theData = 0x10000
    case theAnswers = 0x11000
  }

  private func cutOffs(_ log: LineLog) -> Int { log.lines(.error).count { $0.hasPrefix("frontend cut off") } }

  @Test(arguments: Cut.allCases)
  func isCutOffUnderLoadAndTheNextOneIsServed(_ cut: Cut) throws {
    let house = try House()
    let bystander = try House()
    let otherRing = try GuestRing()
    let other = try bystander.attach(otherRing)
    let rounds = 12
    for round in 1...rounds {
      let health = MemoryHealth()
      let alarm = try MemoryAlarm(word: health.word, owner: health)
      let ring = try GuestRing(alarm: alarm)
      let file = try ring.file.file.duplicate()
      let kick = try ring.kick.file.duplicate()
      let frontend = try house.attach(ring)
      let stopping = Flag()
      let handed = Handed(ring: ring)
      let load = try Thread(name: "load") {
        let ring = handed.ring
        // One after the other, as fast as they are served; when nobody serves any more, the test says stop.
        while !stopping.value.load(ordering: .relaxed) {
          ring.submit("load", slot: Int(ring.available) % 8)
          while ring.used != ring.available, !stopping.value.load(ordering: .relaxed) { Processors.yield() }
        }
      }
      _ = Poll.wait(nil, nil, timeoutNanoseconds: .random(in: 0...3_000_000))
      try file.file.setSize(cut.rawValue)
      // A device that sleeps does not notice before it is kicked, and the load may be waiting for it.
      kick.file.signalEvent()
      #expect(frontend.isClosed)
      stopping.value.store(true, ordering: .relaxed)
      load.join()
      try house.expectServes()
      #expect(cutOffs(house.log) == round)
      otherRing.submit("\(round)", slot: 0)
      #expect(otherRing.waitUsed(UInt16(round)))
    }
    #expect(house.log.lines(.error).count == rounds, "\(house.log.lines(.error))")
    try other.barrier()
    #expect(bystander.log.lines(.warning).isEmpty)
  }

  /// Sendable because only the thread that gets it uses the ring from then on.
  private struct Handed: @unchecked Sendable {
    let ring: GuestRing
  }

  private final class Flag: Sendable {
    let value = Atomic<Bool>(false)
  }

  /// The control thread too looks into shared memory: when a ring starts, and into the inflight area.
  @Test func aRingThatStartsInLostMemoryEndsTheSessionOnly() throws {
    let house = try House()
    let ring = try GuestRing()
    let frontend = try RawFrontend(try UnixSocket.connect(to: house.path))
    #expect(try frontend.acknowledge(2, SessionTests.noFeatures) == 0)
    #expect(try frontend.acknowledge(5, ring.memoryTable, files: [ring.file.file]) == 0)
    let inflight = try MemoryFile.create("test-inflight", byteCount: 0x10000)
    let area = bytes(UInt64(0x10000), UInt64(0), UInt16(2), UInt16(16), UInt32(0))
    #expect(try frontend.acknowledge(32, area, files: [inflight.file]) == 0)
    try inflight.file.setSize(0)
    try ring.file.file.setSize(0)
    for (request, payload) in [(8, bytes(UInt32(0), UInt32(16))), (9, ring.addresses)] as [(UInt32, [UInt8])] {
      #expect(try frontend.acknowledge(request, payload) == 0)
    }
    try frontend.send(12, bytes(UInt64(0)), files: [ring.kick.file])
    #expect(frontend.isClosed)
    try house.expectServes()
    #expect(house.log.lines(.error).count == 1, "\(house.log.lines(.error))")
  }
}
