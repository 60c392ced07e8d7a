// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// JSON as output (RFC 8259). Members keep the order in which they were written, so that the same facts give the same
// bytes. Numbers are whole ones; those that a 64-bit float would not hold exactly are for the caller to avoid.

/// A JSON value to be printed.
public enum JSON: Equatable, Sendable {
  case null
  case bool(Bool)
  case number(Int64)
  case string(String)
  case array([JSON])
  case object([Member])

  public struct Member: Equatable, Sendable {
    public let name: String
    public let value: JSON

    public init(name: String, value: JSON) {
      self.name = name
      self.value = value
    }
  }

  public static func object(_ members: KeyValuePairs<String, JSON>) -> JSON {
    .object(members.map { Member(name: $0.key, value: $0.value) })
  }

  public static func strings(_ texts: [String]) -> JSON { .array(texts.map { .string($0) }) }

  /// A number, or null where there is none. Greater than what JSON's readers hold exactly: a decimal string.
  public static func count(_ value: UInt64?) -> JSON {
    guard let value else { return .null }
    return value <= 1 << 53 ? .number(Int64(value)) : .string("\(value)")
  }

  /// The text, with two spaces per level and a line break at the end.
  public var text: String { render(indent: "") + "\n" }

  /// All on one line.
  public var line: String {
    switch self {
    case .array(let values): "[" + values.map { $0.line }.joined(separator: ",") + "]"
    case .object(let members):
      "{" + members.map { "\(JSON.quoted($0.name)):\($0.value.line)" }.joined(separator: ",") + "}"
    default: render(indent: "")
    }
  }

  private func render(indent: String) -> String {
    let inner = indent + "  "
    switch self {
    case .null: return "null"
    case .bool(let value): return value ? "true" : "false"
    case .number(let value): return "\(value)"
    case .string(let value): return JSON.quoted(value)
    case .array(let values):
      if values.isEmpty { return "[]" }
      return "[\n" + values.map { inner + $0.render(indent: inner) }.joined(separator: ",\n") + "\n\(indent)]"
    case .object(let members):
      if members.isEmpty { return "{}" }
      let lines = members.map { "\(inner)\(JSON.quoted($0.name)): \($0.value.render(indent: inner))" }
      return "{\n" + lines.joined(separator: ",\n") + "\n\(indent)}"
    }
  }

  private static func quoted(_ text: String) -> String {
    var result = "\""
    for scalar in text.unicodeScalars {
      switch scalar {
      case "\"": result += "\\\""
      case "\\": result += "\\\\"
      case "\n": result += "\\n"
      case "\r": result += "\\r"
      case "\t": result += "\\t"
      case "\u{0}"..<"\u{20}", "\u{7f}":
        let digits = String(scalar.value, radix: 16)
        result += "\\u" + String(repeating: "0", count: 4 - digits.count) + digits
      default: result.unicodeScalars.append(scalar)
      }
    }
    return result + "\""
  }
}
