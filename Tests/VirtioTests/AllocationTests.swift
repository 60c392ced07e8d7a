// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Nothing is allocated per chain. Counting calls of malloc from inside is not reliable (other tests run beside this
// one, a block that is freed at once leaves no trace), so the count is enforced: a process of its own takes all
// memory that its allocator could still give, and then serves chains. One allocation and it dies.
// Benchmarks/Rings/instructions counts the same in an optimized build, and references besides.

import Glibc
import Testing
import Virtio
import VirtioProtocol
import Wire

@Suite(.disabled(if: isSanitized, "a sanitizer brings an allocator of its own"))
struct AllocationTests {
  @Test func `ten thousand chains are served without one allocation`() async {
    await #expect(processExitsWith: .success) {
      try serveWithoutHeap(10_000, logged: false) { _ in }
    }
  }

  @Test func `ten thousand chains are served without one allocation while they are logged`() async {
    await #expect(processExitsWith: .success) {
      try serveWithoutHeap(10_000, logged: true) { _ in }
    }
  }

  @Test func `ten thousand chains of a packed ring are served without one allocation while they are logged`() async {
    await #expect(processExitsWith: .success) {
      try servePackedWithoutHeap(10_000)
    }
  }

  @Test func `one allocation in ten thousand chains is noticed`() async {
    let result = await #expect(processExitsWith: .failure) {
      try serveWithoutHeap(10_000, logged: false) { served in
        if served == 9_999 { Kept.renew() }
      }
    }
    // The runtime gave up; an exit code would mean that the harness itself failed.
    if case .exitCode(let code) = result?.exitStatus { Issue.record("exit code \(code)") }
  }
}

/// Something to allocate.
private final class Kept {
  nonisolated(unsafe) private static var last = Kept()

  static func renew() {
    unsafe last = Kept()
  }
}

private let isSanitized = unsafe dlsym(nil, "__asan_init") != nil || dlsym(nil, "__tsan_init") != nil

/// Serves chains of every kind until `count` are through, with an allocator that has nothing left, and ends the
/// process.
private func serveWithoutHeap(_ count: Int, logged: Bool, _ device: (Int) -> Void) throws {
  let ring = TestRing(size: 64)
  let base = TestRing.base
  ring.link([.writable(base, 64)], from: 0)
  ring.link([.readable(base, 64), .readable(base + 64, 8), .writable(base + 128, 8)], from: 1)
  ring.linkIndirect([.readable(base, 64), .writable(base + 64, 8)], slot: 4, tableAt: base + 4096)
  let bitmap = Block(64)
  let hand = HandRegion(size: 64)
  var queue = try Virtqueue(
    VirtqueueConfiguration(
      size: 64,
      rings: RingAreas(descriptors: ring.table.segment, available: ring.available.segment, used: ring.used.segment),
      memory: ring.memory(), features: ring.features, base: 0, notifier: ring.notifier,
      inflight: logged ? try hand.region() : nil,
      dirtyLog: logged ? DirtyLog(bitmap: bitmap.segment, owner: bitmap) : nil, loggedUsedAddress: base))
  var chain = Chain()

  func serve(_ count: Int, _ device: (Int) -> Void) throws -> Int {
    var served = 0
    while served < count {
      ring.offer(0)
      ring.offer(1)
      ring.offer(4)
      ring.usedEvent = ring.usedIndex
      while try queue.pop(into: &chain) {
        device(served)
        queue.complete(chain, written: chain.writable.byteCount)
        served += 1
      }
      queue.flush()
      if queue.armKicks() { return 0 }
    }
    return served
  }

  // Once with an allocator: what the runtime makes on first use is not made per chain.
  guard try serve(100, device) >= 100 else { _exit(2) }
  touchStack()
  exhaustHeap()
  let served = try serve(count, device)
  _exit(served >= count && ring.notifier.calls >= served / 3 ? 0 : 1)
}

/// The same on a packed ring with an inflight region and a dirty log.
private func servePackedWithoutHeap(_ count: Int) throws {
  let ring = PackedTestRing(size: 8)
  let base = TestRing.base
  let hand = PackedHandRegion(size: 8)
  let bitmap = Block(64)
  var queue = try Virtqueue(
    VirtqueueConfiguration(
      size: 8,
      rings: RingAreas(
        descriptors: ring.descriptors.segment, available: ring.driverEvent.segment, used: ring.deviceEvent.segment),
      memory: ring.ring.memory(), features: [.ringPacked, .eventIndex, .indirectDescriptors],
      base: ring.base(0), notifier: ring.notifier, packedInflight: try hand.region(),
      dirtyLog: DirtyLog(bitmap: bitmap.segment, owner: bitmap), loggedUsedAddress: base))
  var chain = Chain()

  /// Two lists of two descriptors a turn: the ring comes round every other turn.
  func serve(_ count: Int, after start: Int) throws -> Int {
    var served = 0
    while served < count {
      var offset = 0
      while offset < 4 {
        let number = 2 * (start + served) + offset
        let bit: UInt16 = number / 8 % 2 == 0 ? 0x80 : 0x8000
        ring.describe(
          number % 8, base + UInt64(64 * offset), 64, id: UInt16(offset / 2), flags: bit | (offset % 2 == 0 ? 1 : 2))
        offset += 1
      }
      let before = served
      while try queue.pop(into: &chain) {
        queue.complete(chain, written: 8)
        served += 1
      }
      queue.flush()
      if queue.armKicks() || served != before + 2 { return 0 }
    }
    return served
  }

  let first = try serve(100, after: 0)
  guard first == 100 else { _exit(2) }
  touchStack()
  exhaustHeap()
  let served = try serve(count, after: first)
  _exit(served >= count && ring.notifier.calls >= served / 2 ? 0 : 1)
}

/// The stack may not grow any more once memory is limited.
@inline(never)
private func touchStack() {
  var deep = InlineArray<16384, UInt64>(repeating: 1)
  deep[Int(deep[3])] = 2
}

/// Blocks taken, each pointing to the one before: so that the compiler cannot leave the calls out.
nonisolated(unsafe) private var taken: UnsafeMutableRawPointer?

/// Takes everything that malloc can still give, in every size.
private func exhaustHeap() {
  var none = rlimit(rlim_cur: 0, rlim_max: rlim_t.max)
  _ = unsafe getrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &none)
  none.rlim_cur = 0
  guard unsafe setrlimit(__rlimit_resource_t(RLIMIT_AS.rawValue), &none) == 0 else { _exit(3) }
  var size = 1 << 20
  while size >= 8 {
    while let block = unsafe malloc(size) {
      unsafe block.storeBytes(of: taken, as: UnsafeMutableRawPointer?.self)
      unsafe taken = block
    }
    size = size > 1024 ? size / 2 : size - 8
  }
}
