// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The inspection for programs. Members are never renamed or dropped; new ones may come. What is not known is null.

internal import VhostUserProtocol
internal import VirtioProtocol

extension Inspection {
  var json: JSON {
    .object([
      "socket": .string(socket),
      "device": .object([
        "kind": kind.map { .string($0.rawValue) } ?? .null,
        "virtio_id": .count(kind.map { UInt64($0.identifier.rawValue) }),
        "known_by": kind == nil ? .null : .string(knownBy),
      ]),
      "virtio_features": bits(features.rawValue, FeatureNames.of(features, kind: kind)),
      "protocol_features": protocolFeatures.map { bits($0.rawValue, FeatureNames.of($0)) } ?? .null,
      "queues": .count(queueCount.map { UInt64($0) }),
      "memory_slots": .count(memorySlots),
      "configuration": configurationJSON,
      "shared_memory": sharedMemory.map { regions in
        .array(
          regions.sorted { $0.key < $1.key }.map {
            .object(["id": .number(Int64($0.key)), "bytes": .count($0.value)])
          })
      } ?? .null,
      "frontends": .array(Hypervisor.allCases.map { frontendJSON($0) }),
    ])
  }

  private var knownBy: String {
    switch kindSource {
    case .told: "option"
    case .configuration: "configuration"
    case .features: "features"
    }
  }

  private func bits(_ word: UInt64, _ names: [String]) -> JSON {
    .object(["bits": .string(FeatureNames.hexadecimal(word)), "names": .strings(names)])
  }

  private var configurationJSON: JSON {
    switch configuration {
    case nil: .null
    case .fileSystem(let value):
      .object(["tag": .string(value.tag), "request_queues": .number(Int64(value.requestQueues))])
    case .gpu(let value):
      .object([
        "scanouts": .number(Int64(value.scanouts)), "capability_sets": .number(Int64(value.capabilitySets)),
      ])
    case .block(let value):
      .object([
        "capacity_bytes": .count(value.capacitySectors &* 512),
        "read_only": .bool(value.isReadOnly),
        "block_size": .count(value.blockByteCount.map { UInt64($0) }),
        "most_segments": .count(value.mostSegments.map { UInt64($0) }),
        "most_segment_bytes": .count(value.mostSegmentBytes.map { UInt64($0) }),
        "queues": .count(value.queues.map { UInt64($0) }),
        "write_back": value.writesBack.map { .bool($0) } ?? .null,
        "most_discard_sectors": .count(value.mostDiscardSectors.map { UInt64($0) }),
        "most_write_zeroes_sectors": .count(value.mostWriteZeroesSectors.map { UInt64($0) }),
      ])
    }
  }

  private func frontendJSON(_ hypervisor: Hypervisor) -> JSON {
    switch hypervisor.verdict(on: self) {
    case .attaches(let recipe):
      .object([
        "name": .string(hypervisor.rawValue), "attaches": .bool(true), "command": .string(recipe.command),
        "remark": recipe.remark.map { .string($0) } ?? .null, "reason": .null,
      ])
    case .cannot(let reason):
      .object([
        "name": .string(hypervisor.rawValue), "attaches": .bool(false), "command": .null, "remark": .null,
        "reason": .string(reason),
      ])
    }
  }
}
