// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Replies: the header goes in front, the payload was built behind its place or is in guest memory already.

internal import FuseProtocol
internal import Linux
internal import Wire

extension Worker {
  /// Where an operation builds its payload.
  var payload: ByteWriter { ByteWriter(memory.output.dropFirst(FuseOutHeader.byteCount)) }

  /// A small block for a rewritten attribute name or an ioctl's argument.
  var xattrScratch: Segment { memory.small }

  /// A payload of one value.
  func answer<Value: WireValue>(_ value: Value) -> Answer {
    var writer = payload
    writer.append(value)
    return .payload(writer.count)
  }

  /// Each `reply` returns the bytes written into the chain.
  func reply(unique: UInt64, _ answer: Answer, into writable: Segments) -> Int {
    switch answer {
    case .nothing: return 0
    case .inPlace(let count): return reply(unique: unique, inPlace: count, into: writable)
    case .payload(let count):
      let length = FuseOutHeader.byteCount + count
      guard length <= writable.byteCount else { return reply(unique: unique, error: .inputOutput, into: writable) }
      memory.output.store(FuseOutHeader(len: UInt32(length), error: 0, unique: unique))
      return writable.scatter(memory.output.prefix(length))
    }
  }

  func reply(unique: UInt64, inPlace count: Int, into writable: Segments) -> Int {
    let length = FuseOutHeader.byteCount + count
    memory.output.store(FuseOutHeader(len: UInt32(length), error: 0, unique: unique))
    _ = writable.scatter(memory.output.prefix(FuseOutHeader.byteCount))
    return length
  }

  func reply<Value: WireValue>(unique: UInt64, _ value: Value, into writable: Segments) -> Int {
    reply(unique: unique, answer(value), into: writable)
  }

  func reply(unique: UInt64, error: Errno, into writable: Segments) -> Int {
    // FORGET and its like have no room for a reply and want none.
    guard writable.byteCount >= FuseOutHeader.byteCount else { return 0 }
    memory.output.store(FuseOutHeader(len: UInt32(FuseOutHeader.byteCount), error: -error.rawValue, unique: unique))
    return writable.scatter(memory.output.prefix(FuseOutHeader.byteCount))
  }
}
