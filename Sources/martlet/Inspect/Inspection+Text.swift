// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The inspection for people. Programs read the JSON: this text may change.

internal import VhostUserProtocol
internal import VirtioProtocol

extension Inspection {
  var text: String {
    var lines = [
      line("backend", socket),
      line("device", deviceText),
      line("virtio features", bits(features.rawValue, FeatureNames.of(features, kind: kind))),
      line(
        "protocol features",
        protocolFeatures.map { bits($0.rawValue, FeatureNames.of($0)) } ?? "none to negotiate"),
      line("queues", queueCount.map { "\($0)" } ?? "not told (no MQ)"),
      line("memory slots", memorySlots.map { "\($0)" } ?? "8 at most, in a table (no CONFIGURE_MEM_SLOTS)"),
      line("configuration", configurationText),
      line("shared memory", sharedMemoryText),
      "",
    ]
    for hypervisor in Hypervisor.allCases {
      switch hypervisor.verdict(on: self) {
      case .attaches(let recipe):
        lines.append(line(hypervisor.rawValue, recipe.command))
        if let remark = recipe.remark { lines.append(line("", "(\(remark))")) }
      case .cannot(let reason):
        lines.append(line(hypervisor.rawValue, "no: \(reason)"))
      }
    }
    return lines.joined(separator: "\n") + "\n"
  }

  private func line(_ name: String, _ value: String) -> String {
    name + String(repeating: " ", count: max(19 - name.count, 1)) + value
  }

  private func bits(_ word: UInt64, _ names: [String]) -> String {
    ([FeatureNames.hexadecimal(word)] + names).joined(separator: " ")
  }

  private var deviceText: String {
    guard let kind else { return "unknown; say it with --device" }
    return "\(kind.name) (virtio id \(kind.identifier.rawValue)), known by \(kindSource.rawValue)"
  }

  private var configurationText: String {
    guard offers(.config) else { return "not offered (no CONFIG)" }
    switch configuration {
    case nil: return kind == nil ? "not decoded" : "refused, or not that of a \(kind?.name ?? "") device"
    case .fileSystem(let value):
      return "tag '\(value.tag)', \(count(UInt64(value.requestQueues), "request queue"))"
    case .gpu(let value):
      return "\(count(UInt64(value.scanouts), "scanout")), \(count(UInt64(value.capabilitySets), "capability set"))"
    case .block(let value): return blockText(value)
    }
  }

  private func blockText(_ value: DeviceConfiguration.Block) -> String {
    var parts = ["\(size(value.capacitySectors &* 512)) (\(value.capacitySectors) sectors of 512 bytes)"]
    if value.isReadOnly { parts.append("read-only") }
    if let bytes = value.blockByteCount { parts.append("blocks of \(bytes) bytes") }
    if let number = value.mostSegments { parts.append("at most \(number) segments") }
    // 0 is what devices say that know no limit.
    if let bytes = value.mostSegmentBytes, bytes > 0 { parts.append("of at most \(bytes) bytes") }
    if let number = value.queues { parts.append(count(UInt64(number), "queue")) }
    if let writesBack = value.writesBack { parts.append(writesBack ? "write-back" : "write-through") }
    if let sectors = value.mostDiscardSectors { parts.append("discards up to \(sectors) sectors") }
    if let sectors = value.mostWriteZeroesSectors { parts.append("zeroes up to \(sectors) sectors") }
    return parts.joined(separator: ", ")
  }

  private var sharedMemoryText: String {
    guard let sharedMemory else { return "none (no SHMEM)" }
    if sharedMemory.isEmpty { return "none now" }
    return sharedMemory.sorted { $0.key < $1.key }.map { "region \($0.key): \(size($0.value))" }.joined(separator: ", ")
  }

  private func count(_ number: UInt64, _ thing: String) -> String {
    "\(number) \(thing)\(number == 1 ? "" : "s")"
  }

  /// In the largest unit that leaves a whole number.
  private func size(_ bytes: UInt64) -> String {
    var (number, unit) = (bytes, "bytes")
    for next in ["KiB", "MiB", "GiB", "TiB"] where number >= 1024 && number % 1024 == 0 {
      number /= 1024
      unit = next
    }
    return "\(number) \(unit)"
  }
}
