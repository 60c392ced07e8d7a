// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Frontend
import Linux
import Testing
import VhostUser
import VhostUserProtocol
import VirtioProtocol
import Wire

/// A driver that breaks the rules of its rings. Invariants:
/// - a broken rule stops that queue and signals its err eventfd; what is merely odd is served;
/// - the other queue never notices, and the broken one works again after a stop and a start;
/// - no descriptor leaks and private memory does not grow by more than 32 MiB;
/// - what is checked is what is used: memory that changes in between makes no difference.
@Suite(.serialized, .timeLimit(.minutes(30)))
struct HostileRingTests {
  /// What a round may use besides the queue: memory that descriptors may point to, and a table of 64 of them.
  private struct Ground {
    let attacker: RingAttacker
    let arena: GuestBuffer
    let table: GuestBuffer

    var queue: DriverQueue { attacker.attacked }
  }

  /// Rounds against queue 0 of a victim of its own. After a round the other queue serves, and so does this one once it
  /// was stopped and started; with `stride` more than 1 that is looked at after every so many rounds only.
  private static func attack(
    rounds: Int, stride: Int = 1, indirect: Bool = true, _ round: (Ground) throws -> Void
  ) throws {
    let victim = try Victim(VictimDevice())
    let attacker = try RingAttacker(victim, indirect: indirect)
    let ground = Ground(
      attacker: attacker, arena: try attacker.arena(), table: try attacker.driver.ram.allocate(64 * 16))
    try Victim.echo(attacker.attacked)
    try Victim.echo(attacker.honest)
    let before = try Footprint.now()
    for number in 0..<rounds {
      try round(ground)
      if number % stride == 0 { try Victim.echo(attacker.honest) }
      try attacker.revive()
      if number % stride == 0 { try Victim.echo(attacker.attacked) }
    }
    try Victim.echo(attacker.attacked)
    try Footprint.expectSame(as: before, growthMiB: 32)
    attacker.driver.connection.close()
    try victim.expectServes()
    victim.close()
  }

  @Test("one broken rule at a time", arguments: BrokenRing.allCases)
  func brokenRule(_ rule: BrokenRing) async throws {
    await #expect(processExitsWith: .success) { [rule] in
      reporting {
        // Silence is what is expected of some, and cannot be waited for.
        let patience: Int64 = rule.expected == nil ? 20_000_000 : 60_000_000_000
        try HostileRingTests.attack(rounds: 20, indirect: rule != .indirectNotNegotiated) { ground in
          try rule.write(into: ground.queue)
          let outcome = ground.queue.outcome(timeoutNanoseconds: patience)
          if let expected = rule.expected { #expect(outcome == expected) }
        }
      }
    }
  }

  @Test("random descriptor tables, heads and indices", arguments: 0..<4)
  func randomRings(number: Int) async throws {
    let seed = Campaign.seed
    await #expect(processExitsWith: .success) { [seed = seed as UInt64, number = number as Int] in
      reporting {
        var dice = Campaign.dice("rings", number, seed: seed)
        try HostileRingTests.attack(rounds: 500 * Campaign.scale, stride: 50) { ground in
          let (queue, arena) = (ground.queue, ground.arena)
          for place in 0..<queue.size {
            queue.poke(dice.descriptor(into: arena.guestAddress, arena.count), at: UInt16(place))
          }
          for _ in 0..<1 + dice.roll(6) {
            queue.pokeAvailable(dice.hits(20) ? UInt16(truncatingIfNeeded: dice.next()) : UInt16(dice.roll(queue.size)))
          }
          if dice.hits(20) { queue.pokeAvailableIndex(UInt16(truncatingIfNeeded: dice.next())) }
          queue.kick()
          _ = queue.outcome(timeoutNanoseconds: 1_000_000)
        }
      }
    }
  }

  @Test("descriptors that change while the device reads them", arguments: 0..<2)
  func changingDescriptors(number: Int) async throws {
    let seed = Campaign.seed
    await #expect(processExitsWith: .success) { [seed = seed as UInt64, number = number as Int] in
      reporting {
        var dice = Campaign.dice("scribbler", number, seed: seed)
        try HostileRingTests.attack(rounds: 5) { try HostileRingTests.scribble(on: $0, &dice) }
      }
    }
  }

  /// Offers chains for a while whose descriptors another thread keeps changing.
  private static func scribble(on ground: Ground, _ dice: inout Dice) throws {
    let (queue, arena, table) = (ground.queue, ground.arena, ground.table)
    let scribbler = Scribbler()
    var targets = [(table.guestAddress, table.count), (queue.descriptors.guestAddress, queue.descriptors.count)]
    if dice.hits(2) { targets.append((queue.available.guestAddress, queue.available.count & ~15)) }
    let thread = try scribbler.start(
      queue.ram, targets, arena: (arena.guestAddress, arena.count), seed: dice.next())
    let end = Clock.monotonic + 100_000_000 * Int64(Campaign.scale)
    while Clock.monotonic < end {
      for _ in 0..<1 + dice.roll(16) {
        let head = UInt16(dice.roll(queue.size))
        if dice.hits(3) {
          let indirect = SplitDescriptor(
            address: table.guestAddress, length: UInt32(table.count), flags: DescriptorFlags.indirect)
          queue.poke(indirect, at: head)
        }
        queue.pokeAvailable(head)
      }
      queue.kick()
      let outcome = queue.outcome(timeoutNanoseconds: 200_000)
      if outcome == .fault || dice.hits(10) {
        try ground.attacker.revive()
      } else {
        queue.forgetUsed()
      }
    }
    scribbler.stop()
    thread.join()
  }

  @Test("a call descriptor that blocks does not keep the ring from being stopped")
  func blockingCall() async throws {
    await #expect(processExitsWith: .success) {
      reporting {
        let victim = try Victim(VictimDevice())
        let attacker = try RingAttacker(victim)
        // A socket that nobody reads: it is full after some hundred calls.
        let pair = try UnixSocket.pair()
        try attacker.driver.connection.setCall(0, pair.first.file, needReply: true)
        let queue = attacker.attacked
        let buffer = try queue.ram.allocate(16)
        for _ in 0..<3000 {
          try queue.add(readable: [buffer], writable: [])
          queue.requestInterrupt()
          queue.submit()
          let deadline = Clock.monotonic + 20_000_000
          while !queue.hasUsed, Clock.monotonic < deadline { _ = Poll.wait([], timeoutNanoseconds: 1000) }
          while try queue.takeUsed() != nil {}
          if queue.freeCount < 8 { break }
        }
        _ = try attacker.driver.connection.getRingBase(0)
        attacker.driver.connection.close()
        _ = pair.second.file
        try victim.expectServes()
        victim.close()
      }
    }
  }
}
