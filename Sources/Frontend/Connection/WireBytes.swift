// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Payloads as byte arrays. Control messages are few and small, so clarity beats the cost of an array.

public import Wire

extension Array where Element == UInt8 {
  /// The bytes of a wire value.
  public init<Value: WireValue>(wire value: Value) {
    self.init()
    append(wire: value)
  }

  /// Appends the bytes of a wire value.
  public mutating func append<Value: WireValue>(wire value: Value) {
    unsafe Swift.withUnsafeBytes(of: value) { bytes in
      unsafe append(contentsOf: bytes)
    }
  }

  /// Reads a wire value at `offset`; nil when it does not fit.
  public func load<Value: WireValue>(_: Value.Type = Value.self, at offset: Int = 0) -> Value? {
    guard offset >= 0, offset <= count, MemoryLayout<Value>.size <= count - offset else { return nil }
    // The bounds were checked in the line above.
    return unsafe withUnsafeBytes { unsafe $0.loadUnaligned(fromByteOffset: offset, as: Value.self) }
  }
}

extension Segment {
  /// Copies an array to `offset`; false (and nothing copied) when it does not fit.
  @discardableResult
  public func copy(_ bytes: [UInt8], at offset: Int = 0) -> Bool {
    guard offset >= 0, offset <= count, bytes.count <= count - offset else { return false }
    unsafe bytes.withUnsafeBytes { source in
      guard let start = source.baseAddress else { return }
      unsafe (base + offset).copyMemory(from: start, byteCount: source.count)
    }
    return true
  }
}
