// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The guest memory that the frontend has shared so far. The control thread changes the table; queues get a snapshot
// (`GuestMemory`) when they start, and a region stays mapped while any snapshot holds it.

internal import Linux
internal import VhostUserProtocol
internal import Virtio
internal import Wire

/// Why a change of the table was refused; the table is as before.
enum MemoryRefusal: Error {
  case tooManyRegions
  case unknownRegion
  case overlap
  case missingDescriptor
  case range(RangeRefusal)

  var reason: String {
    switch self {
    case .tooManyRegions: "more than \(VhostUserLimits.maximumMemoryRegions) regions"
    case .unknownRegion: "no such region"
    case .overlap: "regions overlap or wrap around"
    case .missingDescriptor: "a region came without a descriptor"
    case .range(let refusal): refusal.reason
    }
  }
}

struct MemoryTable {
  private var regions: [Virtio.MemoryRegion] = []
  /// What queues that start now work on.
  private(set) var snapshot: GuestMemory
  private let health: MemoryHealth
  private let alarm: MemoryAlarm

  /// - Parameter alarm: sets `health` when a region's file was truncated.
  init(health: MemoryHealth, alarm: MemoryAlarm) {
    guard let empty = GuestMemory([], health: health) else { preconditionFailure("an empty table has no overlap") }
    snapshot = empty
    self.health = health
    self.alarm = alarm
  }

  var isEmpty: Bool { regions.isEmpty }

  /// SET_MEM_TABLE: everything new at once.
  mutating func replace(
    with wire: [VhostUserProtocol.MemoryRegion], _ descriptors: inout ReceivedDescriptors
  ) throws(MemoryRefusal) {
    var next: [Virtio.MemoryRegion] = []
    for region in wire { next.append(try map(region, &descriptors)) }
    try adopt(next)
  }

  /// ADD_MEM_REG, also on top of an earlier SET_MEM_TABLE.
  mutating func add(
    _ wire: VhostUserProtocol.MemoryRegion, _ descriptors: inout ReceivedDescriptors
  ) throws(MemoryRefusal) {
    guard regions.count < VhostUserLimits.maximumMemoryRegions else { throw .tooManyRegions }
    try adopt(regions + [try map(wire, &descriptors)])
  }

  /// REM_MEM_REG: the mmap offset need not be repeated.
  mutating func remove(_ wire: VhostUserProtocol.MemoryRegion) throws(MemoryRefusal) {
    let index = regions.firstIndex {
      $0.guestAddress == wire.guestAddress && $0.userAddress == wire.userAddress
        && UInt64($0.byteCount) == wire.size
    }
    guard let index else { throw .unknownRegion }
    var next = regions
    next.remove(at: index)
    try adopt(next)
  }

  private mutating func adopt(_ next: [Virtio.MemoryRegion]) throws(MemoryRefusal) {
    guard let memory = GuestMemory(next, health: health) else { throw .overlap }
    regions = next
    snapshot = memory
  }

  /// The descriptor is closed here: the mapping keeps the file open.
  private func map(
    _ wire: VhostUserProtocol.MemoryRegion, _ descriptors: inout ReceivedDescriptors
  ) throws(MemoryRefusal) -> Virtio.MemoryRegion {
    guard let descriptor = descriptors.takeFirst() else { throw .missingDescriptor }
    guard !wire.userAddress.addingReportingOverflow(wire.size).overflow else { throw .range(.overflow) }
    do {
      let range = try FileRange(
        descriptor.file, offset: wire.mmapOffset, byteCount: wire.size, alarm: alarm)
      return Virtio.MemoryRegion(
        guestAddress: wire.guestAddress, userAddress: wire.userAddress, memory: range.memory, isHuge: range.isHuge,
        owner: range.mapping)
    } catch {
      throw .range(error)
    }
  }
}
