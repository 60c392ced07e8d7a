// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Block
import BlockProtocol
import Foundation
import Frontend
import Linux
import Support
import Testing
import VirtioProtocol
import Wire

/// The host loses its power in the middle of a guest's work: program, guest and page cache are gone, and of what was
/// not synced the disk has some sectors and not others (Tests/FaultDisk). Invariants:
/// - what was answered before a flush began that was answered too is on the medium; so is every answered write of a
///   guest that cannot flush, or where writes go through;
/// - of what came later each sector holds one write or another, or what it held before.
///
/// What "unsafe" loses shows that the disk forgets.
@Suite(
  .serialized, .enabled(if: FaultDisk.isThere, Comment(rawValue: FaultDisk.why)), .timeLimit(.minutes(30)))
struct PowerLossTests {
  struct Row: Sendable, CustomTestStringConvertible {
    var way: RunningWay
    var cache = "writeback"
    /// The guest has accepted FLUSH, and flushes.
    var flushes = true
    var isSafe = true
    /// The guest has chosen write-through, and was reset then.
    var chooses = false
    var testDescription: String {
      "\(way), cache \(cache)\(flushes ? "" : ", no flush")\(chooses ? ", chosen" : "")"
    }
  }

  static let rows =
    RunningWay.all.map { Row(way: $0) } + RunningWay.all.map { Row(way: $0, cache: "writethrough", flushes: false) }
    + [RunningWay.all[0], RunningWay.all[3]].map { Row(way: $0, flushes: false) }
    + [RunningWay.all[0], RunningWay.all[3]].map { Row(way: $0, flushes: false, chooses: true) }
    + [Row(way: RunningWay.all[0], cache: "unsafe", isSafe: false)]

  @Test(arguments: rows)
  func whatWasFlushedIsOnTheMedium(_ row: Row) throws {
    let rounds = ProcessInfo.processInfo.environment["MARTLET_SLOW"] == nil ? 3 : 30
    let disk = try FaultDisk(byteCount: Ledger.blockCount * Ledger.blockByteCount)
    let seed =
      ProcessInfo.processInfo.environment["MARTLET_SEED"].flatMap { UInt64($0) } ?? UInt64.random(in: 1...1 << 40)
    var dice = Dice(seed: seed)
    let ledger = Ledger()
    for round in 0..<rounds {
      let volume = try RunningVolume(
        disk.image, row.way.options + ["--cache=\(row.cache)", "--num-queues=2", "--sandbox=none"])
      var features = Disk.everything
      if !row.flushes, !row.chooses { features.remove(.device(BlockFeatureBit.flush)) }
      let driver = try volume.attach(queues: 2, features: features)
      if row.chooses {
        try driver.connection.setConfig(offset: 32, bytes: [0], needReply: true)
        try driver.reset()
        try driver.start()
      }
      let guest = Guest(driver, ledger, flushes: row.flushes)
      let goal = 60 + Int(dice.next() % 200)
      try eventually("it answers: \(volume.log)") {
        try guest.work(&dice)
        return guest.answered >= goal
      }
      // All at once, as far as two processes can be.
      kill(volume.program.identifier, SIGKILL)
      _ = try volume.program.waitBlocking()
      try guest.take()
      guest.leave()
      try disk.losePower(seed: dice.next())
      let wrong = ledger.settle(try disk.mediumBytes())
      if row.isSafe { #expect(wrong.isEmpty, "seed \(seed), round \(round): \(wrong.prefix(4))") }
      ledger.lostCount += wrong.count
    }
    if !row.isSafe { #expect(ledger.lostCount > 0, "the disk lost nothing: seed \(seed)") }
  }

  /// Answered after the driver chose write-through, and begun before it: the driver will not flush it.
  @Test(arguments: [Way.ringBuffered, .ringDirect, .threadsBuffered, .threadsDirect])
  func aWriteThatIsUnderWayWhenTheDriverChoosesWriteThroughIsSafe(_ way: Way) throws {
    let faulty = try FaultDisk(byteCount: 1 << 20)
    let disk = try Disk(way, image: try ImageFile(linking: faulty.image))
    // A sync tells that there was one.
    try faulty.fail("sync")
    try faulty.hold()
    try disk.client.submit(BlockRequest(BlockRequestHeader(.write, sector: 8), sent: Ledger.sector(7)))
    try eventually("the write is under way") { faulty.heldCount == 1 }
    let device = disk.device
    let chooser = try Linux.Thread(name: "chooser") { _ = device.writeConfiguration(offset: 32, bytes: [0]) }
    try eventually("the choice is made") { device.readConfiguration(offset: 32, byteCount: 1) == [0] }
    try faulty.release()
    #expect(try disk.client.complete().answer.status == BlockStatus.ioError.rawValue)
    try faulty.heal()
    chooser.join()
  }

  /// Numbers by a seed (splitmix64).
  struct Dice {
    var state: UInt64
    init(seed: UInt64) { state = seed }
    mutating func next() -> UInt64 {
      state &+= 0x9e37_79b9_7f4a_7c15
      var z = state
      z = (z ^ (z >> 30)) &* 0xbf58_476d_1ce4_e5b9
      z = (z ^ (z >> 27)) &* 0x94d0_49bb_1331_11eb
      return z ^ (z >> 31)
    }
  }
}

/// What the medium may hold. A change is a whole block; numbers grow, and 0 is what was there first.
private final class Ledger {
  static let blockByteCount = 4096
  static let blockCount = 128
  static let sectorsPerBlock = 8

  struct Change {
    let number: UInt64
    /// Zeroes; otherwise the sectors carry the number.
    let isZero: Bool
  }

  /// By sector: the word that is there for sure.
  private var certain = [UInt64](repeating: 0, count: blockCount * sectorsPerBlock)
  /// By block: changes that may be there, in the order of their numbers.
  private var possible = [[Change]](repeating: [], count: blockCount)
  private var lastNumber: UInt64 = 0
  var lostCount = 0

  /// A change begins.
  func change(_ block: Int, isZero: Bool) -> Change {
    lastNumber += 1
    let change = Change(number: lastNumber, isZero: isZero)
    possible[block].append(change)
    return change
  }

  /// Nothing older than this change of the block can come back.
  func isSafe(_ block: Int, _ number: UInt64) {
    guard let change = possible[block].last(where: { $0.number == number }) else { return }
    for index in 0..<Self.sectorsPerBlock {
      certain[block * Self.sectorsPerBlock + index] = change.isZero ? 0 : change.number
    }
    possible[block].removeAll { $0.number <= number }
  }

  static func sector(_ number: UInt64) -> [UInt8] { (0..<64).flatMap { _ in number.bytes } }

  /// Says what the medium must not hold, and takes what it holds for what is there now.
  func settle(_ medium: [UInt8]) -> [String] {
    var wrong: [String] = []
    for index in certain.indices {
      let sector = Array(medium[index * 512..<(index + 1) * 512])
      let word = sector.load(UInt64.self) ?? 0
      let block = index / Self.sectorsPerBlock
      let isKnown = word == certain[index] || possible[block].contains { ($0.isZero ? 0 : $0.number) == word }
      if !isKnown || sector != Self.sector(word) {
        wrong.append("sector \(index) holds \(word), not \(certain[index]) or \(possible[block].map(\.number))")
      }
      certain[index] = word
    }
    possible = Array(repeating: [], count: Self.blockCount)
    return wrong
  }
}

/// A driver that notes what it is told.
private final class Guest {
  private let driver: VhostUserDriver
  private let clients: [BlockClient]
  private let ledger: Ledger
  private let flushes: Bool
  private(set) var answered = 0
  /// By queue and token.
  private var changes: [[UInt64: (block: Int, number: UInt64)]] = [[:], [:]]
  /// What was answered when the flush began.
  private var flushed: [[UInt64: [Int: UInt64]]] = [[:], [:]]
  /// By block: the last change that was answered since power came.
  private var latest: [Int: UInt64] = [:]

  init(_ driver: VhostUserDriver, _ ledger: Ledger, flushes: Bool) {
    self.driver = driver
    self.ledger = ledger
    self.flushes = flushes
    clients = driver.queues.map { BlockClient($0) }
  }

  /// Begins some requests, and takes the answers that are there.
  func work(_ dice: inout PowerLossTests.Dice) throws {
    for index in clients.indices where clients[index].inFlightCount < 16 {
      for _ in 0..<4 { try begin(index, &dice) }
      clients[index].flush()
    }
    try take()
  }

  func take() throws {
    for index in clients.indices {
      while let (token, answer) = try clients[index].completeWithoutWaiting() {
        _ = try answer.checked()
        note(index, token)
      }
    }
  }

  private func begin(_ index: Int, _ dice: inout PowerLossTests.Dice) throws {
    if flushes, dice.next() % 12 == 0 {
      let token = try clients[index].add(BlockRequest(BlockRequestHeader(.flush, sector: 0)))
      flushed[index][token] = latest
      return
    }
    // Nobody has two changes of one block in flight: which is the later one would be open.
    let block = Int(dice.next() % UInt64(Ledger.blockCount))
    if changes.contains(where: { $0.values.contains { $0.block == block } }) { return }
    let change = ledger.change(block, isZero: dice.next() % 8 == 0)
    let sector = UInt64(block * Ledger.sectorsPerBlock)
    let token: UInt64
    if change.isZero {
      let flags = dice.next() % 2 == 0 ? BlockRange.unmap : 0
      token = try clients[index].add(
        BlockRequest(.writeZeroes, ranges: [BlockRange(sector: sector, numSectors: 8, flags: flags)]))
    } else {
      let bytes = (0..<Ledger.sectorsPerBlock).flatMap { _ in Ledger.sector(change.number) }
      var write = BlockRequest(BlockRequestHeader(.write, sector: sector), sent: bytes)
      write.misalignment = dice.next() % 4 == 0 ? 8 : 0
      token = try clients[index].add(write)
    }
    changes[index][token] = (block, change.number)
  }

  private func note(_ index: Int, _ token: UInt64) {
    answered += 1
    if let snapshot = flushed[index].removeValue(forKey: token) {
      for (block, number) in snapshot { ledger.isSafe(block, number) }
    } else if let change = changes[index].removeValue(forKey: token) {
      if flushes { latest[change.block] = change.number } else { ledger.isSafe(change.block, change.number) }
    }
  }

  func leave() { driver.connection.close() }
}
