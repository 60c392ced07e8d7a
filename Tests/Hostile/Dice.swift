// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Randomness that can be repeated. Every fuzzer prints its seed; MARTLET_SEED=<number> repeats a run.

import Foundation

/// SplitMix64 (Steele, Lea, Flood: "Fast splittable pseudorandom number generators"): small, and the same everywhere.
struct Dice: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var mixed = state
    mixed = (mixed ^ (mixed >> 30)) &* 0xbf58_476d_1ce4_e5b9
    mixed = (mixed ^ (mixed >> 27)) &* 0x94d0_49bb_1331_11eb
    return mixed ^ (mixed >> 31)
  }

  /// A number from 0 to `bound` - 1.
  mutating func roll(_ bound: Int) -> Int {
    Int(next() % UInt64(max(bound, 1)))
  }

  /// True once in `chances` rolls.
  mutating func hits(_ chances: Int) -> Bool {
    roll(chances) == 0
  }

  mutating func pick<Element>(_ choices: [Element]) -> Element {
    choices[roll(choices.count)]
  }

  mutating func bytes(_ count: Int) -> [UInt8] {
    (0..<count).map { _ in UInt8(truncatingIfNeeded: next()) }
  }

  /// A number that programs get wrong: around 0, around powers of two, or anything.
  mutating func edge() -> UInt64 {
    switch roll(4) {
    case 0: return UInt64(roll(4))
    case 1: return (1 << UInt64(roll(64))) &+ UInt64(roll(3)) &- 1
    case 2: return UInt64.max - UInt64(roll(4096))
    default: return next() >> UInt64(roll(64))
    }
  }
}

/// The seed of this run, and how much of it there is.
enum Campaign {
  /// From MARTLET_SEED, else from the clock.
  static let seed: UInt64 = {
    let given = ProcessInfo.processInfo.environment["MARTLET_SEED"].flatMap { UInt64($0) }
    let seed = given ?? UInt64(Date().timeIntervalSince1970 * 1000)
    print("hostile tests: MARTLET_SEED=\(seed) repeats this run")
    return seed
  }()

  /// 1, or more with MARTLET_SLOW (1 means 20 times as much; other numbers are the factor).
  static let scale: Int = {
    guard let given = ProcessInfo.processInfo.environment["MARTLET_SLOW"] else { return 1 }
    return given == "1" ? 20 : max(Int(given) ?? 1, 1)
  }()

  /// A generator of its own for one test, so that tests do not change each other's luck.
  /// - Parameter seed: the seed of the run; given where the test runs in a process of its own.
  static func dice(_ test: StaticString, _ number: Int = 0, seed: UInt64) -> Dice {
    var mixed: UInt64 = seed &+ UInt64(number) &* 0x1_0000_0001
    for byte in "\(test)".utf8 { mixed = (mixed ^ UInt64(byte)) &* 0x100_0000_01b3 }
    return Dice(seed: mixed)
  }
}
