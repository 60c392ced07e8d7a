// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The memory that the frontend shares, as one immutable snapshot. A change of the table makes a new snapshot; queues
// are paused and restarted with it, so nobody ever looks at half a change. No mapping is made here: the room that
// may call the kernel maps the memory and hands in an owner that keeps it mapped.

public import Wire

/// One region of guest memory, mapped at `host`.
@safe
public struct MemoryRegion {
  /// Guest-physical address of the first byte.
  public let guestAddress: UInt64
  /// The same byte's address in the frontend's own space; ring addresses come in these.
  public let userAddress: UInt64
  /// Size in bytes and where it is mapped.
  let host: UnsafeMutableRawPointer
  public let byteCount: Int
  /// Keeps the mapping alive.
  let owner: AnyObject

  /// - Parameter memory: the mapped bytes of the region; they stay mapped while `owner` lives.
  public init(guestAddress: UInt64, userAddress: UInt64, memory: Segment, owner: AnyObject) {
    self.guestAddress = guestAddress
    self.userAddress = userAddress
    unsafe host = memory.base
    byteCount = memory.count
    self.owner = owner
  }
}

/// What the translation loop needs of a region, side by side.
@safe
struct RegionEntry: BitwiseCopyable {
  let guestAddress: UInt64
  let byteCount: UInt64
  let host: UnsafeMutableRawPointer
}

/// Sendable because the table never changes after `init`; the guest's own writes to the memory behind it are the
/// concern of whoever reads it (each value once).
@safe
public final class GuestMemory: @unchecked Sendable {
  /// Sorted by guest address, not overlapping.
  let entries: UnsafeMutablePointer<RegionEntry>
  let entryCount: Int
  private let regions: [MemoryRegion]

  /// Nil if two regions overlap in guest addresses, or one is empty or wraps around.
  public init?(_ unsorted: [MemoryRegion]) {
    let regions = unsorted.sorted { $0.guestAddress < $1.guestAddress }
    var end: UInt64 = 0
    for region in regions {
      let (regionEnd, wraps) = region.guestAddress.addingReportingOverflow(UInt64(region.byteCount))
      if region.byteCount <= 0 || wraps || region.guestAddress < end { return nil }
      end = regionEnd
    }
    self.regions = regions
    entryCount = regions.count
    unsafe entries = UnsafeMutablePointer<RegionEntry>.allocate(capacity: max(regions.count, 1))
    for (index, region) in regions.enumerated() {
      unsafe (entries + index).initialize(
        to: RegionEntry(
          guestAddress: region.guestAddress, byteCount: UInt64(region.byteCount), host: region.host))
    }
  }

  deinit {
    unsafe entries.deallocate()
  }

  /// Number of regions.
  public var regionCount: Int { entryCount }

  /// The bytes behind a ring address, which is an address of the frontend's own space, if they lie in one region.
  public func ring(userAddress: UInt64, byteCount: Int) -> Segment? {
    for region in regions {
      let offset = userAddress &- region.userAddress
      if offset < UInt64(region.byteCount), byteCount <= region.byteCount - Int(offset) {
        return unsafe Segment(base: region.host + Int(offset), count: byteCount)
      }
    }
    return nil
  }

  /// The bytes behind a guest-physical address, if they lie in one region.
  public func bytes(guestAddress: UInt64, byteCount: Int) -> Segment? {
    guard byteCount >= 0, let entry = entry(containing: guestAddress, hint: 0) else { return nil }
    let offset = guestAddress &- (unsafe entries[entry].guestAddress)
    guard UInt64(byteCount) <= (unsafe entries[entry].byteCount) &- offset else { return nil }
    return unsafe Segment(base: entries[entry].host + Int(offset), count: byteCount)
  }

  /// Index of the region that holds `address`, looking at `hint` first: chains mostly stay in one region.
  @inline(__always)
  func entry(containing address: UInt64, hint: Int) -> Int? {
    if hint < entryCount {
      let entry = unsafe entries[hint]
      if address &- entry.guestAddress < entry.byteCount { return hint }
    }
    return search(address)
  }

  private func search(_ address: UInt64) -> Int? {
    var low = 0
    var high = entryCount
    while low < high {
      let middle = (low + high) / 2
      let entry = unsafe entries[middle]
      if address < entry.guestAddress {
        high = middle
      } else if address &- entry.guestAddress < entry.byteCount {
        return middle
      } else {
        low = middle + 1
      }
    }
    return nil
  }

  /// The guest-physical address of a mapped byte: for the dirty log, which speaks of guest pages.
  func guestAddress(of segment: Segment) -> UInt64? {
    for region in regions {
      let offset = unsafe segment.base - region.host
      if offset >= 0, offset < region.byteCount { return region.guestAddress + UInt64(offset) }
    }
    return nil
  }
}
