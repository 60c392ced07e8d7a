// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// `--translate-uid` and `--translate-gid`: the guest's users and groups are others on the host. The grammar is the
// rival's, with any delimiter that is not a letter, a digit, "_" or "-":
//
//   guest:G:H:n          guest ids from G on are host ids from H on
//   host:H:G:n           host ids from H on are guest ids from G on
//   map:G:H:n            both
//   squash-guest:G:H:n   all of these guest ids are the one host id H
//   squash-host:H:G:n    all of these host ids are the one guest id G
//   forbid-guest:G:n     these guest ids may do nothing
//
// An id that no rule names is the same on both sides.

public import Linux

public struct IdentifierMap: Sendable {
  private enum Target: Sendable {
    /// The first one goes here, the others follow.
    case shifted(UInt32)
    case squashed(UInt32)
    case forbidden
  }

  private struct Rule: Sendable {
    let first: UInt32
    let last: UInt32
    let target: Target
  }

  /// Sorted by `first`, never overlapping.
  private var guestRules: [Rule] = []
  private var hostRules: [Rule] = []

  /// The identity.
  public init() {}

  /// - Parameters:
  ///   - specifications: one for each time the option was given.
  ///   - kind: "uid" or "gid", for messages.
  public init(parsing specifications: [String], kind: String) throws(OptionError) {
    for text in specifications {
      try add(text, option: "--translate-\(kind)")
    }
    try IdentifierMap.sort(&guestRules, "--translate-\(kind)", side: "guest")
    try IdentifierMap.sort(&hostRules, "--translate-\(kind)", side: "host")
  }

  /// True if nothing is changed and nothing is forbidden.
  public var isIdentity: Bool { guestRules.isEmpty && hostRules.isEmpty }

  /// The host's id of a guest's; throws `notPermitted` for one that is forbidden.
  public func toHost(_ id: UInt32) throws(Errno) -> UInt32 {
    guard let rule = IdentifierMap.find(id, guestRules) else { return id }
    switch rule.target {
    case .shifted(let base): return base + (id - rule.first)
    case .squashed(let single): return single
    case .forbidden: throw .notPermitted
    }
  }

  /// The guest's id of a host's.
  public func toGuest(_ id: UInt32) -> UInt32 {
    guard let rule = IdentifierMap.find(id, hostRules) else { return id }
    switch rule.target {
    case .shifted(let base): return base + (id - rule.first)
    case .squashed(let single): return single
    case .forbidden: return id
    }
  }

  /// A handful of rules at most: looking at each is faster than anything clever.
  private static func find(_ id: UInt32, _ rules: [Rule]) -> Rule? {
    for rule in rules where rule.first <= id && id <= rule.last { return rule }
    return nil
  }

  private static func sort(_ rules: inout [Rule], _ option: String, side: String) throws(OptionError) {
    rules.sort { $0.first < $1.first }
    for (rule, next) in zip(rules, rules.dropFirst()) where next.first <= rule.last {
      throw OptionError("\(option) names the \(side) id \(next.first) twice; make the ranges of its rules disjoint")
    }
  }

  private mutating func add(_ text: String, option: String) throws(OptionError) {
    let isWord: (Unicode.Scalar) -> Bool = { scalar in
      ("a"..."z").contains(scalar) || ("A"..."Z").contains(scalar) || ("0"..."9").contains(scalar) || scalar == "_"
        || scalar == "-"
    }
    guard let delimiter = text.unicodeScalars.first(where: { !isWord($0) }) else {
      throw OptionError("\(option) '\(text)' is no rule; write one like map:0:100000:65536")
    }
    let parts = text.unicodeScalars.split(separator: delimiter, omittingEmptySubsequences: false).map { String($0) }
    let type = parts[0].lowercased()
    let numberCount = type == "forbid-guest" ? 2 : 3
    guard ["guest", "host", "map", "squash-guest", "squash-host", "forbid-guest"].contains(type) else {
      throw OptionError(
        "\(option) '\(text)' has an unknown type; use guest, host, map, squash-guest, squash-host or forbid-guest")
    }
    let numbers = parts.dropFirst().compactMap { UInt32($0) }
    guard parts.count == numberCount + 1, numbers.count == numberCount else {
      let pattern = type == "forbid-guest" ? "first:count" : "from:to:count"
      throw OptionError("\(option) '\(text)' needs \(numberCount) numbers; write \(type):\(pattern)")
    }
    try add(type, numbers, text, option)
  }

  private mutating func add(
    _ type: String, _ numbers: [UInt32], _ text: String, _ option: String
  ) throws(OptionError) {
    let source = numbers[0]
    let target = numbers[numbers.count - 2]
    let count = numbers[numbers.count - 1]
    func rule(_ first: UInt32, _ target: Target) throws(OptionError) -> Rule {
      guard count > 0 else { throw OptionError("\(option) '\(text)' covers no ids; give a count of at least 1") }
      var bases = [first]
      if case .shifted(let base) = target { bases.append(base) }
      // The last id, 4294967295, means "none" to the kernel.
      guard bases.allSatisfy({ UInt64($0) + UInt64(count) <= UInt64(UInt32.max) }) else {
        throw OptionError("\(option) '\(text)' goes past the largest id, 4294967294; give a smaller count")
      }
      return Rule(first: first, last: first + (count - 1), target: target)
    }
    switch type {
    case "guest": guestRules.append(try rule(source, .shifted(target)))
    case "host": hostRules.append(try rule(source, .shifted(target)))
    case "squash-guest": guestRules.append(try rule(source, .squashed(target)))
    case "squash-host": hostRules.append(try rule(source, .squashed(target)))
    case "forbid-guest": guestRules.append(try rule(source, .forbidden))
    default:
      guestRules.append(try rule(source, .shifted(target)))
      hostRules.append(try rule(target, .shifted(source)))
    }
  }
}
