// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a volume may cost, counted from outside of the daemon: allocations by a library that is loaded before the C
// library, system calls by strace, memory by the kernel. Counts only; how long anything takes is the benches' business.

import BlockProtocol
import Foundation
import Frontend
import Linux
import Support
import Testing
import VirtioProtocol

/// Invariants, for every way of doing requests:
/// - once a queue runs, no request allocates;
/// - 32 requests that come together cost no more than three system calls: 0.1 each;
/// - a daemon has less than 10 MiB of memory of its own.
@Suite(.timeLimit(.minutes(30))) struct BlockCostTests {
  /// How a volume is served, and whether the guest's buffers lie where direct I/O takes them.
  struct Way: Sendable, CustomTestStringConvertible {
    let arguments: [String]
    var directory = "/var/tmp"
    var misalignment = 0
    let testDescription: String

    static let cached = Way(arguments: [], testDescription: "cached")
    static let null = Way(arguments: ["--format=null", "--size=4M"], testDescription: "null")
    static let all = [
      cached, null,
      Way(arguments: ["--direct=prefer"], testDescription: "direct"),
      Way(arguments: ["--direct=prefer"], misalignment: 8, testDescription: "direct, not aligned"),
      Way(arguments: ["--direct=prefer", "--pin-memory=on"], testDescription: "direct, pinned memory"),
      Way(arguments: ["--engine=threads", "--direct=prefer"], testDescription: "threads"),
      Way(arguments: [], directory: "/dev/shm", testDescription: "in memory"),
    ]
  }

  private static let depth = 32
  private static let sectors: UInt64 = 8192

  private let place: Workplace

  init() throws {
    place = try Workplace()
  }

  // MARK: A driven daemon

  private func start(
    _ way: Way, _ more: [String] = [], wrapper: [String] = [], environment: [String]? = nil
  ) async throws -> RunningProgram {
    var arguments = [BlockDaemonTests.binary, "--socket-path=\(place.file("s"))"] + way.arguments + more
    if !way.arguments.contains("--format=null") {
      let image = try imagePath(way)
      arguments.append("--blk-file=\(image)")
    }
    let program = try RunningProgram(arguments, in: place, wrapper: wrapper, environment: environment)
    try await program.waitUntil("serving") { program.log.contains("] serving ") }
    return program
  }

  /// Written, so that the page cache has all of it.
  private func imagePath(_ way: Way) throws -> String {
    let path = "\(way.directory)/martlet-cost-\(place.path.split(separator: "/").last ?? "").img"
    try Data(count: Int(Self.sectors) * 512).write(to: URL(fileURLWithPath: path))
    return path
  }

  private func removeImage(_ way: Way) {
    try? FileManager.default.removeItem(atPath: (try? imagePath(way)) ?? "")
  }

  private func attach(_ misalignment: Int = 0, queues: Int = 1) throws -> (VhostUserDriver, [BlockLane]) {
    var wishes = DriverWishes()
    wishes.queueCount = queues
    wishes.features.insert(.device(9))  // VIRTIO_BLK_F_FLUSH: without it each write is synced.
    let driver = try VhostUserDriver(
      try FrontendConnection(path: place.file("s")), ram: try GuestRAM(byteCount: 8 << 20), wishes: wishes)
    try driver.start()
    let lanes = try driver.queues.map {
      try BlockLane($0, depth: Self.depth, dataByteCount: 4096, misalignment: misalignment)
    }
    return (driver, lanes)
  }

  /// Turns of 32 requests of 4 KiB that become visible together, reads and every fourth a write if `writes` is true;
  /// the next turn begins when all of one are answered.
  private func drive(_ lane: BlockLane, turns: Int, writes: Bool = true) throws {
    for turn in 0..<turns {
      for slot in 0..<Self.depth {
        let block = UInt64(turn * 37 + slot * 11) % (Self.sectors / 8)
        lane.send(slot, writes && slot % 4 == 3 ? .write : .read, sector: block * 8, byteCount: 4096)
      }
      lane.flush()
      var left = Self.depth
      while left > 0 {
        if let answer = try lane.take() {
          guard answer.status == 0 else { throw Trouble("a request was answered with status \(answer.status)") }
          left -= 1
        } else {
          try lane.wait(pollNanoseconds: 0, timeoutNanoseconds: 60_000_000_000)
        }
      }
    }
  }

  // MARK: Allocations

  /// Counts every call that gives memory, in a page that the test can look at while the daemon runs.
  private static let countingLibrary = """
    #define _GNU_SOURCE
    #include <errno.h>
    #include <fcntl.h>
    #include <stdlib.h>
    #include <sys/mman.h>
    #include <unistd.h>
    extern void *__libc_malloc(size_t), *__libc_calloc(size_t, size_t), *__libc_realloc(void *, size_t);
    extern void *__libc_memalign(size_t, size_t);
    static unsigned long *count;
    static void more(void) { if (count) __atomic_add_fetch(count, 1, __ATOMIC_RELAXED); }
    __attribute__((constructor)) static void begin(void) {
      int fd = open(getenv("ALLOCATION_COUNT"), O_RDWR);
      void *page = fd < 0 ? MAP_FAILED : mmap(NULL, 4096, PROT_READ | PROT_WRITE, MAP_SHARED, fd, 0);
      if (page != MAP_FAILED) count = page;
      if (fd >= 0) close(fd);
    }
    void *malloc(size_t n) { more(); return __libc_malloc(n); }
    void *calloc(size_t n, size_t m) { more(); return __libc_calloc(n, m); }
    void *realloc(void *p, size_t n) { more(); return __libc_realloc(p, n); }
    void *memalign(size_t a, size_t n) { more(); return __libc_memalign(a, n); }
    void *aligned_alloc(size_t a, size_t n) { more(); return __libc_memalign(a, n); }
    int posix_memalign(void **p, size_t a, size_t n) {
      more();
      *p = __libc_memalign(a, n);
      return *p ? 0 : ENOMEM;
    }
    """

  private func makeCountingLibrary() throws -> String {
    let source = place.file("count.c")
    let library = place.file("count.so")
    try Self.countingLibrary.write(toFile: source, atomically: true, encoding: .utf8)
    // The compiler of this package's own C parts.
    let outcome = try RunningProgram(["clang", "-O1", "-shared", "-fPIC", "-o", library, source], in: place)
      .waitBlocking()
    try #require(outcome.code == 0, "\(outcome.errors)")
    try Data(count: 4096).write(to: URL(fileURLWithPath: place.file("count")))
    return library
  }

  private func allocationCount() throws -> UInt64 {
    let page = try Data(contentsOf: URL(fileURLWithPath: place.file("count")))
    return page.prefix(8).reversed().reduce(0) { $0 << 8 | UInt64($1) }
  }

  @Test(arguments: Way.all)
  func `no request allocates`(_ way: Way) async throws {
    let library = try makeCountingLibrary()
    let path = ProcessInfo.processInfo.environment["PATH"] ?? "/usr/bin:/bin"
    let program = try await start(
      way, environment: ["PATH=\(path)", "LD_PRELOAD=\(library)", "ALLOCATION_COUNT=\(place.file("count"))"])
    defer { removeImage(way) }
    let (driver, lanes) = try attach(way.misalignment)
    // Helpers are started, and lists grow to what is needed.
    try drive(lanes[0], turns: 100)
    try #require(try allocationCount() > 100, "nothing is counted")
    // The look at the image's size, once a second, may allocate; 6400 requests may not. On a busy machine they take
    // many seconds, so the least of a few runs counts.
    var allocations = UInt64.max
    for _ in 0..<5 where allocations >= 100 {
      let before = try allocationCount()
      try drive(lanes[0], turns: 200)
      allocations = min(allocations, try allocationCount() - before)
    }
    #expect(allocations < 100, "\(allocations) allocations")
    driver.connection.close()
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
  }

  // MARK: System calls

  private static let hasTracer =
    (try? RunningProgram(["strace", "-c", "true"], in: Workplace()).waitBlocking().code) == 0

  /// System calls of a whole run with so many turns, by name.
  private func systemCalls(_ way: Way, turns: Int) async throws -> Int {
    let report = place.file("calls-\(turns)")
    // A thread that looks gives its processor up again and again, and how often is chance.
    let program = try await start(
      way, ["--sandbox=none", "--poll-us=0"], wrapper: ["strace", "-f", "-c", "-o", report])
    let (driver, lanes) = try attach()
    try drive(lanes[0], turns: turns, writes: false)
    driver.connection.close()
    let children = try Path("/proc/\(program.identifier)/task/\(program.identifier)/children").contents()
    let server = try #require(Int32(children.split(separator: " ").first ?? ""))
    kill(server, SIGTERM)
    #expect(try await program.wait().code == 0)
    // "% time, seconds, usecs/call, calls, [errors,] syscall"
    let total = try #require(try Path(report).contents().split(separator: "\n").last?.split(separator: " "))
    try #require(total.last == "total")
    return try #require(Int(total[3]))
  }

  @Test(
    .enabled(if: hasTracer, "strace counts the calls, and is not installed or not allowed"),
    arguments: [Way.cached, Way.null])
  func `requests that come 32 at a time cost at most a tenth of a system call each`(_ way: Way) async throws {
    defer { removeImage(way) }
    // A thread that others keep waiting finds some requests late, which only ever adds calls: the least of a few runs
    // is what the daemon itself does.
    var perRequest = Double.infinity
    for _ in 0..<5 where perRequest > 0.1 {
      let few = try await systemCalls(way, turns: 20)
      let many = try await systemCalls(way, turns: 220)
      perRequest = min(perRequest, Double(many - few) / Double(200 * Self.depth))
    }
    #expect(perRequest <= 0.1, "\(perRequest) calls per request")
    // Something was counted: each turn was waited for.
    #expect(perRequest >= 1 / Double(Self.depth))
  }

  // MARK: Memory

  @Test(arguments: Way.all)
  func `a daemon with four busy queues has less than 10 MiB of its own`(_ way: Way) async throws {
    let program = try await start(way, ["--num-queues=4"])
    defer { removeImage(way) }
    let (driver, lanes) = try attach(way.misalignment, queues: 4)
    for lane in lanes { try drive(lane, turns: 20) }
    let children = try Path("/proc/\(program.identifier)/task/\(program.identifier)/children").contents()
    for process in [program.identifier] + children.split(separator: " ").compactMap({ Int32($0) }) {
      let rollup = try Path("/proc/\(process)/smaps_rollup").contents()
      let kibibytes = rollup.split(separator: "\n").filter { $0.hasPrefix("Private_") }.compactMap {
        Int($0.split(separator: " ")[1])
      }
      try #require(kibibytes.count >= 2)
      #expect(kibibytes.reduce(0, +) < 10 << 10, "\(rollup)")
    }
    driver.connection.close()
    program.send(SIGTERM)
    #expect(try await program.wait().code == 0)
  }
}
