// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The inflight area of all queues (vhost-user.rst, "Inflight I/O tracking"): made here on GET_INFLIGHT_FD, kept by the
// frontend, given back with SET_INFLIGHT_FD, perhaps to the successor of a process that died. What a queue writes into
// its part is room Virtio's business (InflightRegion).

internal import Linux
internal import VhostUserProtocol
internal import Virtio
internal import VirtioProtocol
internal import Wire

/// Sendable because it only hands out parts of the mapping; each part has one owner thread.
final class InflightLog: Sendable {
  /// SET_VRING_KICK and its like name a queue in 8 bits.
  static let mostQueues: UInt16 = 256

  private let mapping: Mapping
  private let start: Int
  private let queueCount: Int
  private let queueSize: UInt16
  private let stride: Int
  private let packed: Bool
  /// Behind the queues' parts; nil in an area that somebody else made.
  let word: LastingWord?
  /// Room for it.
  private static let tailByteCount = 64

  /// A fresh area for the frontend: its file and its description. Nil for impossible sizes, or if the host refused.
  static func create(
    _ wanted: InflightDescription, packed: Bool
  ) -> (file: SharedDescriptor, description: InflightDescription)? {
    guard wanted.queueCount > 0, wanted.queueCount <= mostQueues, wanted.queueSize > 0,
      Int(wanted.queueSize) <= SplitRingLayout.maximumQueueSize
    else { return nil }
    let byteCount = Int(wanted.queueCount) * stride(Int(wanted.queueSize), packed) + tailByteCount
    // Zeroes: version 0 says that nobody has used it.
    guard let file = try? MemoryFile.create("martlet-inflight", byteCount: byteCount) else { return nil }
    let description = InflightDescription(
      mmapSize: UInt64(byteCount), queueCount: wanted.queueCount, queueSize: wanted.queueSize)
    return (SharedDescriptor(file), description)
  }

  private static func stride(_ queueSize: Int, _ packed: Bool) -> Int {
    packed ? InflightLayout.packedQueueSize(queueSize) : InflightLayout.splitQueueSize(queueSize)
  }

  /// Maps an area that the frontend gave.
  init(
    _ description: InflightDescription, _ file: File, packed: Bool, alarm: MemoryAlarm
  ) throws(RangeRefusal) {
    queueCount = Int(description.queueCount)
    queueSize = description.queueSize
    self.packed = packed
    stride = InflightLog.stride(Int(queueSize), packed)
    guard queueCount > 0, queueSize > 0, Int(queueSize) <= SplitRingLayout.maximumQueueSize else { throw .empty }
    let needed = UInt64(queueCount * stride)
    guard description.mmapSize >= needed else { throw .beyondEndOfFile(fileSize: description.mmapSize) }
    let isOurs = description.mmapSize == needed + UInt64(InflightLog.tailByteCount)
    let byteCount = isOurs ? description.mmapSize : needed
    let range = try FileRange(file, offset: description.mmapOffset, byteCount: byteCount, alarm: alarm)
    mapping = range.mapping
    start = range.offset
    let tail = range.mapping.segment.dropFirst(range.offset + Int(needed))
    word = isOurs ? LastingWord(memory: tail.prefix(InflightLog.tailByteCount), owner: range.mapping) : nil
    guard start % InflightLayout.alignment == 0 else { throw .host(.invalid) }
  }

  private func part(_ index: Int) -> Segment? {
    guard index < queueCount else { return nil }
    return mapping.segment.dropFirst(start + index * stride).prefix(stride)
  }

  /// The device was reset: its queues begin anew. What a split ring has used stands in the ring itself; how far a
  /// packed one came, only the area would still say.
  func reset() {
    guard packed else { return }
    for index in 0..<queueCount { part(index)?.store(InflightQueuePacked()) }
  }

  /// The part of one queue; nil if the area has none for it or the ring is larger than the area was made for.
  func region(_ index: Int, ringSize: UInt16) -> InflightRegion? {
    guard !packed, ringSize <= queueSize, let part = part(index) else { return nil }
    // The area's own queue size, not the ring's: it is what a predecessor noted in the header.
    return InflightRegion(memory: part, size: queueSize, owner: mapping)
  }

  /// The same for a packed ring.
  func packedRegion(_ index: Int, ringSize: UInt16) -> PackedInflightRegion? {
    guard packed, ringSize <= queueSize, let part = part(index) else { return nil }
    return PackedInflightRegion(memory: part, size: queueSize, owner: mapping)
  }

  /// The available index to go on from: what is used and what is still in flight was taken before. Nil if nobody has
  /// used the area yet, then the frontend's SET_VRING_BASE counts. It overrides that base otherwise, because only
  /// the area knows (vu_check_queue_inflights in QEMU's libvhost-user): Cloud Hypervisor sends the ring's available
  /// index, QEMU its used index.
  func resumeIndex(_ index: Int, ringSize: UInt16, usedIndex: UInt16) -> UInt16? {
    guard !packed, ringSize <= queueSize, let part = part(index), let header = part.load(InflightQueueSplit.self),
      header.version == InflightLayout.version, header.descNum == queueSize
    else { return nil }
    // A batch that was published but not cleared: InflightRegion.recover will clear it.
    var published = Set<UInt16>()
    let lost = usedIndex &- header.usedIdx
    if lost <= queueSize {
      var head = header.lastBatchHead
      for _ in 0..<lost {
        guard head < queueSize, let entry = entry(head, of: part) else { break }
        published.insert(head)
        head = entry.next
      }
    }
    var inFlight: UInt16 = 0
    for head in 0..<ringSize where entry(head, of: part)?.inflight == 1 && !published.contains(head) {
      inFlight += 1
    }
    return usedIndex &+ inFlight
  }

  private func entry(_ head: UInt16, of part: Segment) -> InflightDescriptorSplit? {
    part.load(InflightDescriptorSplit.self, at: InflightLayout.splitDescriptorOffset(Int(head)))
  }
}
