// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Linux
import Testing
import VhostUser
import Wire

/// What frontends share through descriptors: guest memory, the inflight area, the dirty log. Invariants: a range that
/// its file does not back is refused; a refused change leaves everything as it was.
@Suite(.timeLimit(.minutes(30)))
struct SharedMemoryTests {
  private func add(_ frontend: RawFrontend, _ region: [UInt8], _ file: File) throws -> UInt64 {
    try frontend.acknowledge(37, bytes(UInt64(0)) + region, files: [file])
  }

  @Test func regionsOfOddSizesAndAddressesAreTaken() throws {
    let bench = try Bench()
    let file = try MemoryFile.create("test-odd", byteCount: 0x20000)
    // libblkio: size not page aligned; QEMU in GPA mode: user address 0; an mmap offset in the middle of a page.
    #expect(try add(bench.frontend, bytes(UInt64(0x1000), UInt64(0x3b10), UInt64(0x1000), UInt64(0)), file.file) == 0)
    #expect(try add(bench.frontend, bytes(UInt64(0), UInt64(0x1000), UInt64(0), UInt64(0x2000)), file.file) == 0)
    #expect(try add(bench.frontend, bytes(UInt64(1) << 32, UInt64(16), UInt64(5), UInt64(0x1234)), file.file) == 0)
  }

  @Test func impossibleRegionsAreRefused() throws {
    let bench = try Bench()
    let file = try MemoryFile.create("test-refused", byteCount: 0x4000)
    let cases: [[UInt8]] = [
      bytes(UInt64(0), UInt64(0x5000), UInt64(0), UInt64(0)),
      bytes(UInt64(0), UInt64(0x1000), UInt64(0), UInt64(0x4000)),
      bytes(UInt64(0), UInt64(0), UInt64(0), UInt64(0)),
      bytes(UInt64.max - 0xfff, UInt64(0x2000), UInt64(0), UInt64(0)),
      bytes(UInt64(0), UInt64(0x2000), UInt64.max - 0xfff, UInt64(0)),
      bytes(UInt64(0), UInt64(0x2000), UInt64(0), UInt64.max - 0xfff),
      bytes(UInt64(0), UInt64.max, UInt64(0), UInt64(0)),
    ]
    for region in cases { #expect(try add(bench.frontend, region, file.file) != 0) }
    let good = bytes(UInt64(0), UInt64(0x4000), UInt64(0), UInt64(0))
    #expect(try bench.frontend.acknowledge(37, bytes(UInt64(0)) + good) != 0, "no descriptor")
    #expect(try add(bench.frontend, good, file.file) == 0)
    #expect(try add(bench.frontend, good, file.file) != 0, "overlap")
    #expect(try bench.frontend.acknowledge(38, bytes(UInt64(0)) + good) == 0)
    #expect(try bench.frontend.acknowledge(38, bytes(UInt64(0)) + good) != 0, "not there any more")
  }

  @Test func anEventIsNoMemory() throws {
    let bench = try Bench()
    let event = try Event()
    #expect(try add(bench.frontend, bytes(UInt64(0), UInt64(0x1000), UInt64(0), UInt64(0)), event.file) != 0)
  }

  @Test func memoryTableMayBeLongerThanItsRegionsButNotShorter() throws {
    let bench = try Bench()
    let ring = try GuestRing()
    let table = ring.memoryTable
    #expect(
      try bench.frontend.acknowledge(5, table + [UInt8](repeating: 0xaa, count: 32), files: [ring.file.file]) == 0)
    #expect(try bench.frontend.acknowledge(5, Array(table.dropLast()), files: [ring.file.file]) != 0)
    #expect(try bench.frontend.acknowledge(5, table) != 0)
    #expect(try bench.frontend.acknowledge(5, table, files: [ring.file.file, ring.file.file]) != 0)
    #expect(try bench.frontend.acknowledge(5, bytes(UInt32.max, UInt32(0)), files: [ring.file.file]) != 0)
  }

  @Test func manyRegionsComeOneByOne() throws {
    let bench = try Bench()
    let file = try MemoryFile.create("test-many", byteCount: 0x1000)
    for index in 0..<UInt64(510) {
      let answer = try add(
        bench.frontend, bytes(index << 20, UInt64(0x1000), index << 20, UInt64(0)), file.file)
      #expect((answer == 0) == (index < 509))
    }
  }

  // MARK: Inflight

  private func inflight(_ frontend: RawFrontend, queueSize: UInt16, payloadSize: Int) throws -> FileDescriptor {
    let request = bytes(UInt64(0), UInt64(0), UInt16(2), queueSize, UInt32(0)).prefix(payloadSize)
    var reply = try frontend.ask(31, Array(request))
    let stride = UInt64((16 + 16 * Int(queueSize) + 63) / 64 * 64)
    // The queues' parts, and 64 bytes for a word of the device's.
    #expect(reply.payload == bytes(2 * stride + 64, UInt64(0), UInt16(2), queueSize, UInt32(0)))
    #expect(reply.descriptors.count == 1)
    guard let file = reply.descriptors.takeFirst() else { throw Errno.noEntry }
    return file
  }

  @Test(arguments: [20, 24]) func inflightAreaIsMadeAndTakenBack(payloadSize: Int) throws {
    let bench = try Bench()
    let area = try inflight(bench.frontend, queueSize: 16, payloadSize: payloadSize)
    let description = bytes(UInt64(640), UInt64(0), UInt16(2), UInt16(16), UInt32(0)).prefix(payloadSize)
    #expect(try bench.frontend.acknowledge(32, Array(description), files: [area.file]) == 0)
    #expect(try bench.frontend.acknowledge(32, Array(description)) != 0)
    let larger = bytes(UInt64(1 << 20), UInt64(0), UInt16(200), UInt16(1024), UInt32(0))
    #expect(try bench.frontend.acknowledge(32, larger, files: [area.file]) != 0)
    let impossible = try bench.frontend.ask(31, bytes(UInt64(0), UInt64(0), UInt16(0), UInt16(16), UInt32(0)))
    #expect(u64(impossible.payload) == 0 && impossible.descriptors.count == 0)
  }

  @Test func requestsInFlightAreSubmittedAgain() throws {
    let bench = try Bench()
    let ring = try GuestRing()
    let area = try inflight(bench.frontend, queueSize: 16, payloadSize: 24)
    // A predecessor took three chains (heads 0, 2, 4), published head 0 but died before it noted that.
    for slot in 0..<3 { ring.submit("orphan \(slot)", slot: slot, kicks: false) }
    ring.submit("new", slot: 3, kicks: false)
    ring.memory.segment.store(UInt16(1), at: 0x3002)
    let mapping = try Mapping(area.file, byteCount: 640)
    defer { withExtendedLifetime(mapping) {} }
    let log = mapping.segment
    log.store(UInt16(1), at: 8)
    log.store(UInt16(16), at: 10)
    log.store(UInt16(0), at: 12)
    for (order, head) in [0, 2, 4].enumerated() {
      log.store(UInt8(1), at: 16 + 16 * head)
      log.store(UInt64(order), at: 16 + 16 * head + 8)
    }
    let frontend = bench.frontend
    let description = bytes(UInt64(640), UInt64(0), UInt16(2), UInt16(16), UInt32(0))
    #expect(try frontend.acknowledge(32, description, files: [area.file]) == 0, "before memory and size, as QEMU")
    #expect(try frontend.acknowledge(2, SessionTests.noFeatures) == 0)
    #expect(try frontend.acknowledge(5, ring.memoryTable, files: [ring.file.file]) == 0)
    #expect(try frontend.acknowledge(8, bytes(UInt32(0), UInt32(16))) == 0)
    // Cloud Hypervisor sends the available index, which would lose them.
    #expect(try frontend.acknowledge(10, bytes(UInt32(0), UInt32(4))) == 0)
    #expect(try frontend.acknowledge(9, ring.addresses) == 0)
    #expect(try frontend.acknowledge(12, bytes(UInt64(0)), files: [ring.kick.file]) == 0)
    #expect(ring.waitUsed(4))
    #expect(ring.answer(8, slot: 1) == "orphan 1")
    #expect(ring.answer(8, slot: 2) == "orphan 2")
    #expect(ring.answer(3, slot: 3) == "new")
    #expect(try frontend.ask(11, bytes(UInt32(0), UInt32(0))).payload == bytes(UInt32(0), UInt32(4)))
  }

  // MARK: Dirty log

  @Test func writtenPagesAreLoggedOnceTheFeatureIsOn() throws {
    let bench = try Bench()
    let ring = try GuestRing()
    let frontend = bench.frontend
    let logFile = try MemoryFile.create("test-log", byteCount: 0x10000)
    let mapping = try Mapping(logFile.file, byteCount: 0x10000)
    defer { withExtendedLifetime(mapping) {} }
    let log = mapping.segment
    #expect(try frontend.acknowledge(16, bytes(UInt64(0xb))) == 0)
    #expect(try frontend.acknowledge(2, SessionTests.noFeatures) == 0)
    #expect(try frontend.acknowledge(5, ring.memoryTable, files: [ring.file.file]) == 0)
    #expect(try frontend.acknowledge(8, bytes(UInt32(0), UInt32(16))) == 0)
    #expect(try frontend.acknowledge(9, ring.addresses) == 0)
    #expect(try frontend.acknowledge(12, bytes(UInt64(0)), files: [ring.kick.file]) == 0)
    ring.submit("not logged")
    #expect(ring.waitUsed(1))
    let description = bytes(UInt64(0x10000), UInt64(0))
    #expect(try frontend.ask(6, description, files: [logFile.file]).payload == description)
    #expect(try frontend.acknowledge(7, files: [logFile.file]) == 0)
    // LOG_ALL, and the used ring logged at its guest address: as QEMU when migration begins.
    #expect(try frontend.acknowledge(2, bytes(UInt64(1) << 32 | 1 << 26)) == 0)
    let usedAddress = GuestRing.guestBase + 0x3000
    let logged = bytes(UInt32(0), UInt32(1), ring.descriptors, ring.usedRing, ring.availableRing, usedAddress)
    #expect(try frontend.acknowledge(9, logged) == 0)
    #expect(!log.bytes().contains { $0 != 0 })
    ring.submit("logged", slot: 1)
    #expect(ring.waitUsed(2))
    #expect(try frontend.ask(11, bytes(UInt32(0), UInt32(0))).payload.count == 8)
    func isDirty(_ address: UInt64) -> Bool {
      let page = Int(address >> 12)
      return (log.load(UInt8.self, at: page >> 3) ?? 0) & (1 << UInt8(page & 7)) != 0
    }
    #expect(isDirty(usedAddress))
    #expect(isDirty(GuestRing.guestBase + 0x11800))
    #expect(!isDirty(GuestRing.guestBase + 0x10800))
  }

  @Test func aLogBeyondItsFileIsRefused() throws {
    let bench = try Bench()
    let file = try MemoryFile.create("test-log", byteCount: 0x1000)
    let reply = try bench.frontend.ask(6, bytes(UInt64(0x10000), UInt64(0)), files: [file.file])
    #expect(reply.payload.isEmpty)
    #expect(bench.frontend.isQuiet)
  }
}
