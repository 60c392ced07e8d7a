// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Resources and the guest memory behind them: made, named, let go.

internal import GPUProtocol
internal import Linux
internal import Virtio
internal import Wire

extension Core {
  /// A bound beside the memory limit: each picture is a mapping, and a process may have 65530 of them.
  static let mostResources = 16384
  /// Entries of one backing: 4 GiB in single pages.
  static let mostEntries = 1 << 20

  func createResource(_ request: GPUResourceCreate2D) -> GPUMessageType {
    guard isFree(request.resourceID) else { return .errorInvalidResource }
    guard let format = PixelFormat(request.format), request.width > 0, request.height > 0 else {
      return .errorInvalidParameter
    }
    // 32 bits times 32 bits times 4 is more than 64 bits hold.
    let (pixels, wraps) = Int(request.width).multipliedReportingOverflow(by: Int(request.height))
    guard !wraps, pixels <= budget.limit / PixelFormat.bytesPerPixel else { return .errorOutOfMemory }
    let byteCount = pixels * PixelFormat.bytesPerPixel
    guard resources.count < Core.mostResources,
      budget.take(MemoryBudget.resourceByteCount + MemoryBudget.pages(byteCount))
    else { return .errorOutOfMemory }
    // The first transfer is of the whole picture.
    guard let memory = try? AnonymousMemory(byteCount: byteCount, isUsedWhole: true) else {
      budget.give(MemoryBudget.resourceByteCount + MemoryBudget.pages(byteCount))
      return .errorOutOfMemory
    }
    let image = PixelImage(
      memory: ImageMemory(memory), width: Int(request.width), height: Int(request.height), format: format)
    resources[request.resourceID] = Resource(id: request.resourceID, .image(image))
    return .okNoData
  }

  /// A number that may name a new resource: 0 never does.
  func isFree(_ id: UInt32) -> Bool { id != 0 && resources[id] == nil }

  func unreference(_ request: GPUResourceReference) -> GPUMessageType {
    guard let resource = resources[request.resourceID] else { return .errorInvalidResource }
    turnOffScanouts(of: resource)
    resources[resource.id] = nil
    spare = nil
    budget.give(resource.cost)
    return .okNoData
  }

  /// Names the resource for other devices: it is the same for as long as the resource lives.
  func assignUUID(_ request: GPUResourceReference) -> GPUMessageType {
    guard let resource = resources[request.resourceID] else { return .errorInvalidResource }
    var uuid = InlineArray<16, UInt8>(repeating: 0)
    for index in 0..<8 { uuid[index] = UInt8(truncatingIfNeeded: uuidPrefix >> UInt64(8 * index)) }
    // Version 8 (RFC 9562): its bits mean what the maker wants.
    uuid[6] = uuid[6] & 0x0f | 0x80
    uuid[8] = 0x80
    for index in 0..<4 { uuid[12 + index] = UInt8(truncatingIfNeeded: resource.id >> UInt32(24 - 8 * index)) }
    return respond(.okResourceUUID, GPUResourceUUID(header: responseHeader(.okResourceUUID), uuid: uuid))
  }

  // MARK: Backing

  func attachBacking(_ request: GPUAttachBacking, _ readable: Segments) -> GPUMessageType {
    guard let resource = resources[request.resourceID] else { return .errorInvalidResource }
    guard resource.backing == nil else { return .errorUnspecified }
    switch readBacking(readable, from: GPUAttachBacking.byteCount, count: request.entryCount) {
    case .failure(let refusal): return refusal.type
    case .success(let backing):
      guard budget.take(Resource.cost(of: backing)) else { return .errorOutOfMemory }
      resource.attach(backing)
      return .okNoData
    }
  }

  func detachBacking(_ request: GPUResourceReference) -> GPUMessageType {
    guard let resource = resources[request.resourceID] else { return .errorInvalidResource }
    detach(resource)
    return .okNoData
  }

  private func detach(_ resource: Resource) {
    if case .blob = resource.content { turnOffScanouts(of: resource) }
    budget.give(Resource.cost(of: resource.backing))
    resource.attach(nil)
  }

  struct Refusal: Error {
    let type: GPUMessageType
  }

  /// Reads the entries that follow a request and translates them. Their number is the guest's word, their bytes are
  /// not: no more is believed than is there.
  func readBacking(_ readable: Segments, from start: Int, count: UInt32) -> Result<GuestBacking, Refusal> {
    let entrySize = GPUMemoryEntry.byteCount
    guard Int(count) <= max(readable.byteCount - start, 0) / entrySize else {
      return .failure(Refusal(type: .errorUnspecified))
    }
    guard Int(count) <= Core.mostEntries else { return .failure(Refusal(type: .errorOutOfMemory)) }
    guard let memory else { return .failure(Refusal(type: .errorUnspecified)) }
    var ranges = GuestRanges()
    var offset = start
    var left = Int(count) * entrySize
    while left > 0 {
      let page = entryMemory.segment.prefix(left)
      guard readable.gather(into: page, from: offset) == page.count else {
        return .failure(Refusal(type: .errorUnspecified))
      }
      var reader = ByteReader(page)
      while let entry = reader.read(GPUMemoryEntry.self) {
        guard ranges.append(entry) else { return .failure(Refusal(type: .errorUnspecified)) }
      }
      offset += page.count
      left -= page.count
    }
    let most = (budget.limit - budget.used) / MemoryBudget.rangeByteCount
    guard ranges.list.count <= most else { return .failure(Refusal(type: .errorOutOfMemory)) }
    guard let backing = GuestBacking(ranges, in: memory, mostPieces: most) else {
      return .failure(Refusal(type: .errorUnspecified))
    }
    return .success(backing)
  }

  /// Takes over another table of the guest's memory: what resources point to is looked up again. A backing that is not
  /// all there any more is detached.
  func adopt(_ memory: GuestMemory) {
    if memory === self.memory { return }
    self.memory = memory
    for resource in resources.values {
      guard let old = resource.backing else { continue }
      let most = old.pieceCount + (budget.limit - budget.used) / MemoryBudget.rangeByteCount
      guard let new = GuestBacking(old.ranges, in: memory, mostPieces: most) else {
        detach(resource)
        continue
      }
      budget.give(Resource.cost(of: old))
      // Cannot fail: `most` was what is left.
      _ = budget.take(Resource.cost(of: new))
      resource.attach(new)
      showAgain(resource)
    }
  }
}
