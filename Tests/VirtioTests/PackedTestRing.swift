// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The driver's side of a packed ring, written from VIRTIO 1.3 section 2.8 with its numbers and not with the layouts of
// room VirtioProtocol.

import Virtio
import VirtioProtocol
import Wire

/// A packed ring and the guest memory behind it, which is that of a `TestRing`.
final class PackedTestRing {
  static let avail: UInt16 = 0x80
  static let used: UInt16 = 0x8000

  let size: Int
  let ring: TestRing
  let descriptors: Block
  let driverEvent = Block(4)
  let deviceEvent = Block(4)
  private let features: VirtioFeatures
  /// Descriptors that the driver has made available in the ring's life.
  private(set) var added = 0
  /// Descriptors that the driver has taken back.
  private(set) var taken = 0

  init(size: Int = 8, features: VirtioFeatures = [.eventIndex, .indirectDescriptors], startingAt number: Int = 0) {
    self.size = size
    self.features = features.union(.ringPacked)
    ring = TestRing(size: 16)
    descriptors = Block(16 * size)
    added = number
    taken = number
    // What stands in the ring when a driver has come so far: used descriptors of this round and the last one.
    for place in 0..<size {
      let round = place < number % size ? number / size : number / size - 1
      describe(place, 0, 0, id: 0, flags: round >= 0 && round % 2 == 0 ? 0x8080 : 0)
    }
  }

  var notifier: CountingNotifier { ring.notifier }

  func wrap(_ number: Int) -> Bool { number / size % 2 == 0 }

  /// Position and wrap counter as one word.
  func offsetWrap(_ number: Int) -> UInt16 { UInt16(number % size) | (wrap(number) ? 0x8000 : 0) }

  /// SET_VRING_BASE with both positions at one descriptor of the ring's life.
  func base(_ number: Int, used: Int? = nil) -> UInt32 {
    UInt32(offsetWrap(number)) | UInt32(offsetWrap(used ?? number)) << 16
  }

  func describe(
    _ place: Int, _ address: UInt64, _ length: UInt32, id: UInt16, flags: UInt16, in table: Segment? = nil
  ) {
    let table = table ?? descriptors.segment
    table.store(address, at: 16 * place)
    table.store(length, at: 16 * place + 8)
    table.store(id, at: 16 * place + 12)
    table.store(flags, at: 16 * place + 14)
  }

  /// Makes a list of buffers available. The id stands in the last descriptor only; the others have nonsense there.
  func offer(_ pieces: [Piece], id: UInt16) {
    let first = added
    for offset in pieces.indices.reversed() {
      let number = first + offset
      let isLast = offset == pieces.count - 1
      let flags =
        (pieces[offset].writable ? 2 : 0) | (isLast ? 0 : 1)
        | (wrap(number) ? PackedTestRing.avail : PackedTestRing.used)
      describe(
        number % size, pieces[offset].buffer.address, UInt32(pieces[offset].buffer.count), id: isLast ? id : 0xdead,
        flags: flags)
    }
    added += pieces.count
  }

  /// The same through a table at guest address `address`.
  func offerIndirect(_ pieces: [Piece], id: UInt16, tableAt address: UInt64, byteCount: Int? = nil) {
    let table = ring.bytes(address, 16 * pieces.count)
    for (offset, piece) in pieces.enumerated() {
      describe(
        offset, piece.buffer.address, UInt32(piece.buffer.count), id: 0xbeef, flags: piece.writable ? 2 : 0, in: table)
    }
    describe(
      added % size, address, UInt32(byteCount ?? 16 * pieces.count), id: id,
      flags: 4 | (wrap(added) ? PackedTestRing.avail : PackedTestRing.used))
    added += 1
  }

  /// Flags of a descriptor that is available in the present round, for what the helpers above do not write.
  var availableFlags: UInt16 { wrap(added) ? PackedTestRing.avail : PackedTestRing.used }

  func bytes(_ place: Int) -> [UInt8] { descriptors.segment.dropFirst(16 * place).prefix(16).bytes() }
  func flags(_ place: Int) -> UInt16 { descriptors.segment.load(at: 16 * place + 14) ?? 0xffff }

  /// Takes the next used descriptor, which stands for `count` of the ring; nil if there is none.
  func takeUsed(_ count: Int) -> (id: UInt16, length: UInt32, flags: UInt16)? {
    let place = taken % size
    guard flags(place) & 0x8080 == (wrap(taken) ? 0x8080 : 0) else { return nil }
    taken += count
    return (
      descriptors.segment.load(at: 16 * place + 12) ?? 0xffff, descriptors.segment.load(at: 16 * place + 8) ?? .max,
      flags(place) & ~0x8080
    )
  }

  /// (offset and wrap, flags) of a side's event area.
  var deviceWish: [UInt16] {
    [deviceEvent.segment.load(at: 0) ?? 0xffff, deviceEvent.segment.load(at: 2) ?? 0xffff]
  }

  func wish(_ offsetWrap: UInt16, flags: UInt16) {
    driverEvent.segment.store(offsetWrap, at: 0)
    driverEvent.segment.store(flags, at: 2)
  }

  func queue(
    batchLimit: UInt16 = Virtqueue.defaultBatchLimit, base: UInt32? = nil,
    inflight: consuming PackedInflightRegion? = nil, dirtyLog: DirtyLog? = nil, loggedUsedAddress: UInt64? = nil
  ) throws(GuestFault) -> TestQueue {
    let configuration = VirtqueueConfiguration(
      size: UInt16(size),
      rings: RingAreas(
        descriptors: descriptors.segment, available: driverEvent.segment, used: deviceEvent.segment),
      memory: ring.memory(), features: features, base: base ?? self.base(taken), notifier: notifier,
      packedInflight: inflight, dirtyLog: dirtyLog, loggedUsedAddress: loggedUsedAddress)
    return TestQueue(try Virtqueue(configuration, batchLimit: batchLimit), ring)
  }
}
