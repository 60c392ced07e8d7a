// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// JSON as input: what an earlier run wrote, what other programs report, and options that are written so. Numbers with a
// fraction are rounded to whole ones.

extension JSON {
  /// Nil for a text that is not one JSON value.
  public init?(parsing text: String) {
    var parser = Parser(Array(text.utf8))
    guard let value = parser.value(depth: 0), parser.isAtEnd else { return nil }
    self = value
  }

  /// A member of an object.
  public subscript(name: String) -> JSON? {
    guard case .object(let members) = self else { return nil }
    return members.first { $0.name == name }?.value
  }

  public var elements: [JSON] { if case .array(let values) = self { values } else { [] } }
  public var members: [Member] { if case .object(let members) = self { members } else { [] } }
  public var string: String? { if case .string(let text) = self { text } else { nil } }
  public var number: Int64? { if case .number(let value) = self { value } else { nil } }

  private struct Parser {
    private let bytes: [UInt8]
    private var place = 0
    /// Deeper is a mistake, and would be many calls in each other.
    private static let mostDepth = 64

    init(_ bytes: [UInt8]) {
      self.bytes = bytes
    }

    var isAtEnd: Bool {
      mutating get {
        skipSpace()
        return place == bytes.count
      }
    }

    mutating func value(depth: Int) -> JSON? {
      guard depth < Parser.mostDepth else { return nil }
      skipSpace()
      guard place < bytes.count else { return nil }
      switch bytes[place] {
      case UInt8(ascii: "{"): return object(depth)
      case UInt8(ascii: "["): return array(depth)
      case UInt8(ascii: "\""): return text().map { .string($0) }
      case UInt8(ascii: "t"): return word("true") ? .bool(true) : nil
      case UInt8(ascii: "f"): return word("false") ? .bool(false) : nil
      case UInt8(ascii: "n"): return word("null") ? .null : nil
      default: return number()
      }
    }

    private mutating func skipSpace() {
      while place < bytes.count, [0x20, 0x09, 0x0a, 0x0d].contains(bytes[place]) { place += 1 }
    }

    private mutating func take(_ byte: Unicode.Scalar) -> Bool {
      skipSpace()
      guard place < bytes.count, bytes[place] == UInt8(ascii: byte) else { return false }
      place += 1
      return true
    }

    private mutating func word(_ word: String) -> Bool {
      guard bytes[place...].starts(with: word.utf8) else { return false }
      place += word.utf8.count
      return true
    }

    private mutating func array(_ depth: Int) -> JSON? {
      place += 1
      var values: [JSON] = []
      if take("]") { return .array(values) }
      repeat {
        guard let value = value(depth: depth + 1) else { return nil }
        values.append(value)
      } while take(",")
      return take("]") ? .array(values) : nil
    }

    private mutating func object(_ depth: Int) -> JSON? {
      place += 1
      var members: [Member] = []
      if take("}") { return .object(members) }
      repeat {
        skipSpace()
        guard place < bytes.count, bytes[place] == UInt8(ascii: "\""), let name = text(), take(":"),
          let value = value(depth: depth + 1)
        else { return nil }
        members.append(Member(name: name, value: value))
      } while take(",")
      return take("}") ? .object(members) : nil
    }

    private mutating func number() -> JSON? {
      let start = place
      while place < bytes.count, "+-.eE0123456789".utf8.contains(bytes[place]) { place += 1 }
      guard let value = Double(String(decoding: bytes[start..<place], as: UTF8.self)), abs(value) < 9e15 else {
        return nil
      }
      return .number(Int64(value.rounded()))
    }

    private mutating func text() -> String? {
      place += 1
      var result: [UInt8] = []
      while place < bytes.count {
        let byte = bytes[place]
        place += 1
        switch byte {
        case UInt8(ascii: "\""): return String(decoding: result, as: UTF8.self)
        case UInt8(ascii: "\\"):
          guard let escaped = escape() else { return nil }
          result += escaped
        default: result.append(byte)
        }
      }
      return nil
    }

    /// What follows a backslash. Halves of surrogate pairs become replacement characters: nobody here writes them.
    private mutating func escape() -> [UInt8]? {
      guard place < bytes.count else { return nil }
      let byte = bytes[place]
      place += 1
      switch byte {
      case UInt8(ascii: "n"): return [0x0a]
      case UInt8(ascii: "r"): return [0x0d]
      case UInt8(ascii: "t"): return [0x09]
      case UInt8(ascii: "b"): return [0x08]
      case UInt8(ascii: "f"): return [0x0c]
      case UInt8(ascii: "u"):
        guard place + 4 <= bytes.count,
          let code = UInt32(String(decoding: bytes[place..<place + 4], as: UTF8.self), radix: 16)
        else { return nil }
        place += 4
        return Array(String(Character(Unicode.Scalar(code) ?? "\u{fffd}")).utf8)
      default: return [byte]
      }
    }
  }
}
