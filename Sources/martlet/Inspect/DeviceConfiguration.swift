// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The configuration spaces, as far as somebody wants to read them. Decoded from bytes at offsets here and not through
// the devices' protocol rooms: the answer may be shorter than any struct, and only what came may be shown.

internal import Frontend
internal import FuseProtocol
internal import VirtioProtocol
internal import Wire

enum DeviceConfiguration: Equatable, Sendable {
  case fileSystem(FileSystem)
  case block(Block)
  case gpu(GPU)

  struct FileSystem: Equatable, Sendable {
    var tag: String
    var requestQueues: UInt32
  }

  /// struct virtio_blk_config (linux/virtio_blk.h); nil where the feature that it belongs to is missing.
  struct Block: Equatable, Sendable {
    /// In units of 512 bytes, whatever the block size.
    var capacitySectors: UInt64
    var isReadOnly: Bool
    var blockByteCount: UInt32?
    var mostSegmentBytes: UInt32?
    var mostSegments: UInt32?
    var queues: UInt16?
    var writesBack: Bool?
    var mostDiscardSectors: UInt32?
    var mostWriteZeroesSectors: UInt32?
  }

  /// struct virtio_gpu_config (linux/virtio_gpu.h).
  struct GPU: Equatable, Sendable {
    var scanouts: UInt32
    var capabilitySets: UInt32
  }

  /// How many bytes to ask for. Backends refuse more than they have: these are what every version of the struct has.
  static func byteCount(_ kind: DeviceKind) -> Int {
    switch kind {
    case .fileSystem: FileSystemConfig.byteCount
    // Without zones and secure erase, which came later: what Firecracker and cloud-hypervisor ask for.
    case .block: 60
    case .gpu: 16
    }
  }

  /// Nil if the bytes cannot be a configuration of that kind.
  init?(_ kind: DeviceKind, _ bytes: [UInt8], features: VirtioFeatures, queueCount: Int?) {
    switch kind {
    case .fileSystem:
      guard let value = FileSystem(bytes, queueCount: queueCount) else { return nil }
      self = .fileSystem(value)
    case .block:
      guard let value = Block(bytes, features) else { return nil }
      self = .block(value)
    case .gpu:
      // VIRTIO 1.3 section 5.7.4: 1 to 16 scanouts.
      guard let scanouts: UInt32 = bytes.load(at: 8), let sets: UInt32 = bytes.load(at: 12),
        (1...16).contains(scanouts), sets <= 64
      else { return nil }
      self = .gpu(GPU(scanouts: scanouts, capabilitySets: sets))
    }
  }
}

extension DeviceConfiguration.FileSystem {
  init?(_ bytes: [UInt8], queueCount: Int?) {
    guard let queues: UInt32 = bytes.load(at: FileSystemConfig.maximumTagLength), queues > 0,
      Int(queues) + 1 <= queueCount ?? Int(queues) + 1
    else { return nil }
    let name = bytes.prefix(FileSystemConfig.maximumTagLength).prefix { $0 != 0 }
    guard !name.isEmpty else { return nil }
    tag = String(decoding: name, as: UTF8.self)
    requestQueues = queues
  }
}

extension DeviceConfiguration.Block {
  init?(_ bytes: [UInt8], _ features: VirtioFeatures) {
    guard bytes.count >= 60, let capacity: UInt64 = bytes.load(at: 0) else { return nil }
    func has(_ bit: UInt64) -> Bool { features.contains(.device(bit)) }
    capacitySectors = capacity
    isReadOnly = has(5)
    mostSegmentBytes = has(1) ? bytes.load(at: 8) : nil
    mostSegments = has(2) ? bytes.load(at: 12) : nil
    blockByteCount = has(6) ? bytes.load(at: 20) : nil
    writesBack = has(11) ? bytes.load(UInt8.self, at: 32) == 1 : nil
    queues = has(12) ? bytes.load(at: 34) : nil
    mostDiscardSectors = has(13) ? bytes.load(at: 36) : nil
    mostWriteZeroesSectors = has(14) ? bytes.load(at: 48) : nil
  }
}
