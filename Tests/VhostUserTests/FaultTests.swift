// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Linux
import Synchronization
import Testing
import VhostUser
import Virtio
import VirtioProtocol
import Wire

/// Holds every chain back until it is told to answer, or until its queue stops: requests in flight.
private final class LateDevice: Device {
  /// Sendable because it belongs to its queue's owner thread.
  private final class Lane: @unchecked Sendable {
    final class Slot {
      var chain = Chain()
    }
    var held: [Slot] = []
  }

  let description = DeviceDescription(
    id: DeviceID(rawValue: 63), name: "late", features: [], queueCount: 1, maximumQueueSize: 64)
  private let lane = Lane()
  private let answerNow: SharedDescriptor
  let heldCount = Atomic<Int>(0)

  init() throws {
    let event = try Event()
    answerNow = SharedDescriptor(try event.file.duplicate())
  }

  func release() { answerNow.file.signalEvent() }

  func reset() {}

  func process(_ queue: inout Virtqueue, at index: Int) throws(GuestFault) -> Int {
    var served = 0
    if answerNow.file.drainEvent() > 0 { served += answer(&queue) }
    while true {
      let slot = Lane.Slot()
      guard try queue.pop(into: &slot.chain) else { break }
      lane.held.append(slot)
      heldCount.add(1, ordering: .relaxed)
      served += 1
    }
    queue.flush()
    return served
  }

  /// Says "late" in every chain.
  private func answer(_ queue: inout Virtqueue) -> Int {
    let text = Scratch(byteCount: 4)
    text.segment.store(UInt32(0x6574_616c))
    let count = lane.held.count
    for slot in lane.held {
      queue.complete(slot.chain, written: slot.chain.writable.scatter(text.segment))
    }
    lane.held = []
    return count
  }

  func completionDescriptor(at index: Int) -> Int32? { lane.held.isEmpty ? nil : answerNow.file.raw }

  func stop(_ queue: inout Virtqueue, at index: Int) { _ = answer(&queue) }
}

/// A driver that breaks the ring's rules in the middle of its work (DESIGN: three kinds of error). Invariants: what was
/// taken before is answered; the err descriptor is signalled once per fault; the log has one line, however often it
/// happens; the ring stays stopped until a message starts it anew, and goes on after the broken chain.
@Suite(.timeLimit(.minutes(30)))
struct FaultTests {
  private final class Stage {
    let device: LateDevice
    let endpoint: Endpoint
    let frontend: RawFrontend
    let ring: GuestRing
    let log = LineLog()
    private var thread: Thread?

    init() throws {
      device = try LateDevice()
      ring = try GuestRing()
      let pair = try UnixSocket.pair()
      let ours = pair.first
      let theirs = pair.second
      endpoint = Endpoint(connection: ours, device: device, log: log)
      frontend = try RawFrontend(theirs)
      let endpoint = endpoint
      thread = try Thread(name: "endpoint") { _ = endpoint.run() }
      try setUp()
    }

    deinit {
      endpoint.stop()
      if let thread = thread.take() { thread.join() }
    }

    func setUp() throws {
      #expect(try frontend.acknowledge(2, SessionTests.allFeatures) == 0)
      #expect(try frontend.acknowledge(5, ring.memoryTable, files: [ring.file.file]) == 0)
      #expect(try frontend.acknowledge(8, bytes(UInt32(0), UInt32(ring.size))) == 0)
      #expect(try frontend.acknowledge(10, bytes(UInt32(0), UInt32(0))) == 0)
      #expect(try frontend.acknowledge(9, ring.addresses) == 0)
      #expect(try frontend.acknowledge(14, bytes(UInt64(0)), files: [ring.err.file]) == 0)
      #expect(try frontend.acknowledge(13, bytes(UInt64(0)), files: [ring.call.file]) == 0)
      try kick()
      try enable(true)
    }

    func kick() throws { #expect(try frontend.acknowledge(12, bytes(UInt64(0)), files: [ring.kick.file]) == 0) }

    func enable(_ on: Bool) throws {
      #expect(try frontend.acknowledge(18, bytes(UInt32(0), UInt32(on ? 1 : 0))) == 0)
    }

    /// A chain whose request lies outside of all memory.
    func breakRules() {
      ring.submit("lost", slot: 7, dataAddress: 0x1000)
      #expect(ring.err.file.isSignalled())
    }

    func waitHeld(_ count: Int) {
      let end = Clock.monotonic + 60_000_000_000
      while device.heldCount.load(ordering: .relaxed) < count, Clock.monotonic < end {
        _ = Poll.wait(nil, nil, timeoutNanoseconds: 200_000)
      }
      #expect(device.heldCount.load(ordering: .relaxed) == count)
    }

    /// A chain from here to there and back.
    func expectServed(slot: Int) {
      let used = ring.used
      let held = device.heldCount.load(ordering: .relaxed)
      ring.submit("again", slot: slot)
      waitHeld(held + 1)
      device.release()
      #expect(ring.waitUsed(used &+ 1))
      #expect(ring.answer(4, slot: slot) == "late")
    }
  }

  @Test func whatIsInFlightIsAnsweredAndTheRingStops() throws {
    let stage = try Stage()
    for slot in 0..<3 { stage.ring.submit("held \(slot)", slot: slot) }
    stage.waitHeld(3)
    #expect(stage.ring.used == 0)
    stage.breakRules()
    #expect(stage.ring.waitUsed(3))
    for slot in 0..<3 { #expect(stage.ring.answer(4, slot: slot) == "late") }
    #expect(stage.ring.call.file.isSignalled())
    #expect(stage.endpoint.statistics.faults == 1)
    let lines = stage.log.waitForLines(.warning)
    #expect(lines == ["queue 0 stopped, because the driver broke the ring's rules: addressOutsideMemory"])
    // A kick does not start it again.
    stage.ring.submit("ignored", slot: 3)
    try stage.frontend.barrier()
    _ = Poll.wait(nil, nil, timeoutNanoseconds: 50_000_000)
    #expect(stage.ring.used == 3 && stage.device.heldCount.load(ordering: .relaxed) == 3)
    #expect(!stage.ring.err.file.isSignalled(withinMilliseconds: 0))
  }

  @Test func theLogIsNotFlooded() throws {
    let stage = try Stage()
    for round in 1...20 {
      stage.breakRules()
      try stage.enable(false)
      try stage.enable(true)
      #expect(stage.endpoint.statistics.faults == round)
    }
    #expect(stage.log.waitForLines(.warning).count == 1)
  }

  enum Recovery: CaseIterable {
    case getBase, base, addresses, kick, enable, reset
  }

  @Test(arguments: Recovery.allCases) func startsAgainAfterTheBrokenChain(_ recovery: Recovery) throws {
    let stage = try Stage()
    stage.expectServed(slot: 0)
    for _ in 0..<2 {
      stage.breakRules()
      let (frontend, ring) = (stage.frontend, stage.ring)
      let next = UInt32(ring.available)
      switch recovery {
      case .getBase:
        #expect(try frontend.ask(11, bytes(UInt32(0), UInt32(0))).payload == bytes(UInt32(0), next))
        try stage.kick()
      case .base: #expect(try frontend.acknowledge(10, bytes(UInt32(0), next)) == 0)
      case .addresses: #expect(try frontend.acknowledge(9, ring.addresses) == 0)
      case .kick: try stage.kick()
      case .enable:
        try stage.enable(false)
        try stage.enable(true)
      case .reset:
        #expect(try frontend.acknowledge(34) == 0)
        ring.reset()
        try stage.setUp()
      }
      stage.expectServed(slot: 1)
      stage.expectServed(slot: 2)
    }
  }
}
