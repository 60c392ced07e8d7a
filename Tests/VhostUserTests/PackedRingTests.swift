// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Frontend
import Linux
import Synchronization
import Testing
import VhostUser
import VhostUserProtocol
import Virtio
import VirtioProtocol
import Wire

/// A machine with one packed queue, as QEMU starts one with packed=on.
private final class PackedMachine {
  let ram: GuestRAM
  let queue: PackedDriverQueue
  let features: VirtioFeatures
  private(set) var backend: TestBackend
  private(set) var connection: FrontendConnection
  private(set) var inflight: InflightMemory?

  init(_ backend: TestBackend, size: Int = 7, features: VirtioFeatures = [.eventIndex, .indirectDescriptors]) throws {
    ram = try GuestRAM(byteCount: 1 << 20)
    self.features = features.union([.version1, .ringPacked, .vhostUserProtocolFeatures])
    queue = try PackedDriverQueue(index: 0, size: size, ram: ram, features: features)
    self.backend = backend
    connection = try backend.connect()
  }

  func negotiate(withInflight: Bool = false) throws {
    try connection.setOwner()
    #expect(try connection.getFeatures().isSuperset(of: features))
    let protocols = try connection.getProtocolFeatures()
    try connection.setProtocolFeatures(protocols.intersection([.replyAck, .inflightShmfd, .mq]))
    try connection.setFeatures(features, needReply: true)
    try connection.setMemoryTable(ram, needReply: true)
    guard withInflight else { return }
    if inflight == nil { inflight = try connection.getInflight(queueCount: 1, queueSize: queue.size) }
    if let inflight { try connection.setInflight(inflight, needReply: true) }
  }

  func start() throws {
    try connection.setRingSize(0, queue.size, needReply: true)
    try connection.setRingBase(0, queue.resumeBase, needReply: true)
    try connection.setRingAddress(queue.addresses(), needReply: true)
    try connection.setError(0, queue.errorEvent.file, needReply: true)
    try connection.setCall(0, queue.callEvent.file, needReply: true)
    try connection.setKick(0, queue.kickEvent.file, needReply: true)
    try connection.setRingEnabled(0, true, needReply: true)
  }

  func stop() throws {
    queue.resumeBase = try connection.getPackedRingBase(0)
  }

  func reconnect(_ backend: TestBackend) throws {
    self.backend = backend
    connection = try backend.connect()
  }

  /// Sends one request in `pieces` buffers, with room for the answer in as many.
  func send(_ number: Int, pieces: Int) throws -> [GuestBuffer] {
    let question = try (0..<pieces).map { _ in try ram.allocate(100) }
    let answer = try (0..<pieces).map { _ in try ram.allocate(100) }
    for (index, buffer) in question.enumerated() {
      buffer.segment.copy((0..<100).map { UInt8(truncatingIfNeeded: number &* 13 &+ index &* 7 &+ $0) })
    }
    try queue.add(readable: question, writable: answer, token: UInt64(number))
    return question + answer
  }

  /// Takes one answer and compares it with its question.
  func receive(_ sent: inout [UInt64: [GuestBuffer]]) throws {
    let used = try queue.takeNext()
    let known = sent.removeValue(forKey: used.token)
    let buffers = try #require(known)
    let half = buffers.count / 2
    #expect(used.length == UInt32(100 * half))
    #expect(buffers.prefix(half).flatMap { $0.segment.bytes() } == buffers.suffix(half).flatMap { $0.segment.bytes() })
    for buffer in buffers { ram.free(buffer) }
  }

  /// `count` requests, as many at once as the ring holds.
  func traffic(_ count: Int, pieces: Int) throws {
    var sent: [UInt64: [GuestBuffer]] = [:]
    for number in 0..<count {
      while queue.freeCount < (queue.usesIndirect ? 1 : 2 * pieces) {
        queue.submit()
        try receive(&sent)
      }
      sent[UInt64(number)] = try send(number, pieces: pieces)
      if number % 3 != 1 { queue.submit() }
    }
    queue.submit()
    while !sent.isEmpty { try receive(&sent) }
    #expect(queue.outstandingCount == 0)
  }
}

/// Packed rings behind a socket. Invariants: what holds for split rings, with a base that says both positions and their
/// rounds; a device that does not offer them is never given one.
@Suite(.timeLimit(.minutes(30)))
struct PackedRingTests {
  private func backend() throws -> TestBackend {
    try TestBackend(ReplayDevice(queueCount: 1, features: .ringPacked))
  }

  private static let featureSets: [VirtioFeatures] = [
    [], [.eventIndex], [.indirectDescriptors], [.eventIndex, .indirectDescriptors],
  ]

  @Test(arguments: [1, 2, 7, 64], featureSets)
  func requestsAreAnsweredRoundAfterRound(size: Int, features: VirtioFeatures) throws {
    let pieces = features.contains(.indirectDescriptors) ? 3 : 1
    // Without tables a request takes two descriptors.
    guard size > 1 || features.contains(.indirectDescriptors) else { return }
    let backend = try backend()
    let machine = try PackedMachine(backend, size: size, features: features)
    try machine.negotiate()
    try machine.start()
    try machine.traffic(200, pieces: pieces)
    try machine.stop()
    #expect(backend.endpoint.statistics.chains == 200)
    #expect(backend.endpoint.statistics.faults == 0)
  }

  @Test func aStoppedRingGoesOnInItsRound() throws {
    let machine = try PackedMachine(try backend(), size: 5)
    try machine.negotiate()
    try machine.start()
    for round in 1...12 {
      try machine.traffic(round % 4, pieces: 2)
      try machine.stop()
      let number = machine.queue.added
      let position = PackedPosition(index: UInt16(number % 5), wrap: number / 5 % 2 == 0)
      #expect(machine.queue.resumeBase == PackedBase(available: position, used: position))
      // What comes while the ring stands still is served afterwards.
      var sent = [99: try machine.send(99, pieces: 1)] as [UInt64: [GuestBuffer]]
      machine.queue.submit()
      try machine.start()
      try machine.receive(&sent)
    }
  }

  @Test func aRingThatNeverRanStandsAtItsStart() throws {
    let machine = try PackedMachine(try backend())
    try machine.negotiate()
    #expect(try machine.connection.getPackedRingBase(0) == .start)
  }

  @Test func aBaseOfOnePositionIsEnough() throws {
    let machine = try PackedMachine(try backend(), size: 5)
    try machine.negotiate()
    try machine.start()
    try machine.traffic(3, pieces: 1)
    try machine.stop()
    // DPDK's frontend says only where the device goes on taking.
    try machine.connection.setRingBase(0, machine.queue.resumeBase.available.offsetWrap, needReply: true)
    try machine.start()
    try machine.traffic(9, pieces: 1)
  }

  @Test func aDeviceThatDoesNotOfferThemHasSplitRings() throws {
    let backend = try TestBackend(ReplayDevice(queueCount: 1))
    #expect(try !backend.connect().getFeatures().contains(.ringPacked))
  }

  @Test func aBrokenRingStopsAndSaysSo() throws {
    let backend = try backend()
    let machine = try PackedMachine(backend, size: 4)
    try machine.negotiate()
    try machine.start()
    try machine.traffic(2, pieces: 1)
    // A list that follows itself round the ring.
    for offset in (0..<4).reversed() {
      let number = machine.queue.added + offset
      let flags: UInt16 = 1 | (number / 4 % 2 == 0 ? 0x80 : 0x8000)
      machine.queue.poke(PackedDescriptor(address: 0, length: 0, flags: flags), at: number % 4)
    }
    machine.queue.kick()
    #expect(machine.queue.errorEvent.file.isSignalled())
    #expect(backend.endpoint.statistics.faults == 1)
  }

  /// A predecessor that took requests, answered one of them, and died.
  private func crash(_ machine: PackedMachine, taking count: Int, answering answered: Int) throws {
    let area = try #require(machine.inflight)
    let mapping = try Mapping(area.descriptor.file, byteCount: Int(area.description.mmapSize))
    let (queue, ram) = (machine.queue, machine.ram)
    let memory = try #require(
      GuestMemory(
        ram.regions.map {
          MemoryRegion(
            guestAddress: $0.layout.guestAddress, userAddress: $0.layout.userAddress, memory: $0.segment, owner: ram)
        }))
    var ring = try Virtqueue(
      VirtqueueConfiguration(
        size: UInt16(queue.size),
        rings: RingAreas(
          descriptors: queue.descriptors.segment, available: queue.driverEvent.segment,
          used: queue.deviceEvent.segment),
        memory: memory, features: machine.features, base: PackedBase.start.rawValue, notifier: Silent(),
        packedInflight: PackedInflightRegion(memory: mapping.segment, size: UInt16(queue.size), owner: mapping)))
    for index in 0..<count {
      var chain = Chain()
      let isThere = try ring.pop(into: &chain)
      #expect(isThere)
      guard index == answered else { continue }
      let bytes = chain.readable[0].bytes()
      chain.writable[0].copy(bytes)
      ring.complete(chain, written: bytes.count)
    }
  }

  private final class Silent: QueueNotifier {
    func call() {}
  }

  @Test(arguments: [0, 1, 2])
  func aSuccessorAnswersWhatWasInFlight(answered: Int) throws {
    let first = try backend()
    let machine = try PackedMachine(first, size: 7)
    try machine.negotiate(withInflight: true)
    try machine.start()
    try machine.traffic(9, pieces: 2)
    first.close()
    var sent: [UInt64: [GuestBuffer]] = [:]
    for number in 0..<4 { sent[UInt64(number)] = try machine.send(number, pieces: 1) }
    machine.queue.publish()
    try crash(machine, taking: 3, answering: answered)

    let second = try backend()
    try machine.reconnect(second)
    try machine.negotiate(withInflight: true)
    // QEMU cannot know where the ring stood and says what it said the last time.
    machine.queue.resumeBase = .start
    try machine.start()
    while !sent.isEmpty { try machine.receive(&sent) }
    try machine.traffic(20, pieces: 2)
    try machine.stop()
    #expect(second.endpoint.statistics.chains == 3 + 20, "nothing was done twice")
  }
}
