// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A device of any shape: as many queues and configuration bytes as a replay's hypervisor expects. It echoes like
// EchoDevice, and can be told to hold chains back.

import Synchronization
import Virtio
import VirtioProtocol
import Wire

final class ReplayDevice: Device {
  let description: DeviceDescription
  private let configuration: [UInt8]
  let resets = Atomic<Int>(0)
  let acceptedFeatures = Atomic<UInt64>(0)

  /// - Parameter configurationByteCount: bytes 1, 2, 3 ... of configuration.
  init(queueCount: Int, configurationByteCount: Int = 60, features: VirtioFeatures = []) {
    configuration = (0..<configurationByteCount).map { UInt8(truncatingIfNeeded: $0 + 1) }
    description = DeviceDescription(
      id: .block, name: "replay", features: features, queueCount: queueCount,
      configurationByteCount: configurationByteCount)
  }

  func readConfiguration(offset: Int, byteCount: Int) -> [UInt8] {
    offset < configuration.count
      ? Array(configuration[offset..<min(offset + byteCount, configuration.count)]) : []
  }

  func accept(_ features: VirtioFeatures) {
    acceptedFeatures.store(features.rawValue, ordering: .relaxed)
  }

  func reset() {
    resets.add(1, ordering: .relaxed)
  }

  func process(_ queue: inout Virtqueue, at index: Int) throws(GuestFault) -> Int {
    var chain = Chain()
    var served = 0
    defer { queue.flush() }
    while served < 64, try queue.pop(into: &chain) {
      served += 1
      var bytes: [UInt8] = []
      for position in 0..<chain.readable.count { bytes += chain.readable[position].bytes() }
      var offset = 0
      for position in 0..<chain.writable.count where offset < bytes.count {
        let target = chain.writable[position]
        for place in 0..<min(target.count, bytes.count - offset) { target.store(bytes[offset + place], at: place) }
        offset += min(target.count, bytes.count - offset)
      }
      queue.complete(chain, written: offset)
    }
    return served
  }
}
