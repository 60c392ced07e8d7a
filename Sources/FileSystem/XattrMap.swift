// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// `--xattrmap`: which extended attributes of the guest are which on the host. The grammar is the rival's:
//
//   :type:scope:key:prepend:   type prefix | ok | bad | unsupported, scope client | server | all
//   :map:key:prepend:          short for the usual set of rules; only as the last one
//
// The first character of a rule is its delimiter; white space may stand between rules; the first rule that matches
// wins. A client rule looks at what the guest asks for, a server rule at the names that the host lists.

internal import Linux
internal import Wire

/// What a guest's attribute is on the host.
enum NameMapping {
  case name(CName)
  case refused(Errno)
}

/// What a host's attribute is for the guest.
enum GuestName {
  case hidden
  case visible(CName)
}

public struct XattrMap: Sendable {
  enum Kind: String, CaseIterable {
    /// The host's name is `prepend` and then the guest's name.
    case prefix
    /// The same on both sides.
    case ok
    /// Not permitted, and not listed.
    case bad
    /// Not supported, and not listed.
    case unsupported
  }

  struct Rule: Sendable {
    var kind: Kind
    /// Matched against the start of a guest's name; nil if the rule is for the other direction only.
    var key: [UInt8]?
    /// Matched against the start of a host's name, and what `prefix` puts in front; nil as above.
    var hostPrefix: [UInt8]?
    var prepend: [UInt8]
  }

  private let rules: [Rule]

  public init(parsing text: String) throws(OptionError) {
    var parser = XattrMapParser(text)
    rules = try parser.parse()
    // Without these two some name would match nothing, and what then happens would be a guess.
    guard rules.contains(where: { $0.key?.isEmpty ?? false }),
      rules.contains(where: { $0.hostPrefix?.isEmpty ?? false })
    else {
      throw OptionError("--xattrmap does not say what happens to every name; end it with a rule like ':bad:all:::'")
    }
  }

  /// The attribute that the guest means by `name`; a new name is built in `scratch`.
  func toHost(_ name: CName, scratch: Segment) -> NameMapping {
    for rule in rules {
      guard let key = rule.key, name.hasPrefix(key) else { continue }
      switch rule.kind {
      case .ok: return .name(name)
      case .bad: return .refused(.notPermitted)
      case .unsupported: return .refused(.notSupported)
      case .prefix:
        guard let joined = CName.joining(rule.prepend, name, in: scratch) else { return .refused(.outOfRange) }
        return .name(joined)
      }
    }
    return .refused(.notPermitted)
  }

  /// What the guest sees of an attribute that the host lists.
  func toGuest(_ name: CName) -> GuestName {
    for rule in rules {
      guard let prefix = rule.hostPrefix, name.hasPrefix(prefix) else { continue }
      switch rule.kind {
      case .ok: return .visible(name)
      case .bad, .unsupported: return .hidden
      case .prefix: return .visible(name.dropFirst(prefix.count))
      }
    }
    return .hidden
  }

  /// True if the guest's `security.capability` is another attribute on the host: then the host's kernel does not drop
  /// it when the file is written, and this program has to.
  var remapsCapability: Bool {
    let name = CName("security.capability")
    for rule in rules {
      guard let key = rule.key, name.hasPrefix(key) else { continue }
      return rule.kind == .prefix && !rule.prepend.isEmpty
    }
    return false
  }
}

/// Takes the text apart, byte by byte: delimiters are single bytes.
private struct XattrMapParser {
  private let bytes: [UInt8]
  private var position = 0
  private var ruleNumber = 0

  init(_ text: String) {
    bytes = Array(text.utf8)
  }

  mutating func parse() throws(OptionError) -> [XattrMap.Rule] {
    var rules: [XattrMap.Rule] = []
    while let delimiter = nextDelimiter() {
      ruleNumber += 1
      let type = try field(delimiter, "type")
      if type == "map" {
        rules += try map(delimiter)
        guard nextDelimiter() == nil else {
          throw OptionError("--xattrmap has rules after ':map:'; it has to be the last one")
        }
        return rules
      }
      rules.append(try rule(type, delimiter))
    }
    guard !rules.isEmpty else { throw OptionError("--xattrmap is empty; leave it out or give at least one rule") }
    return rules
  }

  /// Skips white space and takes the first character of the next rule; nil at the end.
  private mutating func nextDelimiter() -> UInt8? {
    while position < bytes.count, [9, 10, 11, 12, 13, 32].contains(bytes[position]) { position += 1 }
    guard position < bytes.count else { return nil }
    position += 1
    return bytes[position - 1]
  }

  private mutating func fieldBytes(_ delimiter: UInt8, _ what: String) throws(OptionError) -> [UInt8] {
    guard let end = bytes[position...].firstIndex(of: delimiter) else {
      let character = String(decoding: [delimiter], as: UTF8.self)
      throw OptionError("rule \(ruleNumber) of --xattrmap ends in its \(what); close it with '\(character)'")
    }
    defer { position = end + 1 }
    return Array(bytes[position..<end])
  }

  private mutating func field(_ delimiter: UInt8, _ what: String) throws(OptionError) -> String {
    String(decoding: try fieldBytes(delimiter, what), as: UTF8.self)
  }

  private mutating func rule(_ type: String, _ delimiter: UInt8) throws(OptionError) -> XattrMap.Rule {
    guard let kind = XattrMap.Kind(rawValue: type) else {
      throw OptionError(
        "rule \(ruleNumber) of --xattrmap has the unknown type '\(type)'; use prefix, ok, bad, unsupported or map")
    }
    let scope = try field(delimiter, "scope")
    guard ["client", "server", "all"].contains(scope) else {
      throw OptionError(
        "rule \(ruleNumber) of --xattrmap has the unknown scope '\(scope)'; use client, server or all")
    }
    let key = try fieldBytes(delimiter, "key")
    let prepend = try fieldBytes(delimiter, "prefix")
    return XattrMap.Rule(
      kind: kind, key: scope == "server" ? nil : key, hostPrefix: scope == "client" ? nil : prepend, prepend: prepend)
  }

  /// `:map:key:prepend:`: names that begin with `key` (all, if it is empty) are kept under `prepend`; a host's name
  /// that is neither is the same on both sides if there is a key, and hidden if there is none.
  private mutating func map(_ delimiter: UInt8) throws(OptionError) -> [XattrMap.Rule] {
    let key = try fieldBytes(delimiter, "key")
    let prepend = try fieldBytes(delimiter, "prefix")
    let prefix = XattrMap.Rule(kind: .prefix, key: key, hostPrefix: prepend, prepend: prepend)
    let everything = XattrMap.Rule(kind: .bad, key: [], hostPrefix: [], prepend: [])
    if key.isEmpty { return [prefix, everything] }
    return [
      prefix,
      // Neither may the guest name the host's spelling, nor does it see a host's attribute of the guest's spelling.
      XattrMap.Rule(kind: .bad, key: prepend, hostPrefix: key, prepend: key),
      XattrMap.Rule(kind: .ok, key: [], hostPrefix: [], prepend: []),
    ]
  }
}
