// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Guest memory as a hypervisor keeps it: memory files that the backend maps too. Addresses come in two kinds: guest
// addresses, which descriptors carry, and user addresses, which ring addresses are given in (vhost-user.rst,
// "Memory regions description"). Neither is where the bytes lie in this process: both are free to choose.

public import Linux
internal import Synchronization
public import VhostUserProtocol
public import Wire

/// Where a region of guest memory shall lie.
public struct GuestRegionLayout: Sendable, Equatable {
  public var guestAddress: UInt64
  /// Size in bytes; any size, not only whole pages.
  public var byteCount: Int
  /// What the frontend pretends its own address to be.
  public var userAddress: UInt64
  /// Where the region starts in its memory file.
  public var mapOffset: UInt64

  public init(guestAddress: UInt64, byteCount: Int, userAddress: UInt64, mapOffset: UInt64 = 0) {
    self.guestAddress = guestAddress
    self.byteCount = byteCount
    self.userAddress = userAddress
    self.mapOffset = mapOffset
  }
}

/// One region: its place, its file and its bytes.
public struct GuestRegion: Sendable {
  public let layout: GuestRegionLayout
  private let descriptor: SharedDescriptor
  private let mapping: Mapping

  init(_ layout: GuestRegionLayout, hugePages: Bool) throws(FrontendError) {
    self.layout = layout
    let page = hugePages ? 2 << 20 : 1
    let needed = Int(layout.mapOffset) + layout.byteCount
    let fileSize = (needed + page - 1) / page * page
    do {
      let file = try MemoryFile.create("guest-memory", byteCount: fileSize, hugePages: hugePages)
      mapping = try Mapping(file.file, byteCount: fileSize)
      descriptor = SharedDescriptor(file)
    } catch {
      throw .system(error)
    }
  }

  /// The memory file, to send along with the region.
  public var file: File { descriptor.file }

  /// The region as a message describes it.
  public var wire: MemoryRegion {
    MemoryRegion(
      guestAddress: layout.guestAddress, size: UInt64(layout.byteCount), userAddress: layout.userAddress,
      mmapOffset: layout.mapOffset)
  }

  /// The region's bytes in this process; valid as long as the region is held.
  public var segment: Segment {
    mapping.segment.dropFirst(Int(layout.mapOffset)).prefix(layout.byteCount)
  }

  /// True if `count` bytes from `guestAddress` on lie inside.
  func contains(_ guestAddress: UInt64, _ count: Int) -> Bool {
    let offset = guestAddress &- layout.guestAddress
    return guestAddress >= layout.guestAddress && offset <= UInt64(layout.byteCount)
      && UInt64(count) <= UInt64(layout.byteCount) - offset
  }
}

/// A run of guest memory: what a descriptor points to.
public struct GuestBuffer: BitwiseCopyable {
  public let guestAddress: UInt64
  /// The bytes in this process; valid as long as the `GuestRAM` and the region live.
  public let segment: Segment

  public init(guestAddress: UInt64, segment: Segment) {
    self.guestAddress = guestAddress
    self.segment = segment
  }

  public var count: Int { segment.count }

  /// A part of the buffer; both bounds are clamped.
  public func part(from offset: Int, count: Int) -> GuestBuffer {
    let start = min(max(offset, 0), self.count)
    return GuestBuffer(guestAddress: guestAddress + UInt64(start), segment: segment.dropFirst(start).prefix(count))
  }
}

/// The memory of a guest, with an allocator for rings and buffers. May be used from several threads; who writes which
/// byte is between them and the device.
public final class GuestRAM: Sendable {
  private struct State {
    var regions: [GuestRegion] = []
    /// Free runs by guest address.
    var free: [Range<UInt64>] = []
  }

  private let state: Mutex<State>
  private let hugePages: Bool

  /// Memory in regions of the given places, in the order in which they are sent.
  /// - Parameter hugePages: 2 MiB pages; sizes of the files are rounded up to them.
  public init(_ layouts: [GuestRegionLayout], hugePages: Bool = false) throws(FrontendError) {
    var start = State()
    for layout in layouts {
      start.regions.append(try GuestRegion(layout, hugePages: hugePages))
      start.free.append(Self.range(of: layout))
    }
    self.hugePages = hugePages
    state = Mutex(start)
  }

  /// One region at guest address 0, with user addresses that look like a process's.
  public convenience init(byteCount: Int) throws(FrontendError) {
    try self.init([GuestRegionLayout(guestAddress: 0, byteCount: byteCount, userAddress: 0x7f12_3400_0000)])
  }

  /// `count` regions of `byteCount` bytes each, with as much unmapped space between them.
  public convenience init(regions count: Int, byteCount: Int) throws(FrontendError) {
    var layouts: [GuestRegionLayout] = []
    for index in 0..<count {
      let start = UInt64(index) * UInt64(byteCount) * 2
      layouts.append(
        GuestRegionLayout(guestAddress: start, byteCount: byteCount, userAddress: 0x7f12_0000_0000 + start * 2))
    }
    try self.init(layouts)
  }

  /// The regions as they are now.
  public var regions: [GuestRegion] { state.withLock { $0.regions } }

  /// Plugs a region in; the caller tells the backend.
  @discardableResult
  public func plug(_ layout: GuestRegionLayout) throws(FrontendError) -> GuestRegion {
    let region = try GuestRegion(layout, hugePages: hugePages)
    state.withLock { state in
      state.regions.append(region)
      state.free.append(Self.range(of: layout))
    }
    return region
  }

  /// Unplugs the region at `guestAddress`. Buffers in it must not be used any more; the returned region keeps the
  /// bytes mapped as long as it is held.
  public func unplug(at guestAddress: UInt64) -> GuestRegion? {
    state.withLock { state in
      guard let index = state.regions.firstIndex(where: { $0.layout.guestAddress == guestAddress }) else { return nil }
      let region = state.regions.remove(at: index)
      let range = Self.range(of: region.layout)
      state.free.removeAll { range.overlaps($0) }
      return region
    }
  }

  /// The bytes at a guest address; nil if they are not all in one region.
  public func segment(at guestAddress: UInt64, count: Int) -> Segment? {
    state.withLock { state in
      guard let region = state.regions.first(where: { $0.contains(guestAddress, count) }) else { return nil }
      return region.segment.dropFirst(Int(guestAddress - region.layout.guestAddress)).prefix(count)
    }
  }

  /// A buffer at a guest address that the caller chose; nil if it is not all in one region.
  public func buffer(at guestAddress: UInt64, count: Int) -> GuestBuffer? {
    segment(at: guestAddress, count: count).map { GuestBuffer(guestAddress: guestAddress, segment: $0) }
  }

  /// The user address of a guest address; nil outside of every region.
  public func userAddress(of guestAddress: UInt64) -> UInt64? {
    state.withLock { state in
      guard let region = state.regions.first(where: { $0.contains(guestAddress, 1) }) else { return nil }
      return region.layout.userAddress &+ (guestAddress - region.layout.guestAddress)
    }
  }

  /// Takes a run out of the free memory.
  /// - Parameters:
  ///   - region: index of the region it must lie in; nil for any.
  ///   - clearing: false leaves what is there, and memory that was never used untouched: it costs nothing until it is.
  public func allocate(
    _ byteCount: Int, alignment: UInt64 = 16, region: Int? = nil, clearing: Bool = true
  ) throws(FrontendError) -> GuestBuffer {
    let count = UInt64(max(byteCount, 1))
    let address: UInt64? = state.withLock { state in
      let bounds = region.map { Self.range(of: state.regions[$0].layout) }
      for (index, run) in state.free.enumerated() {
        let start = (run.lowerBound + alignment - 1) & ~(alignment - 1)
        guard start + count <= run.upperBound else { continue }
        if let bounds, !bounds.contains(start) { continue }
        state.free.replaceSubrange(
          index...index, with: [run.lowerBound..<start, start + count..<run.upperBound].filter { !$0.isEmpty })
        return start
      }
      return nil
    }
    guard let address, let buffer = buffer(at: address, count: byteCount) else {
      throw .outOfMemory(byteCount: byteCount)
    }
    if clearing { buffer.segment.zero() }
    return buffer
  }

  /// Gives a run back. Runs that touch are joined, but never across regions.
  public func free(_ buffer: GuestBuffer) {
    var run = buffer.guestAddress..<buffer.guestAddress + UInt64(max(buffer.count, 1))
    state.withLock { state in
      guard let region = state.regions.first(where: { $0.contains(run.lowerBound, 1) }) else { return }
      let bounds = Self.range(of: region.layout)
      state.free.removeAll { other in
        guard bounds.contains(other.lowerBound) else { return false }
        if other.upperBound == run.lowerBound {
          run = other.lowerBound..<run.upperBound
          return true
        }
        if run.upperBound == other.lowerBound {
          run = run.lowerBound..<other.upperBound
          return true
        }
        return false
      }
      state.free.append(run)
    }
  }

  private static func range(of layout: GuestRegionLayout) -> Range<UInt64> {
    layout.guestAddress..<layout.guestAddress + UInt64(layout.byteCount)
  }
}
