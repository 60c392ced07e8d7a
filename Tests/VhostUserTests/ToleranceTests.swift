// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What frontends do that the specification does not say, or says otherwise: one test per habit, first half (order of
// messages and the life of rings). ToleranceStateTests.swift has the rest.

import Frontend
import Linux
import Testing
import VhostUser
import VhostUserProtocol
import VirtioProtocol
import Wire

/// A backend that must get on with every frontend. Invariants:
/// - messages come in any order; a ring runs when all that it needs has been said;
/// - what is answered is answered once, in order, in one piece;
/// - nothing that a guest put into a ring is lost while its device is stopped, paused or rewired.
@Suite(.timeLimit(.minutes(30)))
struct ToleranceTests {
  enum Ownership: CaseIterable { case never, first, late, repeated, resetBefore, resetAndAgain }

  @Test("1: SET_OWNER first, late, repeated or never, RESET_OWNER at any time", arguments: Ownership.allCases)
  func ownership(_ habit: Ownership) throws {
    let backend = try TestBackend()
    let machine = try PlainFrontend(backend)
    let connection = machine.connection
    if habit == .resetBefore { try connection.resetOwner() }
    if habit == .first || habit == .repeated { try connection.setOwner() }
    _ = try connection.getFeatures()
    if habit == .late || habit == .repeated { try connection.setOwner() }
    try connection.setProtocolFeatures([.mq, .replyAck, .configureMemSlots])
    try connection.setFeatures(machine.features.union(.vhostUserProtocolFeatures))
    try machine.addMemory()
    for queue in machine.queues { try machine.describe(queue) }
    if habit == .repeated { try connection.setOwner() }
    try machine.enable()
    try machine.traffic()
    guard habit == .resetAndAgain else { return }
    for queue in machine.queues { queue.resumeBase = try connection.getRingBase(queue.index) }
    try connection.resetOwner(needReply: true)
    for queue in machine.queues { try machine.describe(queue) }
    try machine.enable()
    try machine.traffic()
  }

  enum FeaturesMoment: CaseIterable { case first, beforeRings, afterRings, twice }

  @Test("2: without protocol features SET_FEATURES enables all rings", arguments: FeaturesMoment.allCases)
  func noNegotiation(_ moment: FeaturesMoment) throws {
    let backend = try TestBackend()
    let machine = try PlainFrontend(backend)
    let connection = machine.connection
    if moment == .first || moment == .twice { try connection.setFeatures(machine.features) }
    try connection.setMemoryTable(machine.ram)
    if moment == .beforeRings { try connection.setFeatures(machine.features) }
    for queue in machine.queues { try machine.describe(queue) }
    if moment == .afterRings || moment == .twice { try connection.setFeatures(machine.features) }
    try machine.traffic()
  }

  @Test("3: VRING_ENABLE without bit 30, and for rings that were never set up", arguments: [false, true])
  func enableUnasked(negotiated: Bool) throws {
    let backend = try TestBackend()
    let machine = try PlainFrontend(backend)
    let connection = machine.connection
    if negotiated { try machine.negotiate() } else { try connection.setFeatures(machine.features) }
    try connection.setMemoryTable(machine.ram)
    try machine.enable()
    try machine.enable(false)
    // Only the second ring is ever described.
    try machine.describe(machine.queues[1])
    try machine.enable()
    try Traffic().run(on: machine.queues[1])
    try machine.enable(false)
    try machine.enable()
    try Traffic().run(on: machine.queues[1])
  }

  enum Acknowledged: CaseIterable { case nothing, replyAckWithoutGet, all }

  @Test("4: NEED_REPLY is answered once, negotiated or not", arguments: Acknowledged.allCases)
  func needReply(_ habit: Acknowledged) throws {
    let backend = try TestBackend()
    let machine = try PlainFrontend(backend)
    let connection = machine.connection
    if habit == .all { _ = try connection.getProtocolFeatures(needReply: true) }
    if habit != .nothing { try connection.setProtocolFeatures([.mq, .replyAck, .config], needReply: true) }
    // With an answer of their own.
    _ = try connection.getFeatures(needReply: true)
    _ = try connection.getProtocolFeatures(needReply: true)
    _ = try connection.getQueueCount(needReply: true)
    _ = try connection.getMemorySlots(needReply: true)
    _ = try connection.getStatus(needReply: true)
    _ = try connection.getConfig(offset: 0, count: 16, needReply: true)
    _ = try connection.getInflight(queueCount: 2, queueSize: 128, needReply: true)
    #expect(try connection.getRingBase(1, needReply: true) == 0)
    // Without.
    try connection.setOwner(needReply: true)
    try connection.setFeatures(machine.features.union(.vhostUserProtocolFeatures), needReply: true)
    try connection.setStatus(.acknowledge, needReply: true)
    try connection.setConfig(offset: 8, bytes: [1], needReply: true)
    try connection.setMemoryTable(machine.ram, needReply: true)
    for queue in machine.queues {
      try connection.describe(queue, needReply: true)
      try connection.setCall(queue.index, queue.callEvent.file, needReply: true)
      try connection.setError(queue.index, queue.errorEvent.file, needReply: true)
      try connection.setKick(queue.index, queue.kickEvent.file, needReply: true)
      try connection.setRingEnabled(queue.index, true, needReply: true)
    }
    try machine.traffic()
    try connection.resetDevice(needReply: true)
    #expect(connection.socket.isQuiet(timeoutNanoseconds: 50_000_000), "nothing is answered twice")
  }

  @Test(
    "5: replies are one piece of exact size; payloads may be longer or shorter than ours", arguments: [0, 4, 32, 960])
  func payloadSizes(padding: Int) throws {
    let backend = try TestBackend()
    let machine = try PlainFrontend(try backend.connect(readStyle: .oneCall))
    try machine.negotiate([.mq, .replyAck, .inflightShmfd])
    let connection = machine.connection
    try connection.setMemoryTable(machine.ram, padding: padding, needReply: true)
    let short = padding != 0
    let inflight = try connection.getInflight(queueCount: 2, queueSize: 128, withoutPadding: short)
    try connection.setInflight(inflight, withoutPadding: short, needReply: true)
    // Many at once: answers in the order of the questions.
    for _ in 0..<10 {
      try connection.send(.getQueueNum)
      try connection.send(.setOwner, needReply: true)
      try connection.send(.getFeatures)
    }
    let ordered = try FrontendConnectionReader(connection).read(30)
    #expect(ordered == Array(repeating: [.getQueueNum, .setOwner, .getFeatures], count: 10).flatMap { $0 })
    for queue in machine.queues { try machine.describe(queue) }
    try machine.enable()
    try machine.traffic()
  }

  /// Takes answers that were sent back to back, with the usual two reads.
  private struct FrontendConnectionReader {
    let connection: FrontendConnection
    init(_ connection: FrontendConnection) { self.connection = connection }

    func read(_ count: Int) throws -> [FrontendRequest] {
      // A second view of the same socket, because one-call reads cannot tell messages apart.
      let socket = MessageSocket(UnixSocket(try connection.socket.file.duplicate()))
      var requests: [FrontendRequest] = []
      for _ in 0..<count {
        let message = try socket.receive(timeoutNanoseconds: 60_000_000_000)
        requests.append(try #require(FrontendRequest(rawValue: message.header.request)))
      }
      return requests
    }
  }

  enum RingOrder: CaseIterable {
    case descriptorsFirst, kickFirst, kickLast, enableFirst, memoryLast, featuresLast, pollingKick, kickWhileDisabled
  }

  @Test("6: ring messages in any order; kicks while disabled are not lost", arguments: RingOrder.allCases)
  func ringOrder(_ order: RingOrder) throws {
    let backend = try TestBackend()
    let machine = try PlainFrontend(backend)
    let connection = machine.connection
    try connection.setProtocolFeatures([.mq, .replyAck, .configureMemSlots])
    let all = machine.features.union(.vhostUserProtocolFeatures)
    if order != .featuresLast { try connection.setFeatures(all) }
    if order != .memoryLast { try machine.addMemory() }
    if order == .enableFirst { try machine.enable() }
    let early = order == .kickWhileDisabled ? try Traffic().send(on: machine.queues[0]) : []
    for queue in machine.queues {
      if order == .descriptorsFirst || order == .kickFirst {
        try connection.setKick(queue.index, queue.kickEvent.file)
        try connection.setCall(queue.index, queue.callEvent.file)
        try connection.setError(queue.index, queue.errorEvent.file)
      }
      if order == .kickFirst {
        try connection.setRingAddress(queue.addresses())
        try connection.setRingBase(queue.index, 0)
        try connection.setRingSize(queue.index, queue.size)
      } else {
        try connection.describe(queue)
      }
      if order != .descriptorsFirst && order != .kickFirst {
        try connection.setCall(queue.index, queue.callEvent.file)
        if order == .kickLast { try connection.setRingEnabled(queue.index, true) }
        try connection.setKick(queue.index, order == .pollingKick ? nil : queue.kickEvent.file)
      }
    }
    try machine.enable()
    if order == .memoryLast { try machine.addMemory() }
    if order == .featuresLast { try connection.setFeatures(all, needReply: true) }
    if order == .kickWhileDisabled { try Traffic().receive(early, on: machine.queues[0]) }
    try machine.traffic(order == .pollingKick ? Traffic(notify: { $0.publish() }) : Traffic())
  }

  @Test("6: CALL and KICK replaced in the middle of traffic", arguments: [1, 2, 3])
  func descriptorsReplaced(seed: Int) throws {
    let backend = try TestBackend()
    let machine = try PlainFrontend(backend)
    try machine.start()
    let queue = machine.queues[1]
    for round in 0..<30 {
      let sent = try Traffic().send(on: queue)
      if round % 3 == seed % 3 { try machine.connection.setKick(1, queue.kickEvent.file) }
      if round % 2 == 0 {
        // Nobody listens to this one; then back.
        let other = try Event()
        try machine.connection.setCall(1, other.file)
        try machine.connection.setCall(1, queue.callEvent.file)
      }
      if round % 5 == seed { try machine.connection.setCall(1, nil) }
      if round % 5 == seed { try machine.connection.setCall(1, queue.callEvent.file) }
      try Traffic().receive(sent, on: queue)
    }
  }

  @Test("6: a call that went to the descriptor before is made good after the change")
  func callIsRepeated() throws {
    let backend = try TestBackend()
    let machine = try PlainFrontend(backend)
    try machine.start()
    let queue = machine.queues[1]
    let masked = try Event()
    for _ in 0..<10 {
      try machine.connection.setCall(1, masked.file)
      queue.takeCall()
      queue.requestInterrupt()
      let sent = try Traffic(chains: 1).send(on: queue)
      #expect(eventually { queue.hasUsed })
      // The driver sleeps now: it only wakes up by its own descriptor.
      try machine.connection.setCall(1, queue.callEvent.file)
      #expect(eventually { queue.takeCall() })
      try Traffic(chains: 1).receive(sent, on: queue)
    }
  }

  static let layouts: [[GuestRegionLayout]] = [
    // Guest and user addresses are the same, not at 0.
    [GuestRegionLayout(guestAddress: 0x6000_0000, byteCount: 4 << 20, userAddress: 0x6000_0000)],
    // Both start at 0: QEMU with GPA_ADDRESSES.
    [GuestRegionLayout(guestAddress: 0, byteCount: 4 << 20, userAddress: 0)],
    // User address 0 for a region that is not the first.
    [
      GuestRegionLayout(guestAddress: 0x1_0000, byteCount: 0x8_0000, userAddress: 0x8000_0000),
      GuestRegionLayout(guestAddress: 1 << 32, byteCount: 4 << 20, userAddress: 0),
    ],
    // Sizes that are no whole pages, with offsets into their files.
    [
      GuestRegionLayout(guestAddress: 0x1000, byteCount: 0x3b10, userAddress: 0x7000_0000, mapOffset: 0x1000),
      GuestRegionLayout(guestAddress: 0x10_0000, byteCount: 0x20_0001, userAddress: 0x7100_0000, mapOffset: 0x30_0000),
    ],
    // Close to the end of the guest's address space.
    [
      GuestRegionLayout(
        guestAddress: 0xffff_ffff_ffbf_f000, byteCount: 4 << 20, userAddress: 0xffff_ffff_ff00_0000)
    ],
    // Thirty-two, as many as one message carries descriptors for.
    (0..<32).map {
      GuestRegionLayout(
        guestAddress: UInt64($0) << 20, byteCount: 1 << 20, userAddress: 0x7f00_0000_0000 + UInt64(32 - $0) << 24)
    },
  ]

  @Test("7: ring addresses are user addresses of any region", arguments: layouts, [false, true])
  func regionLayouts(_ layout: [GuestRegionLayout], table: Bool) throws {
    let backend = try TestBackend()
    let machine = try PlainFrontend(try backend.connect(), ram: try GuestRAM(layout))
    try machine.negotiate()
    if table {
      try machine.connection.setMemoryTable(machine.ram, needReply: true)
    } else {
      try machine.addMemory()
    }
    for queue in machine.queues { try machine.describe(queue) }
    try machine.enable()
    try machine.traffic()
  }
}
