// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Glibc
import Linux
import Testing
import Wire

/// Mapped files that somebody truncates. Invariants: with an alarm, touching what is gone reads zeroes, rings the alarm
/// and changes no file; what is still there stays what it was; without one, and everywhere else, it stays fatal.
@Suite struct MemoryAlarmTests {
  private static let page = 4096

  /// An alarm and its word. Sendable because the word is only read after the alarm has rung.
  @safe private final class Bell: @unchecked Sendable {
    let word: UnsafeMutablePointer<UInt32>

    init() {
      unsafe word = UnsafeMutablePointer<UInt32>.allocate(capacity: 1)
      unsafe word.initialize(to: 0)
    }

    deinit { unsafe word.deallocate() }

    func alarm() throws -> MemoryAlarm {
      try MemoryAlarm(word: unsafe Segment(base: UnsafeMutableRawPointer(word), count: 4), owner: self)
    }

    var hasRung: Bool { unsafe word.pointee == 1 }
  }

  private func isReadable(_ file: File) -> Bool {
    !Poll.wait(file, nil, timeoutNanoseconds: 0).first.isEmpty
  }

  @Test func whatIsGoneReadsAsZeroesAndRings() throws {
    let bell = Bell()
    let alarm = try bell.alarm()
    let file = try MemoryFile.create("test-lost", byteCount: 4 * Self.page)
    let mapping = try Mapping(file.file, byteCount: 4 * Self.page, alarm: alarm)
    for page in 0..<4 { mapping.segment.store(UInt64(77), at: page * Self.page) }
    try file.file.setSize(Int64(2 * Self.page))
    #expect(mapping.segment.load(UInt64.self, at: Self.page) == 77)
    #expect(!bell.hasRung && !isReadable(alarm.file))
    #expect(mapping.segment.load(UInt64.self, at: 2 * Self.page) == 0)
    #expect(bell.hasRung && isReadable(alarm.file))
    mapping.segment.store(UInt64(5), at: 3 * Self.page + 8)
    #expect(mapping.segment.load(UInt64.self, at: 3 * Self.page + 8) == 5)
    #expect(mapping.segment.load(UInt64.self, at: Self.page) == 77, "what is still there is what it was")
    #expect(try file.file.status().size == UInt64(2 * Self.page), "nothing was written to the file")
    try file.file.setSize(Int64(4 * Self.page))
    let again = try Mapping(file.file, byteCount: 4 * Self.page)
    #expect(again.segment.load(UInt64.self, at: 3 * Self.page + 8) == 0)
  }

  @Test func eachMappingRingsItsOwnAlarm() throws {
    let bells = [Bell(), Bell(), Bell()]
    let alarms = try bells.map { try $0.alarm() }
    let file = try MemoryFile.create("test-lost", byteCount: Self.page)
    var mappings = try alarms.map { try Mapping(file.file, byteCount: Self.page, alarm: $0) }
    try file.file.setSize(0)
    // The first one's place in the handler's table is used again.
    mappings[0] = mappings[2]
    let kept = try MemoryFile.create("test-kept", byteCount: Self.page)
    let other = try Mapping(kept.file, byteCount: Self.page, alarm: alarms[0])
    other.segment.store(UInt64(9))
    #expect(mappings[1].segment.load(UInt64.self) == 0)
    #expect(bells.map { $0.hasRung } == [false, true, false])
    #expect(other.segment.load(UInt64.self) == 9)
  }

  @Test func manyThreadsMayFindItAtOnce() throws {
    let bell = Bell()
    let alarm = try bell.alarm()
    let pages = 512
    let file = try MemoryFile.create("test-lost", byteCount: pages * Self.page)
    let mapping = try Mapping(file.file, byteCount: pages * Self.page, alarm: alarm)
    try file.file.setSize(0)
    let first = try Linux.Thread(name: "first") {
      for page in 0..<pages { mapping.segment.store(UInt64(1), at: page * Self.page) }
    }
    let second = try Linux.Thread(name: "second") {
      for page in (0..<pages).reversed() { mapping.segment.store(UInt64(1), at: page * Self.page + 8) }
    }
    // Others come and go meanwhile.
    for _ in 0..<200 {
      let mine = try MemoryFile.create("test-mine", byteCount: Self.page)
      let one = try Mapping(mine.file, byteCount: Self.page, alarm: alarm)
      one.segment.store(UInt64(3))
      #expect(one.segment.load(UInt64.self) == 3)
    }
    first.join()
    second.join()
    #expect(bell.hasRung)
  }

  /// The kernel's own copies do not ring: they answer, and the answer is that of a broken disk.
  @Test func aCallOnWhatIsGoneIsAnInputOutputError() throws {
    let bell = Bell()
    let alarm = try bell.alarm()
    let memory = try MemoryFile.create("test-lost", byteCount: Self.page)
    let mapping = try Mapping(memory.file, byteCount: Self.page, alarm: alarm)
    let file = try MemoryFile.create("test-file", byteCount: Self.page)
    try memory.file.setSize(0)
    var segment = mapping.segment
    let (read, written) = unsafe withUnsafeMutablePointer(to: &segment) { start in
      let list = unsafe Segments(start: start, count: 1)
      return (
        Result { () throws(Errno) in try file.file.read(list, at: 0) },
        Result { () throws(Errno) in try file.file.write(list, at: 0) }
      )
    }
    #expect(read == .failure(.inputOutput))
    #expect(written == .failure(.inputOutput))
    #expect(!bell.hasRung)
  }

  @Test func withoutAnAlarmItIsFatal() async {
    await #expect(processExitsWith: .signal(SIGBUS)) {
      let file = try MemoryFile.create("test-lost", byteCount: 4096)
      let mapping = try Mapping(file.file, byteCount: 4096)
      try file.file.setSize(0)
      _ = mapping.segment.load(UInt64.self)
    }
  }

  @Test func elsewhereItStaysFatal() async {
    await #expect(processExitsWith: .signal(SIGBUS)) {
      let bell = Bell()
      let guarded = try MemoryFile.create("test-lost", byteCount: 4096)
      let safe = try Mapping(guarded.file, byteCount: 4096, alarm: try bell.alarm())
      try guarded.file.setSize(0)
      guard safe.segment.load(UInt64.self) == 0, bell.hasRung else { return }
      let file = try MemoryFile.create("test-lost", byteCount: 4096)
      let mapping = try Mapping(file.file, byteCount: 4096)
      try file.file.setSize(0)
      _ = mapping.segment.load(UInt64.self)
    }
  }
}
