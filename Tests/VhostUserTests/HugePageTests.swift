// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Frontend
import Glibc
import Linux
import Testing
import VhostUser
import VhostUserProtocol
import Virtio
import VirtioProtocol
import Wire

/// Some of the machine's huge pages, reserved for these tests if nobody has reserved any, and given back at the end of
/// the process.
private enum HugePages {
  /// What all tests of the suite together need.
  static let needed = 12
  private static let sizeByteCount = 2 << 20
  private static let pool = Path("/proc/sys/vm/nr_hugepages")

  /// Nil if they can be had, else why not.
  static let reason: String? = {
    if unsafe getenv("MARTLET_SLOW") == nil {
      return "runs with contrib/test --all (MARTLET_SLOW=1): it changes the machine's vm.nr_hugepages"
    }
    guard number("Hugepagesize:") == sizeByteCount >> 10 else { return "the machine's huge pages are not of 2 MiB" }
    if free >= needed { return nil }
    guard let before = (try? pool.contents()).flatMap({ Int($0.dropLast()) }) else { return "no /proc/sys/vm" }
    guard set(before + needed - free) else {
      return "no free huge pages, and no right to reserve any (vm.nr_hugepages)"
    }
    unsafe original = before
    _ = atexit { HugePages.giveBack() }
    return free >= needed ? nil : "the machine has no memory left for \(needed) huge pages"
  }()

  nonisolated(unsafe) private static var original = 0

  private static func giveBack() {
    _ = unsafe set(original)
  }

  private static func set(_ count: Int) -> Bool {
    guard let file = try? pool.open(flags: OpenFlags.writeOnly) else { return false }
    return (try? file.file.write("\(count)")) != nil
  }

  private static var free: Int { number("HugePages_Free:") }

  /// A number of /proc/meminfo.
  private static func number(_ name: String) -> Int {
    let lines = (try? Path("/proc/meminfo").contents())?.split(separator: "\n") ?? []
    let line = lines.first { $0.hasPrefix(name) }
    return line?.split(separator: " ").dropFirst().first.flatMap { Int($0) } ?? 0
  }
}

/// Guest memory in huge pages (MFD_HUGETLB). Invariants: regions at any offset of their file are served, whole huge
/// pages or not; what its file does not hold is refused; a truncated file costs that frontend only.
@Suite(
  .serialized, .enabled(if: HugePages.reason == nil, "\(HugePages.reason ?? "")"), .timeLimit(.minutes(30)))
struct HugePageTests {
  private static let user: UInt64 = 0x7f00_0000_0000

  /// Two regions in files of their own, the second one not at the start of a huge page and not of whole ones.
  private func memory() throws -> GuestRAM {
    try GuestRAM(
      [
        GuestRegionLayout(guestAddress: 0, byteCount: 2 << 20, userAddress: Self.user),
        GuestRegionLayout(
          guestAddress: 4 << 20, byteCount: 0x10_3000, userAddress: Self.user + 1 << 30, mapOffset: 0x1f_f000),
      ], hugePages: true)
  }

  private func driver(
    _ backend: TestBackend, _ ram: GuestRAM, _ messages: DriverWishes.MemoryMessages
  ) throws -> VhostUserDriver {
    var wishes = DriverWishes()
    wishes.memory = messages
    let driver = try VhostUserDriver(try backend.connect(), ram: ram, wishes: wishes)
    try driver.start()
    return driver
  }

  /// A question in one region, its answer in another.
  private func echo(_ driver: VhostUserDriver, from source: Int, to target: Int) throws {
    let queue = driver.queues[0]
    let question = try queue.ram.allocate(5000, region: source)
    let answer = try queue.ram.allocate(5000, region: target)
    question.segment.copy((0..<5000).map { UInt8(truncatingIfNeeded: $0 * 7 + source) })
    try queue.add(readable: [question], writable: [answer])
    queue.submit()
    #expect(try queue.takeNext().length == 5000)
    #expect(answer.segment.bytes() == question.segment.bytes())
    queue.ram.free(question)
    queue.ram.free(answer)
  }

  @Test(arguments: [true, false]) func regionsAtAnyOffsetAreServed(_ slots: Bool) throws {
    let backend = try TestBackend()
    let driver = try driver(backend, try memory(), slots ? .slots : .table)
    for (source, target) in [(0, 1), (1, 0), (1, 1), (0, 0)] { try echo(driver, from: source, to: target) }
    try driver.stop()
    backend.close()
  }

  @Test func whatTheFileDoesNotHoldIsRefused() throws {
    let bench = try Bench()
    let file = try MemoryFile.create("test-huge", byteCount: 4 << 20, hugePages: true)
    func add(_ address: UInt64, _ size: UInt64, _ offset: UInt64) throws -> UInt64 {
      let region = bytes(UInt64(0), address, size, address, offset)
      return try bench.frontend.acknowledge(37, region, files: [file.file])
    }
    #expect(try add(0, 4 << 20, 0) == 0)
    #expect(try add(8 << 20, 0x1000, 0x1000) == 0)
    #expect(try add(16 << 20, 0x1001, 0x3f_f000) != 0)
    #expect(try add(16 << 20, 1, 4 << 20) != 0)
  }

  @Test func aTruncatedFileCostsItsFrontendOnly() throws {
    let backend = try TestBackend()
    let ram = try memory()
    let driver = try driver(backend, ram, .table)
    try echo(driver, from: 1, to: 1)
    let queue = driver.queues[0]
    let question = try ram.allocate(64, region: 1)
    let answer = try ram.allocate(64, region: 1)
    // From here on nobody on this side touches that region.
    try ram.regions[1].file.setSize(0)
    try queue.add(readable: [question], writable: [answer], indirect: false)
    queue.submit()
    #expect(throws: FrontendError.self) {
      while true { _ = try driver.connection.getFeatures() }
    }
    let next = try self.driver(backend, try GuestRAM(byteCount: 1 << 20), .table)
    try echo(next, from: 0, to: 0)
    backend.close()
  }
}
