// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Wayland's wire format ("The Wayland Protocol", chapter 4): messages between objects, in words of 32 bits of the
// host's byte order, which is little-endian on every machine that Martlet is built for.

/// One message as it came: whose event it is tells what the arguments mean.
public struct WaylandMessage: Equatable, Sendable {
  public let object: UInt32
  public let opcode: UInt16
  public let arguments: ArraySlice<UInt8>

  public init(object: UInt32, opcode: UInt16, arguments: ArraySlice<UInt8>) {
    self.object = object
    self.opcode = opcode
    self.arguments = arguments
  }
}

/// What begins a run of bytes.
public enum WaylandParse: Equatable, Sendable {
  case message(WaylandMessage, byteCount: Int)
  /// Not all of it is there.
  case incomplete
  /// A length that no message has.
  case nonsense
}

extension WaylandMessage {
  public static let headerByteCount = 8
  /// What 16 bits of length can say, in whole words.
  public static let mostBytes = 65532

  public static func parse(_ bytes: ArraySlice<UInt8>) -> WaylandParse {
    var reader = WaylandReader(bytes)
    guard let object = reader.uint(), let word = reader.uint() else { return .incomplete }
    let byteCount = Int(word >> 16)
    guard byteCount >= headerByteCount, byteCount % 4 == 0 else { return .nonsense }
    guard bytes.count >= byteCount else { return .incomplete }
    let message = WaylandMessage(
      object: object, opcode: UInt16(truncatingIfNeeded: word),
      arguments: bytes.prefix(byteCount).dropFirst(headerByteCount))
    return .message(message, byteCount: byteCount)
  }
}

/// Takes arguments off a message; nil when they end. Descriptors are not among the bytes.
struct WaylandReader {
  private var rest: ArraySlice<UInt8>

  init(_ bytes: ArraySlice<UInt8>) {
    rest = bytes
  }

  mutating func uint() -> UInt32? {
    guard rest.count >= 4 else { return nil }
    let value = rest.prefix(4).reversed().reduce(UInt32(0)) { $0 << 8 | UInt32($1) }
    rest = rest.dropFirst(4)
    return value
  }

  mutating func int() -> Int32? { uint().map { Int32(bitPattern: $0) } }

  /// A place or a length with 8 bits behind the point.
  mutating func fixed() -> WaylandFixed? { int().map { WaylandFixed(raw: $0) } }

  /// Empty where there is none at all (a null string).
  mutating func string() -> String? {
    guard let bytes = array() else { return nil }
    if bytes.isEmpty { return "" }
    guard bytes.last == 0 else { return nil }
    return String(decoding: bytes.dropLast(), as: UTF8.self)
  }

  mutating func array() -> ArraySlice<UInt8>? {
    guard let count = uint(), count <= UInt32(WaylandMessage.mostBytes) else { return nil }
    let padded = (Int(count) + 3) / 4 * 4
    guard rest.count >= padded else { return nil }
    let bytes = rest.prefix(Int(count))
    rest = rest.dropFirst(padded)
    return bytes
  }
}

/// Signed, with 8 bits behind the point.
public struct WaylandFixed: Equatable, Sendable {
  public var raw: Int32

  public init(raw: Int32) {
    self.raw = raw
  }

  /// Towards the left and the top.
  public var whole: Int { Int(raw >> 8) }
}
