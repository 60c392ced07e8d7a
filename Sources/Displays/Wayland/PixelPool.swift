// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import Graphics
internal import Linux
internal import WaylandProtocol
internal import Wire

/// Memory that is shared with the compositor (wl_shm), as a few buffers of one size. A buffer that the compositor has
/// is not touched before it says that it has finished with it; what changes meanwhile is remembered for each.
final class PixelPool {
  /// One that is shown, one that is on its way, one to draw into. The last is rarely touched, and costs nothing then.
  private static let mostBuffers = 3

  private struct Entry {
    let object: UInt32
    /// The compositor has it.
    var isTaken = false
    /// It was never drawn into, and reads as zeroes.
    var isNew = true
    /// What has changed since it was drawn.
    var stale: Rectangle
  }

  /// A buffer to draw into.
  struct Buffer {
    let object: UInt32
    let pixels: Segment
    /// What is to be drawn anew.
    let stale: Rectangle
    /// Nothing was drawn yet.
    let isBlack: Bool
  }

  let width: Int
  let height: Int
  private let connection: WaylandConnection
  private let memory: Mapping
  private var buffers: [Entry] = []

  /// - Parameter format: of `WaylandFormat`.
  init(
    _ connection: WaylandConnection, shm: UInt32, width: Int, height: Int, format: UInt32
  ) throws(Errno) {
    self.width = width
    self.height = height
    self.connection = connection
    let byteCount = width * height * 4
    guard byteCount > 0, byteCount <= Int(Int32.max) else { throw .invalid }
    // Lengths on the wire have 31 bits.
    let count = min(PixelPool.mostBuffers, Int(Int32.max) / byteCount)
    let file = SharedDescriptor(try MemoryFile.createSealed("martlet-window", byteCount: count * byteCount))
    memory = try Mapping(file.file, byteCount: count * byteCount)
    let pool = connection.make(.shmPool)
    connection.send(.createPool(shm, new: pool, byteCount: count * byteCount), file: file)
    for index in 0..<count {
      let object = connection.make(.buffer)
      connection.send(
        .createBuffer(
          pool, new: object, offset: index * byteCount, width: width, height: height, stride: width * 4,
          format: format))
      buffers.append(Entry(object: object, stale: whole))
    }
    connection.send(.destroyPool(pool))
    connection.bury(pool)
  }

  var whole: Rectangle { Rectangle(x: 0, y: 0, width: width, height: height) }
  var stride: Int { width * 4 }

  /// Something has changed in all of them.
  func mark(_ part: Rectangle) {
    for index in buffers.indices { buffers[index].stale = buffers[index].stale.union(part) }
  }

  /// A buffer to draw into, which is the compositor's from then on; nil while it has all of them.
  func take() -> Buffer? {
    guard let index = buffers.firstIndex(where: { !$0.isTaken }) else { return nil }
    let byteCount = stride * height
    let buffer = Buffer(
      object: buffers[index].object, pixels: memory.segment.dropFirst(index * byteCount).prefix(byteCount),
      stale: buffers[index].stale, isBlack: buffers[index].isNew)
    buffers[index].isTaken = true
    buffers[index].isNew = false
    buffers[index].stale = Rectangle(x: 0, y: 0, width: 0, height: 0)
    return buffer
  }

  /// The compositor has finished with a buffer, if it is one of these.
  func release(_ object: UInt32) {
    if let index = buffers.firstIndex(where: { $0.object == object }) { buffers[index].isTaken = false }
  }

  /// What is shown stays, as its memory is never written again.
  func destroy() {
    for buffer in buffers {
      connection.send(.destroyBuffer(buffer.object))
      connection.bury(buffer.object)
    }
    buffers = []
  }
}
