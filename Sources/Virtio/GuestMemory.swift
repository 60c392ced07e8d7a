// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The memory that the frontend shares, as one immutable snapshot. A change of the table makes a new snapshot; queues
// are paused and restarted with it, so nobody ever looks at half a change. No mapping is made here: the room that
// may call the kernel maps the memory and hands in an owner that keeps it mapped.

internal import Synchronization
public import Wire

/// Whether the memory that a frontend shared is still all there: it may truncate the file behind it at any time. A
/// SIGBUS handler notices and sets the word; queues look at it before they believe a chain.
///
/// Sendable because the word is only touched atomically and its address never changes.
@safe
public final class MemoryHealth: @unchecked Sendable {
  /// For who keeps this object alive for as long.
  let lost: UnsafeMutablePointer<Atomic<UInt32>>

  public init() {
    unsafe lost = UnsafeMutablePointer<Atomic<UInt32>>.allocate(capacity: 1)
    unsafe lost.initialize(to: Atomic(0))
  }

  deinit {
    unsafe lost.deinitialize(count: 1)
    unsafe lost.deallocate()
  }

  /// Asked after memory was read. The word is set before zeroes are put in the place of a page, so whoever has read
  /// these finds it set, if the processor (arm64) and the compiler leave the two loads in their order.
  public var isLost: Bool {
    atomicMemoryFence(ordering: .acquiring)
    return unsafe lost.pointee.load(ordering: .relaxed) != 0
  }

  /// Not 0 means lost. An atomic word has the layout of a word.
  public var word: Segment { unsafe Segment(base: UnsafeMutableRawPointer(lost), count: 4) }
}

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
  /// Lies in huge pages, which are in the host's memory for good.
  let isHuge: Bool
  /// Keeps the mapping alive.
  let owner: AnyObject

  /// - Parameter memory: the mapped bytes of the region; they stay mapped while `owner` lives.
  public init(guestAddress: UInt64, userAddress: UInt64, memory: Segment, isHuge: Bool = false, owner: AnyObject) {
    self.guestAddress = guestAddress
    self.userAddress = userAddress
    unsafe host = memory.base
    byteCount = memory.count
    self.isHuge = isHuge
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

/// The regions as a queue looks them up: plain addresses, so that a look-up counts no reference. Valid while the
/// `GuestMemory` that it came from lives.
@safe
struct RegionTable: BitwiseCopyable {
  /// Up to this many regions are looked at one after the other, which costs less than halving.
  private static let scanLimit = 8

  /// Sorted by guest address, not overlapping.
  private let entries: UnsafePointer<RegionEntry>
  private let count: Int
  /// Regions that `host` looks at before it halves: all of them in a short table, none in a long one.
  private let scanned: Int

  init(_ entries: UnsafePointer<RegionEntry>, count: Int) {
    unsafe self.entries = entries
    self.count = count
    scanned = count <= RegionTable.scanLimit ? count : 0
  }

  /// Where `length` bytes from `address` on are mapped; nil if they do not lie in one region.
  @inline(__always)
  func host(_ address: UInt64, _ length: UInt64) -> UnsafeMutableRawPointer? {
    var index = 0
    while index < scanned {
      let entry = unsafe entries + index
      let offset = unsafe address &- entry.pointee.guestAddress
      let size = unsafe entry.pointee.byteCount
      if offset < size, length <= size &- offset {
        return unsafe entry.pointee.host + Int(truncatingIfNeeded: offset)
      }
      index &+= 1
    }
    return unsafe count > scanned ? searchHost(address, length) : nil
  }

  @inline(never)
  private func searchHost(_ address: UInt64, _ length: UInt64) -> UnsafeMutableRawPointer? {
    guard let piece = piece(address, atMost: length), UInt64(piece.count) == length else { return nil }
    return unsafe piece.base
  }

  /// The bytes from `address` to the end of its region, `limit` at most; nil if it lies in none.
  func piece(_ address: UInt64, atMost limit: UInt64) -> Segment? {
    var low = 0
    var high = count
    while low < high {
      let middle = (low &+ high) / 2
      let entry = unsafe entries[middle]
      if address < entry.guestAddress {
        high = middle
      } else if address &- entry.guestAddress < entry.byteCount {
        let offset = address &- entry.guestAddress
        let take = min(limit, entry.byteCount &- offset)
        return unsafe Segment(base: entry.host + Int(truncatingIfNeeded: offset), count: Int(truncatingIfNeeded: take))
      } else {
        low = middle &+ 1
      }
    }
    return nil
  }

  /// The guest-physical address of a mapped byte: for the dirty log, which speaks of guest pages.
  func guestAddress(of segment: Segment) -> UInt64? {
    var index = 0
    while index < count {
      let entry = unsafe entries[index]
      let offset = unsafe segment.base - entry.host
      if offset >= 0, UInt64(offset) < entry.byteCount { return entry.guestAddress + UInt64(offset) }
      index &+= 1
    }
    return nil
  }
}

/// Sendable because the table never changes after `init`; the guest's own writes to the memory behind it are the
/// concern of whoever reads it (each value once).
@safe
public final class GuestMemory: @unchecked Sendable {
  private let entries: UnsafeMutablePointer<RegionEntry>
  /// For who keeps this object alive for as long.
  let table: RegionTable
  /// Of the session that the memory belongs to.
  let health: MemoryHealth
  private let regions: [MemoryRegion]

  /// Nil if two regions overlap in guest addresses, or one is empty or wraps around.
  public init?(_ unsorted: [MemoryRegion], health: MemoryHealth = MemoryHealth()) {
    self.health = health
    let regions = unsorted.sorted { $0.guestAddress < $1.guestAddress }
    var end: UInt64 = 0
    for region in regions {
      let (regionEnd, wraps) = region.guestAddress.addingReportingOverflow(UInt64(region.byteCount))
      if region.byteCount <= 0 || wraps || region.guestAddress < end { return nil }
      end = regionEnd
    }
    self.regions = regions
    unsafe entries = UnsafeMutablePointer<RegionEntry>.allocate(capacity: max(regions.count, 1))
    for (index, region) in regions.enumerated() {
      unsafe (entries + index).initialize(
        to: RegionEntry(
          guestAddress: region.guestAddress, byteCount: UInt64(region.byteCount), host: region.host))
    }
    unsafe table = RegionTable(UnsafePointer(entries), count: regions.count)
  }

  deinit {
    unsafe entries.deallocate()
  }

  /// All of it, or what lies in huge pages: for a device that registers it with the host's kernel. It stays mapped
  /// while this object lives.
  public func runs(onlyHuge: Bool) -> [Segment] {
    regions.filter { $0.isHuge || !onlyHuge }.map { unsafe Segment(base: $0.host, count: $0.byteCount) }
  }

  /// Number of regions.
  public var regionCount: Int { regions.count }

  /// The bytes behind a ring address, which is an address of the frontend's own space, if they lie in one region.
  public func ring(userAddress: UInt64, byteCount: Int) -> Segment? {
    guard byteCount >= 0 else { return nil }
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
    guard byteCount >= 0, let piece = table.piece(guestAddress, atMost: UInt64(byteCount)), piece.count == byteCount
    else { return nil }
    return piece
  }

  /// The bytes from a guest-physical address to the end of its region, `limit` at most: what crosses from one region
  /// to the next is asked for piece by piece. Nil if it lies in none; valid while this object lives.
  public func piece(guestAddress: UInt64, atMost limit: Int) -> Segment? {
    limit > 0 ? table.piece(guestAddress, atMost: UInt64(limit)) : nil
  }
}
