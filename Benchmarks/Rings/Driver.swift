// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The driver's side of the bench: guest memory in three regions and a split ring whose chains are laid out once and
// offered over and over, so that what is measured is the device. Written from the specification, not with room
// Virtio. It must not do work per descriptor while a measurement runs.

import CRingLoop
import Virtio
import VirtioProtocol
import Wire

/// What the chains of a run look like.
struct ChainShape {
  /// Descriptors with a buffer.
  var length: Int
  /// In a table of their own, behind one descriptor of the ring.
  var indirect: Bool

  var name: String { indirect ? "indirect \(length)" : "\(length)" }

  static var all: [ChainShape] {
    [1, 3, 16].map { ChainShape(length: $0, indirect: false) } + [ChainShape(length: 16, indirect: true)]
  }
}

/// Owns the memory; nothing else here frees it.
@safe
final class GuestRing {
  /// Chains that are offered at once: one batch of the device.
  static let batch = 32
  /// Enough for two batches of chains of sixteen.
  static let size = 1024
  private static let regionSize = 1 << 20
  /// Below 1 MiB, below 4 GiB and above it, as a PC has them.
  private static let guestAddresses: [UInt64] = [0, 0x10_0000, 0x1_0000_0000]

  /// Guest address of the used ring.
  static let usedAddress = guestAddresses[1] + 0x1_0000

  private let memory: UnsafeMutableRawPointer
  private var available: UInt16 = 0
  private let table: UnsafeMutableRawPointer
  private let availableRing: UnsafeMutableRawPointer
  private let usedRing: UnsafeMutableRawPointer

  init(_ shape: ChainShape) {
    let byteCount = GuestRing.regionSize * GuestRing.guestAddresses.count
    unsafe memory = UnsafeMutableRawPointer.allocate(byteCount: byteCount, alignment: 4096)
    unsafe memory.initializeMemory(as: UInt8.self, repeating: 0, count: byteCount)
    let rings = unsafe memory + GuestRing.regionSize
    unsafe table = rings
    unsafe availableRing = rings + 0x8000
    unsafe usedRing = rings + 0x1_0000
    layOut(shape)
  }

  deinit {
    unsafe memory.deallocate()
  }

  /// Buffers of 64 bytes, each in another region than the one before it; the last of a chain is the device's to write.
  private func layOut(_ shape: ChainShape) {
    let chains = GuestRing.size / 16
    for chain in 0..<chains {
      let head = chain * 16
      var target = unsafe table + head * 16
      if shape.indirect {
        let offset = 0x2_0000 + chain * 256
        let address = GuestRing.guestAddresses[2] + UInt64(offset)
        unsafe table.storeBytes(
          of: SplitDescriptor(address: address, length: UInt32(shape.length * 16), flags: DescriptorFlags.indirect),
          toByteOffset: head * 16, as: SplitDescriptor.self)
        unsafe target = host(2) + offset
      }
      for index in 0..<shape.length {
        let region = (chain + index) % 3
        let offset = 0x4_0000 + (chain * 16 + index) * 64
        let last = index == shape.length - 1
        let descriptor = SplitDescriptor(
          address: GuestRing.guestAddresses[region] + UInt64(offset), length: 64,
          flags: last ? DescriptorFlags.write : DescriptorFlags.next,
          next: last ? 0 : UInt16((shape.indirect ? 0 : head) + index + 1))
        unsafe target.storeBytes(of: descriptor, toByteOffset: index * 16, as: SplitDescriptor.self)
      }
    }
    for slot in 0..<GuestRing.size {
      unsafe availableRing.storeBytes(of: UInt16(slot % chains * 16), toByteOffset: 4 + slot * 2, as: UInt16.self)
    }
  }

  /// Where a region is mapped.
  private func host(_ region: Int) -> UnsafeMutableRawPointer {
    unsafe memory + region * GuestRing.regionSize
  }

  /// Makes the next batch available and asks for one interrupt at its end.
  @inline(never)
  func offer() {
    available &+= UInt16(GuestRing.batch)
    unsafe availableRing.storeBytes(of: available &- 1, toByteOffset: 4 + 2 * GuestRing.size, as: UInt16.self)
    unsafe availableRing.storeBytes(of: available, toByteOffset: 2, as: UInt16.self)
  }

  /// True if the device gave everything back.
  var isDrained: Bool {
    unsafe usedRing.load(fromByteOffset: 2, as: UInt16.self) == available
  }

  /// The memory as room Virtio takes it.
  func guestMemory() -> GuestMemory? {
    GuestMemory(
      (0..<3).map { index in
        MemoryRegion(
          guestAddress: GuestRing.guestAddresses[index], userAddress: GuestRing.guestAddresses[index],
          memory: unsafe Segment(base: host(index), count: GuestRing.regionSize), owner: self)
      })
  }

  var areas: RingAreas {
    RingAreas(
      descriptors: unsafe Segment(base: table, count: 16 * GuestRing.size),
      available: unsafe Segment(base: availableRing, count: 6 + 2 * GuestRing.size),
      used: unsafe Segment(base: usedRing, count: 6 + 8 * GuestRing.size))
  }

  /// An inflight region in memory that nothing else uses.
  func inflightRegion() -> InflightRegion? {
    InflightRegion(
      memory: unsafe Segment(base: host(0) + 0x2_0000, count: 0x1_0000), size: UInt16(GuestRing.size), owner: self)
  }

  /// A dirty log over all guest memory up to the third region, likewise.
  func dirtyLog() -> DirtyLog {
    DirtyLog(bitmap: unsafe Segment(base: host(0), count: 0x2_0000), owner: self)
  }

  /// The same for the C loop; `regions` has room for three.
  func loop(regions: UnsafeMutablePointer<ring_region>) -> ring_loop {
    for index in 0..<3 {
      unsafe (regions + index).initialize(
        to: ring_region(
          guest: GuestRing.guestAddresses[index], size: UInt64(GuestRing.regionSize),
          host: host(index).assumingMemoryBound(to: UInt8.self)))
    }
    var loop = unsafe ring_loop()
    unsafe loop.descriptors = UnsafePointer(table.assumingMemoryBound(to: UInt8.self))
    unsafe loop.available = UnsafePointer(availableRing.assumingMemoryBound(to: UInt8.self))
    unsafe loop.used = usedRing.assumingMemoryBound(to: UInt8.self)
    unsafe loop.regions = UnsafePointer(regions)
    unsafe loop.region_count = 3
    unsafe loop.size = UInt16(GuestRing.size)
    unsafe loop.batch_limit = UInt16(GuestRing.batch)
    return unsafe loop
  }
}
