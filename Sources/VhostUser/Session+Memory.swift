// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Guest memory. Queues work on a snapshot. A new table pauses those that run and starts them again at the same index; a
// region that is added or removed is handed to them without waiting, because a queue may be waiting for the frontend
// (see QueueRunner.adopt). Regions belong to the connection: they survive device resets and stopped rings.

internal import Linux
internal import VhostUserProtocol
internal import Virtio
internal import Wire

extension Session {
  /// The payload may be longer than its regions need (User-mode Linux).
  func setMemoryTable(_ message: inout Message) -> Outcome {
    guard let header = message.value(MemoryTableHeader.self) else { return .refused("payload too short") }
    var regions: [VhostUserProtocol.MemoryRegion] = []
    for index in 0..<Int(min(header.count, UInt32(VhostUserLimits.maximumMemoryRegions))) {
      let offset = MemoryTableHeader.byteCount + index * VhostUserProtocol.MemoryRegion.byteCount
      guard let region = message.payload.load(VhostUserProtocol.MemoryRegion.self, at: offset) else {
        return .refused("payload too short for \(header.count) regions")
      }
      regions.append(region)
    }
    guard regions.count == Int(header.count), regions.count == message.descriptors.count else {
      return .refused("\(header.count) regions with \(message.descriptors.count) descriptors")
    }
    var next = memory
    do {
      try next.replace(with: regions, &message.descriptors)
    } catch {
      return .refused(error.reason)
    }
    stopRings()
    memory = next
    return resumeWithMemory()
  }

  func getMaximumMemorySlots(_ message: borrowing Message) throws(StreamLost) -> Outcome {
    try connection.reply(to: message.header, UInt64(VhostUserLimits.maximumMemoryRegions))
    return .replied
  }

  /// Also while rings run, and on top of an earlier SET_MEM_TABLE.
  func addMemoryRegion(_ message: inout Message) -> Outcome {
    guard let wire = message.value(SingleMemoryRegion.self) else { return .refused("payload too short") }
    var next = memory
    do {
      try next.add(wire.region, &message.descriptors)
    } catch {
      return .refused(error.reason)
    }
    return handOver(next)
  }

  /// A descriptor may come along; it is closed with the message.
  func removeMemoryRegion(_ message: borrowing Message) -> Outcome {
    guard let wire = message.value(SingleMemoryRegion.self) else { return .refused("payload too short") }
    var next = memory
    do {
      try next.remove(wire.region)
    } catch {
      return .refused(error.reason)
    }
    return handOver(next)
  }

  private func handOver(_ next: MemoryTable) -> Outcome {
    memory = next
    for ring in rings { ring.adopt(next.snapshot) }
    return resumeWithMemory()
  }

  /// Starts what can run now. Rings that do not run keep nothing of the memory that was: some frontends leave a ring
  /// stopped for as long as they live.
  private func resumeWithMemory() -> Outcome {
    let outcome = resumeRings()
    for ring in rings where !ring.isRunning { device.forgetMemory(at: ring.index) }
    return outcome
  }
}
