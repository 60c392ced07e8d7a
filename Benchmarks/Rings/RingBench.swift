// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// bench-rings: what one descriptor chain costs in room Virtio and in plain C, on the same ring in the same process.
// Not a measurement of a device: the "request" is a 16-byte header read and a status byte written. Nanoseconds are
// the least of several rounds; the instruction counts come from the script `instructions` beside this file.

import CRingLoop
import Virtio
import VirtioProtocol
import Wire

@main
struct RingBench {
  static func main() {
    guard let options = Options(CommandLine.arguments.dropFirst()) else {
      print(
        """
        usage: bench-rings [--count N] [--rounds N]
               bench-rings --instructions --only swift|c|logged|allocating --chain 1|3|16|indirect --count N
        """)
      return
    }
    if options.instructions {
      // One plain run: callgrind looks at the functions named *DeviceTurn* and ring_loop_turn.
      for shape in options.shapes {
        for language in options.languages { _ = run(language, shape, count: options.count) }
      }
      return
    }
    print("chain        swift ns    c ns   ratio")
    for shape in options.shapes {
      var best: [Language: Double] = [:]
      for _ in 0..<options.rounds {
        for language in options.languages {
          let time = run(language, shape, count: options.count)
          best[language] = min(best[language] ?? .infinity, time)
        }
      }
      let swift = best[.swift] ?? .nan
      let c = best[.c] ?? .nan
      print(pad(shape.name, 12), pad(tenths(swift), 11), pad(tenths(c), 7), tenths(swift / c * 10, point: 2))
    }
  }

  /// Nanoseconds per chain.
  static func run(_ language: Language, _ shape: ChainShape, count: Int) -> Double {
    let ring = GuestRing(shape)
    let batches = max(count / GuestRing.batch, 1)
    let time =
      switch language {
      case .c: runC(ring, batches: batches)
      default: runSwift(ring, batches: batches, as: language)
      }
    guard ring.isDrained else { fatalError("\(language) left chains in the ring") }
    let (seconds, attoseconds) = time.components
    return (Double(seconds) * 1e9 + Double(attoseconds) / 1e9) / Double(batches * GuestRing.batch)
  }
}

enum Language: String {
  case swift
  case c
  /// The Swift device with an inflight region and a dirty log, as during a migration.
  case logged
  /// The Swift device with an allocation per chain, to test the script with.
  case allocating
}

/// The command line.
struct Options {
  var instructions = false
  var languages: [Language] = [.swift, .c]
  var shapes = ChainShape.all
  var count = 1 << 20
  var rounds = 8

  init?(_ arguments: ArraySlice<String>) {
    var rest = arguments
    while let name = rest.popFirst() {
      if name == "--instructions" {
        instructions = true
        continue
      }
      guard let value = rest.popFirst() else { return nil }
      switch name {
      case "--only":
        guard let language = Language(rawValue: value) else { return nil }
        languages = [language]
      case "--chain":
        shapes = shapes.filter { $0.name == value || ($0.indirect && value == "indirect") }
        if shapes.isEmpty { return nil }
      case "--count":
        guard let number = Int(value), number > 0 else { return nil }
        count = number
      case "--rounds":
        guard let number = Int(value), number > 0 else { return nil }
        rounds = number
      default: return nil
      }
    }
  }
}

private func pad(_ text: String, _ width: Int) -> String {
  text + String(repeating: " ", count: max(width - text.count, 0))
}

/// A number with one decimal (or the point elsewhere), without Foundation.
private func tenths(_ value: Double, point: Int = 1) -> String {
  guard value.isFinite else { return "-" }
  let digits = Int((value * 10).rounded())
  let unit = point == 1 ? 10 : 100
  let fraction = String(digits % unit)
  return "\(digits / unit)." + String(repeating: "0", count: point - fraction.count) + fraction
}
