// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import HeaderOracle
import Testing
import VirtioProtocol
import Wire

/// What of the packed ring is more than a layout: bits, positions, the base of vhost-user, and when to notify.
@Suite struct PackedRingTests {
  @Test func bitsAndOffsetsAreThoseOfTheHeader() throws {
    let bit = { (name: String) in UInt16(1) << UInt16(try #require(Oracle.values[name])) }
    #expect(try bit("VRING_PACKED_DESC_F_AVAIL") == PackedFlags.available)
    #expect(try bit("VRING_PACKED_DESC_F_USED") == PackedFlags.used)
    #expect(try bit("VRING_PACKED_EVENT_F_WRAP_CTR") == PackedPosition(index: 0, wrap: true).offsetWrap)
    for (name, value) in [
      ("VRING_PACKED_EVENT_FLAG_ENABLE", PackedEventFlags.enable),
      ("VRING_PACKED_EVENT_FLAG_DISABLE", PackedEventFlags.disable),
      ("VRING_PACKED_EVENT_FLAG_DESC", PackedEventFlags.descriptor),
    ] {
      #expect(Oracle.values[name] == UInt64(value), "\(name)")
    }
    for (name, offset) in [
      ("len", PackedRingLayout.lengthOffset), ("id", PackedRingLayout.idOffset),
      ("flags", PackedRingLayout.flagsOffset),
    ] {
      #expect(Oracle.values["vring_packed_desc.\(name)"] == UInt64(offset), "\(name)")
    }
    #expect(Oracle.values["sizeof vring_packed_desc_event"] == UInt64(PackedRingLayout.eventSize))
  }

  @Test func anyNumberUpTo32768IsAQueueSize() {
    #expect((-8...70000).filter { PackedRingLayout.isValid(queueSize: $0) } == Array(1...32768))
  }

  @Test(
    arguments: [
      (0x8000_8000, 0, true, 0, true), (0x8005_8007, 7, true, 5, true), (0x8005_0002, 2, false, 5, true),
      (0x0003_0003, 3, false, 3, false),
      // Only one position is said: both are it.
      (0x0000_8004, 4, true, 4, true),
    ] as [(UInt32, UInt16, Bool, UInt16, Bool)])
  func aBaseIsTwoPositionsWithTheirRounds(_ raw: UInt32, _ at: UInt16, _ wrap: Bool, _ used: UInt16, _ usedWrap: Bool) {
    let base = PackedBase(rawValue: raw)
    #expect(base.available == PackedPosition(index: at, wrap: wrap))
    #expect(base.used == PackedPosition(index: used, wrap: usedWrap))
    if raw >> 16 != 0 { #expect(base.rawValue == raw) }
  }

  @Test func aDeviceCannotHaveUsedWhatItDidNotTake() {
    #expect(PackedBase(rawValue: 0x8005_8007).outstanding(size: 8) == 2)
    #expect(PackedBase(rawValue: 0x8005_0002).outstanding(size: 8) == 5)
    #expect(PackedBase(rawValue: 0x8005_0005).outstanding(size: 8) == 8)
    #expect(PackedBase(rawValue: 0x8005_0006).outstanding(size: 8) == nil)
    #expect(PackedBase(rawValue: 0x8007_8005).outstanding(size: 8) == nil)
  }

  /// Against a count that never wraps.
  @Test(arguments: [1, 2, 3, 7, 8])
  func aNotificationIsDueWhenTheEventWasPassed(size: Int) {
    let position = { (number: Int) in
      PackedPosition(index: UInt16(number % size), wrap: number / size % 2 == 0)
    }
    for new in size...4 * size {
      for count in 1...size {
        // An event may lie anywhere from a round ago to a round ahead.
        for event in new - size..<new + size {
          let wish = PackedEvent(offsetWrap: position(event).offsetWrap, flags: PackedEventFlags.descriptor)
          let due = PackedRingLayout.needsEvent(
            wish, at: position(new), size: UInt16(size), count: UInt16(count))
          #expect(due == (new - count <= event && event < new), "\(event) of \(new) after \(count)")
        }
      }
    }
    for flags: UInt16 in [0, 3] {
      #expect(
        PackedRingLayout.needsEvent(PackedEvent(offsetWrap: 9, flags: flags), at: .start, size: 8, count: 1))
    }
    #expect(!PackedRingLayout.needsEvent(PackedEvent(offsetWrap: 0, flags: 1), at: .start, size: 8, count: 1))
  }
}
