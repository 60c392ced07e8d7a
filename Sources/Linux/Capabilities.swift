// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Privileges that the daemon keeps. Everything else goes for good: out of the permitted set and of the bounding set.

internal import CCapNG
internal import CLinux

/// A set of capabilities, as numbers of linux/capability.h: more than `Capability` names may be asked for by name.
public struct CapabilitySet: Equatable, Sendable {
  public private(set) var numbers: Set<Int32>

  public init(_ capabilities: [Capability] = []) {
    numbers = Set(capabilities.map { $0.rawValue })
  }

  public mutating func insert(_ number: Int32) { numbers.insert(number) }
  public mutating func remove(_ number: Int32) { numbers.remove(number) }
  public func contains(_ capability: Capability) -> Bool { numbers.contains(capability.rawValue) }

  /// The number of a capability by its name, without "CAP_", in any case; nil if there is none of that name.
  public static func number(named name: String) -> Int32? {
    var lowered = name.lowercased()
    if lowered.hasPrefix("cap_") { lowered.removeFirst(4) }
    let number = unsafe lowered.withCString { unsafe capng_name_to_capability($0) }
    return number < 0 ? nil : number
  }

  /// "chown,setuid": for logs.
  public var description: String {
    numbers.sorted().map { number in
      guard let name = unsafe capng_capability_to_name(UInt32(number)) else { return "\(number)" }
      return unsafe String(cString: name)
    }.joined(separator: ",")
  }

  /// What the process has now.
  public static func permitted() -> CapabilitySet {
    var result = CapabilitySet()
    guard capng_get_caps_process() == 0 else { return result }
    var number: UInt32 = 0
    while number < 64 {
      if capng_have_capability(CAPNG_PERMITTED, number) != 0 { result.insert(Int32(number)) }
      number += 1
    }
    return result
  }

  /// Makes these (as far as the process has them) its effective and permitted ones, and empties the inheritable,
  /// ambient and bounding sets. Sets no_new_privs. For a process with a single thread.
  /// - Returns: those that were asked for and that the process did not have.
  @discardableResult
  public func keepOnlyThese() throws(Errno) -> CapabilitySet {
    let had = CapabilitySet.permitted()
    var missing = CapabilitySet()
    for number in numbers where !had.numbers.contains(number) { missing.insert(number) }
    capng_clear(CAPNG_SELECT_ALL)
    for number in numbers.intersection(had.numbers) {
      let sets = capng_type_t(CAPNG_EFFECTIVE.rawValue | CAPNG_PERMITTED.rawValue)
      if capng_update(CAPNG_ADD, sets, UInt32(number)) != 0 { throw .invalid }
    }
    // Only who has CAP_SETPCAP (8) may empty the bounding set; no_new_privs makes it moot for the others.
    let mayBound = had.numbers.contains(8)
    if capng_apply(mayBound ? CAPNG_SELECT_ALL : CAPNG_SELECT_CAPS) != 0 { throw .notPermitted }
    try CurrentProcess.forbidNewPrivileges()
    return missing
  }
}
