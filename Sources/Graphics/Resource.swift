// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import GPUProtocol
internal import Linux

/// Something that the guest has made and named. Owned by `Core`, under its lock.
final class Resource {
  enum Content {
    /// A picture here, to which the guest transfers from its backing.
    case image(PixelImage)
    /// Bytes in guest memory that are pixels when a scanout says so.
    case blob(byteCount: Int)
  }

  let id: UInt32
  private(set) var content: Content
  private(set) var backing: GuestBacking?
  /// The scanouts that show it, one bit each.
  var scanouts: UInt16 = 0
  /// The guest has transferred and not flushed yet: on the way from one frame to the next.
  var isBetweenFrames = false

  init(id: UInt32, _ content: Content, backing: GuestBacking? = nil) {
    self.id = id
    self.content = content
    self.backing = backing
  }

  /// What it takes of the memory budget.
  var cost: Int {
    let picture =
      switch content {
      case .image(let image): MemoryBudget.pages(image.memory.byteCount)
      case .blob: 0
      }
    return MemoryBudget.resourceByteCount + picture + Resource.cost(of: backing)
  }

  static func cost(of backing: GuestBacking?) -> Int {
    (backing?.pieceCount ?? 0) * MemoryBudget.rangeByteCount
  }

  func attach(_ backing: GuestBacking?) {
    self.backing = backing
  }

  /// From now on the picture lies elsewhere.
  func move(_ image: PixelImage) {
    content = .image(image)
  }
}
