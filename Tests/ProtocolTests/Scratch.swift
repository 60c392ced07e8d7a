// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Wire

/// Runs `body` with `count` bytes whose end touches a page that may not be accessed, filled with `bytes` (zeroes where
/// those end): one byte too far is a crash, not luck.
func withScratch<Result>(_ count: Int, filledWith bytes: [UInt8] = [], _ body: (Segment) throws -> Result) rethrows
  -> Result
{
  let page = Int(sysconf(Int32(_SC_PAGESIZE)))
  let room = (count + page - 1) / page * page
  let flags = MAP_PRIVATE | MAP_ANONYMOUS
  guard let start = unsafe mmap(nil, room + page, PROT_READ | PROT_WRITE, flags, -1, 0), unsafe start != MAP_FAILED
  else { fatalError("no memory for a test") }
  defer { unsafe munmap(start, room + page) }
  guard unsafe mprotect(start + room, page, PROT_NONE) == 0 else { fatalError("no guard page for a test") }
  let segment = unsafe Segment(base: start + (room - count), count: count)
  for (index, byte) in bytes.prefix(count).enumerated() { segment.store(byte, at: index) }
  return try body(segment)
}

/// The wire image of `value`.
func encoded<Value: WireValue>(_ value: Value) -> [UInt8] {
  withScratch(MemoryLayout<Value>.size) { target in
    // What was there before must not shine through.
    for index in 0..<target.count { target.store(UInt8(0xa5), at: index) }
    target.store(value)
    return target.bytes()
  }
}

/// The value with this wire image; nil if there are too few bytes.
func decoded<Value: WireValue>(_: Value.Type = Value.self, _ bytes: [UInt8]) -> Value? {
  withScratch(bytes.count, filledWith: bytes) { $0.load(Value.self) }
}

/// The bytes that a text of hexadecimal digits stands for; white space does not count.
func hex(_ text: String) -> [UInt8] {
  let digits = text.filter { !$0.isWhitespace }.map { UInt8($0.hexDigitValue!) }
  precondition(digits.count % 2 == 0, "half a byte")
  return stride(from: 0, to: digits.count, by: 2).map { digits[$0] << 4 | digits[$0 + 1] }
}

/// SplitMix64: the same numbers on every run for the same seed.
struct SeededGenerator: RandomNumberGenerator {
  private var state: UInt64

  init(seed: UInt64) {
    state = seed
  }

  mutating func next() -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    return value ^ (value >> 31)
  }
}

/// A `ByteReader` as a class: the macros of Swift Testing cannot call a mutating method.
final class Reading {
  private var reader: ByteReader

  init(_ segment: Segment) {
    reader = ByteReader(segment)
  }

  var remaining: Int { reader.remaining }
  var remainder: Segment { reader.remainder }
  func read<Value: WireValue>(_: Value.Type = Value.self) -> Value? { reader.read() }
  func readBytes(_ count: Int) -> Segment? { reader.readBytes(count) }
  func readName() -> CName? { reader.readName() }
}

/// A `ByteWriter` as a class, likewise.
final class Writing {
  private var writer: ByteWriter

  init(_ segment: Segment) {
    writer = ByteWriter(segment)
  }

  var count: Int { writer.count }
  var space: Int { writer.space }
  var written: Segment { writer.written }
  func append<Value: WireValue>(_ value: Value) -> Bool { writer.append(value) }
  func append(_ bytes: Segment) -> Bool { writer.append(bytes) }
  func append(_ name: CName) -> Bool { writer.append(name) }
  func appendZeroes(_ length: Int) -> Bool { writer.appendZeroes(length) }
  func rewind(to position: Int) { writer.rewind(to: position) }
}
