// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What frontends do that the specification does not say, or says otherwise: one test per habit, second half (memory,
// configuration, resets, ends). ToleranceTests.swift has the first.

import Frontend
import Linux
import Synchronization
import Testing
import VhostUser
import VhostUserProtocol
import Virtio
import VirtioProtocol
import Wire

/// A backend that must get on with every frontend. Invariants:
/// - memory stays known until it is replaced, removed, or the connection ends;
/// - whatever a frontend reads of the configuration, it gets as many bytes as it asked for;
/// - a reset at any moment leaves a device that can be started;
/// - no message ends the backend, and the next frontend finds it as the first one did.
@Suite(.timeLimit(.minutes(30)))
struct ToleranceStateTests {
  enum MemoryHabit: CaseIterable {
    case tableEveryStart, keptThroughResetDevice, keptThroughStatus, keptThroughStop, keptThroughDisable, addAfterTable,
      removedAndAdded
  }

  @Test("8: memory survives what does not name it", arguments: MemoryHabit.allCases)
  func memoryHabits(_ habit: MemoryHabit) throws {
    let backend = try TestBackend()
    let machine = try PlainFrontend(backend)
    let connection = machine.connection
    try machine.negotiate()
    if habit == .tableEveryStart || habit == .addAfterTable {
      try connection.setMemoryTable(machine.ram, needReply: true)
    } else {
      try machine.addMemory()
    }
    for round in 0..<4 {
      for queue in machine.queues { try machine.describe(queue) }
      try machine.enable()
      try machine.traffic()
      switch habit {
      case .tableEveryStart:
        try connection.setMemoryTable(machine.ram, needReply: true)
        try machine.traffic()
      case .addAfterTable, .removedAndAdded:
        let region = try machine.ram.plug(
          GuestRegionLayout(
            guestAddress: UInt64(round + 1) << 32, byteCount: 0x1_0000, userAddress: 0x1000_0000 + UInt64(round) << 24))
        try connection.addMemory(region, needReply: true)
        try machine.traffic()
        if habit == .removedAndAdded {
          let gone = try #require(machine.ram.unplug(at: region.layout.guestAddress))
          try connection.removeMemory(gone, withDescriptor: round % 2 == 0, needReply: true)
          try machine.traffic()
        }
      case .keptThroughResetDevice: try connection.resetDevice(needReply: true)
      case .keptThroughStatus: try connection.setStatus([], needReply: true)
      case .keptThroughStop: for queue in machine.queues { _ = try connection.getRingBase(queue.index) }
      case .keptThroughDisable: try machine.enable(false)
      }
      try machine.enable(false)
      for queue in machine.queues { queue.reset() }
    }
  }

  @Test("8: many regions, added one by one, rings in the last", arguments: [64, 509])
  func manyRegions(count: Int) async throws {
    // In a process of its own, because it counts descriptors.
    await #expect(processExitsWith: .success) { [count = count as Int] in
      let backend = try TestBackend()
      let connection = try backend.connect()
      let descriptors = try openDescriptorCount()
      let ram = try GuestRAM(
        (0..<count).map {
          GuestRegionLayout(
            guestAddress: UInt64($0) << 21, byteCount: 1 << 17, userAddress: 0x7f00_0000_0000 + UInt64($0) << 21)
        })
      let frontendOnly = try openDescriptorCount() - descriptors
      let queue = try DriverQueue(index: 1, size: 64, ram: ram, features: PlainFrontend.usual, region: count - 1)
      try connection.setProtocolFeatures([.mq, .replyAck, .configureMemSlots])
      try connection.setFeatures(PlainFrontend.usual.union(.vhostUserProtocolFeatures))
      #expect(try connection.getMemorySlots() >= 509)
      for region in ram.regions { try connection.addMemory(region, needReply: true) }
      // Ours and nothing else: the backend, in the same process, closed what it got. Its own events come on top.
      #expect(try openDescriptorCount() - descriptors < frontendOnly + 32)
      try connection.describe(queue)
      try connection.setCall(1, queue.callEvent.file)
      try connection.setKick(1, queue.kickEvent.file)
      try connection.setRingEnabled(1, true, needReply: true)
      try Traffic().run(on: queue)
    }
  }

  @Test("a buffer may span regions that adjoin in the guest's address space", arguments: [false, true])
  func buffersAcrossRegions(indirect: Bool) throws {
    let backend = try TestBackend()
    let adjoining = (0..<3).map {
      GuestRegionLayout(
        guestAddress: 0x10_0000 + UInt64($0) << 16, byteCount: 1 << 16, userAddress: 0x7f00_0000_0000 + UInt64($0) << 32
      )
    }
    let ram = try GuestRAM(
      adjoining + [GuestRegionLayout(guestAddress: 1 << 32, byteCount: 1 << 20, userAddress: 0x7e00_0000_0000)])
    let machine = try PlainFrontend(try backend.connect(), ram: ram)
    try machine.negotiate()
    try machine.addMemory()
    for queue in machine.queues { try machine.describe(queue) }
    try machine.enable()
    let queue = machine.queues[1]
    // All three regions are one buffer; the last part of the first and the beginning of the last hold the answer.
    let question = try #require(ram.buffer(at: 0x10_0000, count: 1 << 16))
    question.segment.copy((0..<1 << 16).map { UInt8(truncatingIfNeeded: $0 &* 13) })
    let answer = SplitDescriptor(
      address: 0x10_0000 + (1 << 16) - 100, length: 100 + (1 << 16) + 100, flags: DescriptorFlags.write)
    let request = SplitDescriptor(
      address: 0x10_0000, length: (1 << 16) + 50, flags: DescriptorFlags.next, next: 1)
    if indirect {
      let table = try ram.allocate(32, region: 3)
      table.segment.store(request)
      table.segment.store(answer, at: 16)
      queue.pokeChain([
        SplitDescriptor(address: table.guestAddress, length: 32, flags: DescriptorFlags.indirect)
      ])
    } else {
      queue.pokeChain([request, answer])
    }
    queue.kick()
    #expect(eventually { queue.hasUsed || queue.takeError() })
    #expect(queue.hasUsed, "the buffer is one piece for the guest")
  }

  enum StopHabit: CaseIterable { case baseThenKick, baseOnly, disable, disableThenBase, neverStarted, twice }

  @Test("9: every way to stop a ring gives back where it stopped", arguments: StopHabit.allCases)
  func stopping(_ habit: StopHabit) throws {
    let backend = try TestBackend()
    let machine = try PlainFrontend(backend)
    let connection = machine.connection
    try machine.negotiate()
    try machine.addMemory()
    if habit == .neverStarted {
      #expect(try connection.getRingBase(0) == 0)
      try connection.setRingBase(1, 77)
      #expect(try connection.getRingBase(1) == 77, "the last base it was told")
      try connection.setRingBase(1, 0)
    }
    for queue in machine.queues { try machine.describe(queue) }
    try machine.enable()
    let queue = machine.queues[1]
    for _ in 0..<4 {
      try machine.traffic()
      switch habit {
      case .disable:
        try machine.enable(false)
      case .disableThenBase:
        try machine.enable(false)
        #expect(try connection.getRingBase(1) == queue.publishedIndex)
      default:
        #expect(try connection.getRingBase(1) == queue.publishedIndex)
        if habit == .twice { #expect(try connection.getRingBase(1) == queue.publishedIndex) }
      }
      let sent = try Traffic().send(on: queue)
      #expect(!queue.hasUsed, "a stopped ring is not served")
      if habit != .disable {
        if habit != .baseOnly { try connection.setRingBase(1, queue.publishedIndex &- UInt16(sent.count)) }
        try connection.setKick(1, queue.kickEvent.file)
      }
      try machine.enable()
      try Traffic().receive(sent, on: queue)
    }
  }

  @Test(
    "10: GET_CONFIG of any offset and size up to 256 answers that size, zeroes beyond the end",
    arguments: [0, 3, 15, 16, 20, 57, 60, 64, 200, 65535], [1, 2, 4, 8, 16, 57, 60, 64, 256])
  func configReads(offset: Int, count: Int) throws {
    let backend = try TestBackend()
    let connection = try backend.connect()
    for purpose in [ConfigPurpose.writable, ConfigPurpose.migration] {
      let bytes = try connection.getConfig(offset: offset, count: count, purpose: purpose)
      #expect(bytes == (offset..<offset + count).map { $0 < 16 ? UInt8($0) : 0 })
    }
  }

  @Test("10: SET_CONFIG is taken with either purpose", arguments: [ConfigPurpose.writable, ConfigPurpose.migration])
  func configWrites(purpose: UInt32) throws {
    let backend = try TestBackend()
    let connection = try backend.connect()
    try connection.setConfig(offset: 8, bytes: [4, 5, 6], purpose: purpose, needReply: true)
    #expect(try connection.getConfig(offset: 7, count: 5) == [7, 4, 5, 6, 11])
    #expect(throws: FrontendError.self, "read-only bytes") {
      try connection.setConfig(offset: 0, bytes: [1], purpose: purpose, needReply: true)
    }
    #expect(try connection.getConfig(offset: 0, count: 1) == [0])
  }

  static let featureSets: [VirtioFeatures] = [
    [.version1], [.version1, .eventIndex], [.version1, .indirectDescriptors], PlainFrontend.usual,
    // Bit 40 was never offered; QEMU sends it all the same.
    PlainFrontend.usual.union(.ringReset), [], [.eventIndex],
  ]

  @Test("11: feature sets differ between activations, and may name what was not offered", arguments: featureSets)
  func featuresChange(_ second: VirtioFeatures) throws {
    let backend = try TestBackend()
    let machine = try PlainFrontend(backend, features: [.version1])
    try machine.start()
    try machine.traffic(Traffic(chains: 5))
    for queue in machine.queues {
      try machine.connection.setRingEnabled(queue.index, false)
      _ = try machine.connection.getRingBase(queue.index)
    }
    let again = try PlainFrontend(machine.connection, features: second, ram: machine.ram)
    try machine.connection.setFeatures(second.union(.vhostUserProtocolFeatures), needReply: true)
    for queue in again.queues { try again.describe(queue) }
    try again.enable()
    try again.traffic(Traffic(chains: 5))
  }

  enum ResetHabit: CaseIterable { case beforeAll, severalInARow, whileRunning, statusOnly, statusBits }

  @Test("12: RESET_DEVICE and STATUS at any time, DRIVER_OK never needed", arguments: ResetHabit.allCases)
  func resets(_ habit: ResetHabit) throws {
    let backend = try TestBackend()
    let machine = try PlainFrontend(backend)
    let connection = machine.connection
    if habit == .beforeAll { for _ in 0..<3 { try connection.resetDevice() } }
    try machine.negotiate()
    try machine.addMemory()
    if habit == .severalInARow { for _ in 0..<5 { try connection.resetDevice() } }
    for round in 0..<3 {
      for queue in machine.queues { try machine.describe(queue) }
      if habit == .statusBits { try connection.setStatus(round == 0 ? .featuresOK : .driverOK) }
      try machine.enable()
      try machine.traffic()
      switch habit {
      case .whileRunning, .severalInARow, .beforeAll:
        _ = try Traffic().send(on: machine.queues[0])
        for _ in 0..<3 { try connection.resetDevice(needReply: true) }
      case .statusOnly, .statusBits:
        try connection.setStatus([], needReply: true)
        #expect(try connection.getStatus() == [])
      }
      for queue in machine.queues { queue.reset() }
    }
  }

  @Test("13: the main connection answers while nobody reads the backend's channel", arguments: [1, 5000])
  func fullBackendChannel(messages: Int) throws {
    let device = EchoDevice()
    let backend = try TestBackend(device)
    let machine = try PlainFrontend(backend)
    let channel = try BackendChannel()
    try machine.connection.setProtocolFeatures([.mq, .replyAck, .config, .backendReq, .configureMemSlots])
    try machine.connection.setBackendChannel(channel.backendFile, needReply: true)
    try machine.connection.setFeatures(machine.features.union(.vhostUserProtocolFeatures))
    try machine.addMemory()
    for queue in machine.queues { try machine.describe(queue) }
    try machine.enable()
    try machine.traffic()
    let host = try #require(device.host.withLock { $0 })
    let flood = try Linux.Thread(name: "flood") { for _ in 0..<messages { host.configurationChanged() } }
    for _ in 0..<20 {
      // Answered at all: whoever waited until the channel is read would wait for ever.
      _ = try machine.connection.getFeatures()
      try machine.traffic(Traffic(chains: 2))
    }
    let first = try channel.receive(timeoutNanoseconds: 60_000_000_000)
    #expect(first.header.request == BackendRequest.configChangeMsg.rawValue)
    machine.connection.close()
    flood.join()
  }

  enum Ending: CaseIterable { case idle, running, withWork, halfAMessage, resetAndGone, nothingSaid }

  @Test("14: after every kind of disconnect the next frontend is served", arguments: Ending.allCases)
  func disconnects(_ ending: Ending) throws {
    let backend = try TestBackend()
    for _ in 0..<4 {
      let connection = try backend.connect()
      if ending != .nothingSaid, ending != .halfAMessage {
        let machine = try PlainFrontend(connection)
        try machine.start()
        if ending != .idle { try machine.traffic() }
        if ending == .withWork { _ = try Traffic(chains: 20).send(on: machine.queues[1]) }
        if ending == .resetAndGone { try connection.resetDevice() }
      }
      if ending == .halfAMessage { try connection.socket.send(raw: [1, 0, 0, 0, 1]) }
      connection.close()
    }
    let machine = try PlainFrontend(backend)
    try machine.start()
    try machine.traffic()
  }

  @Test("15: an unknown message is refused if it asks, ignored if not", arguments: [0, 45, 1000, 1004, UInt32.max])
  func unknownMessages(number: UInt32) throws {
    let backend = try TestBackend()
    let machine = try PlainFrontend(backend)
    try machine.start()
    let socket = machine.connection.socket
    for size in [0, 8, 24, 300] {
      let payload = [UInt8](repeating: 0xa5, count: size)
      try socket.send(MessageHeader(request: number, size: UInt32(size)), payload: payload)
      let asking = MessageHeader(
        request: number, flags: MessageHeader.version | MessageHeader.needReply, size: UInt32(size))
      try socket.send(asking, payload: payload)
      let reply = try socket.receive(timeoutNanoseconds: 60_000_000_000)
      #expect(reply.header.request == number && reply.header.isReply)
      #expect(reply.payload.count == 8 && reply.payload.load(UInt64.self) != 0)
    }
    try machine.traffic()
    #expect(socket.isQuiet(timeoutNanoseconds: 20_000_000))
  }

  @Test("16: GET_QUEUE_NUM is the exact number, and the next ring is refused", arguments: [1, 2, 7, 64])
  func queueCount(_ count: Int) throws {
    let backend = try TestBackend(ReplayDevice(queueCount: count))
    let connection = try backend.connect()
    #expect(try connection.getQueueCount() == UInt64(count))
    try connection.setRingSize(count - 1, 64, needReply: true)
    #expect(throws: FrontendError.self) { try connection.setRingSize(count, 64, needReply: true) }
    #expect(throws: FrontendError.self) { try connection.setRingEnabled(count, true, needReply: true) }
  }

  enum Trouble: CaseIterable { case refusedMessage, stopAndStart, emptyAnswer, spuriousKick, badConfig }

  @Test("17: the err eventfd stays silent for what can be mended", arguments: Trouble.allCases)
  func errorDescriptor(_ trouble: Trouble) throws {
    let backend = try TestBackend()
    let machine = try PlainFrontend(backend)
    let connection = machine.connection
    try machine.start()
    let queue = machine.queues[1]
    for _ in 0..<5 {
      switch trouble {
      case .refusedMessage:
        #expect(throws: FrontendError.self) { try connection.setRingSize(1, 3, needReply: true) }
      case .stopAndStart:
        queue.resumeBase = try connection.getRingBase(1)
        try machine.describe(queue)
      case .emptyAnswer:
        // Nothing to write an answer into, then nothing to read.
        let buffer = try machine.ram.allocate(10)
        try queue.add(readable: [buffer], writable: [])
        try queue.add(readable: [], writable: [buffer])
        queue.submit()
        for _ in 0..<2 { #expect(try queue.takeNext().length == 0) }
        machine.ram.free(buffer)
      case .spuriousKick:
        for _ in 0..<10 { queue.kick() }
      case .badConfig:
        #expect(throws: FrontendError.self) { try connection.setConfig(offset: 0, bytes: [1], needReply: true) }
      }
      try machine.traffic()
    }
    for queue in machine.queues { #expect(!queue.takeError()) }
  }
}
