// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import Wire

/// How a wire struct lies in memory, with the names that C has for its fields.
struct Layout: Sendable, CustomTestStringConvertible {
  let swiftName: String
  let cName: String
  let size: Int
  let stride: Int
  let alignment: Int
  /// C name and offset of every listed field.
  let offsets: [(name: String, offset: Int?)]
  /// Number of stored properties, whether listed or not.
  let propertyCount: Int
  /// The bytes after a load into the struct and a store from it.
  let roundTrip: @Sendable ([UInt8]) -> [UInt8]?
  /// The bytes of the zero value.
  let zero: @Sendable () -> [UInt8]

  var testDescription: String { swiftName }
}

func layout<Value: WireValue>(
  _: Value.Type, _ cName: String, _ fields: KeyValuePairs<String, PartialKeyPath<Value>>
) -> Layout {
  Layout(
    swiftName: String(describing: Value.self), cName: cName, size: MemoryLayout<Value>.size,
    stride: MemoryLayout<Value>.stride, alignment: MemoryLayout<Value>.alignment,
    offsets: fields.map { ($0.key, MemoryLayout<Value>.offset(of: $0.value)) },
    propertyCount: Mirror(reflecting: Value()).children.count,
    roundTrip: { bytes in decoded(Value.self, bytes).map { encoded($0) } },
    zero: { encoded(Value()) })
}
