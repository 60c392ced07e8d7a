// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Linux
import Synchronization
import Testing
import VhostUser
import Wire

/// Rings that run, in every order in which frontends set them up. Invariants: a ring runs when it has a size, memory,
/// addresses, a kick and is enabled; kicks and calls are never lost; a pause goes on at the same index.
@Suite(.timeLimit(.minutes(30)))
struct RingTests {
  /// The usual order (QEMU): features, memory, size, base, addresses, kick, call.
  private func setUp(
    _ frontend: RawFrontend, _ ring: GuestRing, features: [UInt8] = SessionTests.allFeatures, base: UInt32 = 0,
    enable: Bool = true
  ) throws {
    #expect(try frontend.acknowledge(2, features) == 0)
    #expect(try frontend.acknowledge(14, bytes(UInt64(ring.index)), files: [ring.err.file]) == 0)
    #expect(try frontend.acknowledge(5, ring.memoryTable, files: [ring.file.file]) == 0)
    try restart(frontend, ring, base: base)
    if enable { #expect(try frontend.acknowledge(18, bytes(ring.index, UInt32(1))) == 0) }
  }

  private func restart(_ frontend: RawFrontend, _ ring: GuestRing, base: UInt32 = 0) throws {
    #expect(try frontend.acknowledge(8, bytes(ring.index, UInt32(ring.size))) == 0)
    #expect(try frontend.acknowledge(10, bytes(ring.index, base)) == 0)
    #expect(try frontend.acknowledge(9, ring.addresses) == 0)
    #expect(try frontend.acknowledge(12, bytes(UInt64(ring.index)), files: [ring.kick.file]) == 0)
    #expect(try frontend.acknowledge(13, bytes(UInt64(ring.index)), files: [ring.call.file]) == 0)
  }

  private func echo(_ ring: GuestRing, _ text: String, slot: Int = 0) {
    ring.submit(text, slot: slot)
    #expect(ring.waitUsed(ring.available))
    #expect(ring.answer(text.utf8.count, slot: slot) == text)
  }

  @Test func aChainIsServedAndCalled() throws {
    let bench = try Bench()
    let ring = try GuestRing()
    try setUp(bench.frontend, ring)
    echo(ring, "hello")
    #expect(ring.call.file.isSignalled())
    #expect(try bench.frontend.ask(11, bytes(UInt32(0), UInt32(0))).payload == bytes(UInt32(0), UInt32(1)))
    #expect(bench.endpoint.statistics.chains == 1)
    #expect(bench.endpoint.statistics.calls == 1)
    #expect(bench.device.acceptedFeatures.load(ordering: .relaxed) == 1 << 32, "vhost's bits are not the device's")
  }

  /// A daemon may die between showing its last chains and calling, and its successor's CALL comes before the ring runs.
  @Test func aRingThatWasServedBeforeCallsWhenItStarts() throws {
    let bench = try Bench()
    let ring = try GuestRing()
    try setUp(bench.frontend, ring)
    echo(ring, "served")
    #expect(try bench.frontend.acknowledge(18, bytes(UInt32(0), UInt32(0))) == 0)
    // Whatever was called until now is gone.
    ring.call.drain()
    #expect(try bench.frontend.acknowledge(13, bytes(UInt64(0)), files: [ring.call.file]) == 0)
    #expect(!ring.call.file.isSignalled(withinMilliseconds: 0))
    #expect(try bench.frontend.acknowledge(18, bytes(UInt32(0), UInt32(1))) == 0)
    #expect(ring.call.file.isSignalled())
  }

  @Test func withoutBit30RingsAreEnabledAtOnce() throws {
    let bench = try Bench()
    let ring = try GuestRing()
    try setUp(bench.frontend, ring, features: SessionTests.noFeatures, enable: false)
    echo(ring, "stratovirt")
    // Pause and resume as stratovirt does: GET_VRING_BASE, then BASE, CALL, KICK without ADDR.
    #expect(try bench.frontend.ask(11, bytes(UInt32(0), UInt32(0))).payload == bytes(UInt32(0), UInt32(1)))
    ring.submit("later")
    #expect(ring.used == 1)
    #expect(try bench.frontend.acknowledge(10, bytes(UInt32(0), UInt32(1))) == 0)
    #expect(try bench.frontend.acknowledge(12, bytes(UInt64(0)), files: [ring.kick.file]) == 0)
    #expect(ring.waitUsed(2))
  }

  @Test func withBit30ARingWaitsForEnableAndKeepsItsKicks() throws {
    let bench = try Bench()
    let ring = try GuestRing()
    try setUp(bench.frontend, ring, enable: false)
    ring.submit("early")
    try bench.frontend.barrier()
    #expect(ring.used == 0)
    #expect(try bench.frontend.acknowledge(18, bytes(UInt32(0), UInt32(1))) == 0)
    #expect(ring.waitUsed(1))
    #expect(try bench.frontend.acknowledge(18, bytes(UInt32(0), UInt32(0))) == 0)
    ring.submit("while disabled", kicks: false)
    #expect(try bench.frontend.acknowledge(18, bytes(UInt32(0), UInt32(1))) == 0)
    #expect(ring.waitUsed(2))
  }

  @Test func enableOfARingThatWasNeverSetUpIsFine() throws {
    let bench = try Bench()
    #expect(try bench.frontend.acknowledge(18, bytes(UInt32(1), UInt32(1))) == 0)
    #expect(try bench.frontend.acknowledge(18, bytes(UInt32(2), UInt32(1))) != 0)
    #expect(try bench.frontend.ask(11, bytes(UInt32(1), UInt32(0))).payload == bytes(UInt32(1), UInt32(0)))
  }

  @Test func theKickMayComeFirst() throws {
    let bench = try Bench()
    let ring = try GuestRing(1, size: 32)
    let frontend = bench.frontend
    // alioth: memory by ADD_MEM_REG, KICK, CALL, NUM, BASE, ADDR, ENABLE.
    let region = bytes(UInt64(0)) + ring.region(byteCount: 1 << 20)
    #expect(try frontend.acknowledge(37, region, files: [ring.file.file]) == 0)
    #expect(try frontend.acknowledge(2, SessionTests.allFeatures) == 0)
    #expect(try frontend.acknowledge(12, bytes(UInt64(1)), files: [ring.kick.file]) == 0)
    #expect(try frontend.acknowledge(13, bytes(UInt64(1)), files: [ring.call.file]) == 0)
    #expect(try frontend.acknowledge(8, bytes(UInt32(1), UInt32(32))) == 0)
    #expect(try frontend.acknowledge(10, bytes(UInt32(1), UInt32(0))) == 0)
    #expect(try frontend.acknowledge(9, ring.addresses) == 0)
    #expect(try frontend.acknowledge(18, bytes(UInt32(1), UInt32(1))) == 0)
    echo(ring, "alioth")
    // Reset without GET_VRING_BASE: ENABLE 0, SET_STATUS 0; then all again from index 0, memory kept.
    #expect(try frontend.acknowledge(18, bytes(UInt32(1), UInt32(0))) == 0)
    #expect(try frontend.acknowledge(39, bytes(UInt64(0))) == 0)
    ring.reset()
    try restart(frontend, ring)
    #expect(try frontend.acknowledge(18, bytes(UInt32(1), UInt32(1))) == 0)
    echo(ring, "again")
  }

  @Test func aResetStartsOverWithTheSameMemory() throws {
    let bench = try Bench()
    let ring = try GuestRing()
    try setUp(bench.frontend, ring)
    echo(ring, "first boot")
    for _ in 0..<2 { #expect(try bench.frontend.acknowledge(34) == 0) }
    ring.reset()
    ring.submit("too early")
    #expect(try bench.frontend.acknowledge(18, bytes(UInt32(0), UInt32(1))) == 0, "nothing is set up yet")
    #expect(ring.used == 0)
    ring.reset()
    try restart(bench.frontend, ring)
    echo(ring, "second boot")
  }

  @Test func aRingWithoutKickIsPolled() throws {
    let bench = try Bench()
    let ring = try GuestRing()
    try setUp(bench.frontend, ring)
    #expect(try bench.frontend.acknowledge(12, bytes(UInt64(0x100))) == 0)
    ring.submit("nobody kicks", kicks: false)
    #expect(ring.waitUsed(1))
  }

  @Test func theCallMayBeReplacedWhileTheRingRuns() throws {
    let bench = try Bench()
    let ring = try GuestRing()
    try setUp(bench.frontend, ring)
    let masked = try Event()
    for round in 0..<20 {
      let call = round % 2 == 0 ? masked.file : ring.call.file
      ring.submit("storm", slot: round % 8)
      #expect(try bench.frontend.acknowledge(13, bytes(UInt64(0)), files: [call]) == 0)
      #expect(call.isSignalled(), "one call comes after the change")
      // No more chains than the ring holds.
      if round % 8 == 7 { #expect(ring.waitUsed(ring.available)) }
    }
    #expect(try bench.frontend.acknowledge(13, bytes(UInt64(0x100))) == 0)
    #expect(ring.waitUsed(20))
    ring.call.drain()
    echo(ring, "without call")
    #expect(!ring.call.file.isSignalled(withinMilliseconds: 20))
  }

  @Test func changesWhileTheRingRunsLoseNothing() throws {
    let bench = try Bench()
    let ring = try GuestRing()
    let other = try MemoryFile.create("test-more", byteCount: 1 << 20)
    try setUp(bench.frontend, ring)
    let extra = bytes(UInt64(0), UInt64(0x8000_0000), UInt64(0x3b10), UInt64(0x8000_0000), UInt64(0))
    for round in 0..<40 {
      ring.submit("round \(round)", slot: round % 8)
      switch round % 5 {
      case 0: #expect(try bench.frontend.acknowledge(37, extra, files: [other.file]) == 0)
      case 1: #expect(try bench.frontend.acknowledge(38, extra, files: [other.file]) == 0)
      case 2: #expect(try bench.frontend.acknowledge(5, ring.memoryTable, files: [ring.file.file]) == 0)
      case 3: #expect(try bench.frontend.acknowledge(12, bytes(UInt64(0)), files: [ring.kick.file]) == 0)
      default: #expect(try bench.frontend.acknowledge(9, ring.addresses) == 0)
      }
      #expect(ring.waitUsed(UInt16(round + 1)))
    }
  }

  @Test func memoryThatWasJustAddedIsUsedAtOnce() throws {
    let bench = try Bench()
    let ring = try GuestRing()
    try setUp(bench.frontend, ring)
    let more = try MemoryFile.create("test-plugged", byteCount: 1 << 20)
    let memory = try Mapping(more.file, byteCount: 1 << 20)
    memory.segment.store(UInt32(0x6867_6968))
    for round in 0..<200 {
      // The thread is busy, or has just fallen asleep, with the old table.
      ring.submit("low", slot: 1)
      let address = UInt64(0x8000_0000) + UInt64(round) << 21
      let region = bytes(UInt64(0), address, UInt64(1 << 20), address, UInt64(0))
      #expect(try bench.frontend.acknowledge(37, region, files: [more.file]) == 0)
      ring.submit("....", slot: 2, dataAddress: address)
      #expect(ring.waitUsed(UInt16(2 * round + 2)))
      #expect(ring.answer(4, slot: 2) == "high")
      #expect(try bench.frontend.acknowledge(38, region) == 0)
    }
    #expect(bench.endpoint.statistics.faults == 0)
  }

  @Test func aBrokenRingStopsAloneAndSignalsItsErr() throws {
    let bench = try Bench()
    let (good, bad) = (try GuestRing(0), try GuestRing(1))
    try setUp(bench.frontend, bad)
    bad.submit("outside", dataAddress: 0xdead_0000_0000)
    #expect(bad.err.file.isSignalled())
    #expect(bench.endpoint.statistics.faults == 1)
    try setUp(bench.frontend, good)
    echo(good, "still here")
    // The frontend can start it again.
    #expect(try bench.frontend.ask(11, bytes(UInt32(1), UInt32(0))).payload.count == 8)
    bad.reset()
    #expect(try bench.frontend.acknowledge(5, bad.memoryTable, files: [bad.file.file]) == 0)
    try restart(bench.frontend, bad)
    echo(bad, "mended")
  }

  @Test func impossibleRingsAreRefused() throws {
    let bench = try Bench()
    for size in [UInt32(0), 3, 2048, 65536, .max] {
      #expect(try bench.frontend.acknowledge(8, bytes(UInt32(0), size)) != 0)
    }
    #expect(try bench.frontend.acknowledge(8, bytes(UInt32(2), UInt32(16))) != 0)
    let ring = try GuestRing()
    let lost = bytes(UInt32(0), UInt32(0), UInt64(16), UInt64(32), UInt64(64), UInt64(0))
    #expect(try bench.frontend.acknowledge(2, SessionTests.noFeatures) == 0)
    #expect(try bench.frontend.acknowledge(5, ring.memoryTable, files: [ring.file.file]) == 0)
    #expect(try bench.frontend.acknowledge(8, bytes(UInt32(0), UInt32(16))) == 0)
    #expect(try bench.frontend.acknowledge(9, lost) == 0)
    #expect(try bench.frontend.acknowledge(12, bytes(UInt64(0)), files: [ring.kick.file]) != 0)
    let wild = bytes(UInt32(0), UInt32(1), UInt64(16), UInt64(32), UInt64(64), UInt64.max)
    #expect(try bench.frontend.acknowledge(9, wild) != 0)
  }

  @Test func aBusyQueueWithEventIndexAnswersEverything() throws {
    let bench = try Bench()
    let ring = try GuestRing(size: 64)
    try setUp(bench.frontend, ring, features: bytes(UInt64(1) << 32 | 1 << 30 | 1 << 29))
    for round in 0..<2000 {
      ring.submit("request \(round)", slot: round % 16)
      if round % 16 == 15 { #expect(ring.waitUsed(UInt16(round + 1))) }
    }
    #expect(try bench.frontend.ask(11, bytes(UInt32(0), UInt32(0))).payload == bytes(UInt32(0), UInt32(2000)))
    #expect(bench.endpoint.statistics.chains == 2000)
  }

  @Test func inBandNotificationsReplaceBothDescriptors() throws {
    let bench = try Bench(Endpoint.Options(offersInBandNotifications: true))
    let ring = try GuestRing()
    let pair = try UnixSocket.pair()
    let theirs = pair.first
    let ours = pair.second
    try ours.setTimeout(milliseconds: 60_000)
    // REPLY_ACK, BACKEND_REQ, INBAND_NOTIFICATIONS
    #expect(try bench.frontend.acknowledge(16, bytes(UInt64(1) << 3 | 1 << 5 | 1 << 14)) == 0)
    #expect(try bench.frontend.acknowledge(21, files: [theirs.file]) == 0)
    #expect(try bench.frontend.acknowledge(2, SessionTests.allFeatures) == 0)
    #expect(try bench.frontend.acknowledge(5, ring.memoryTable, files: [ring.file.file]) == 0)
    #expect(try bench.frontend.acknowledge(8, bytes(UInt32(0), UInt32(16))) == 0)
    #expect(try bench.frontend.acknowledge(9, ring.addresses) == 0)
    #expect(try bench.frontend.acknowledge(18, bytes(UInt32(0), UInt32(1))) == 0)
    for round in 1...3 {
      ring.submit("uml", kicks: false)
      #expect(try bench.frontend.acknowledge(35, bytes(UInt32(0), UInt32(0))) == 0)
      #expect(ring.waitUsed(UInt16(round)))
      var none = ReceivedDescriptors()
      let call = try ours.receive(20, descriptors: &none)
      #expect(call == bytes(UInt32(4), UInt32(1), UInt32(8), UInt32(0), UInt32(0)))
    }
  }
}
