// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What kind of device a backend is. Nothing in vhost-user says it: a hypervisor is told by its user. Here it is
// guessed from what the kinds have that others do not, and the configuration has the last word.

internal import ArgumentParser
internal import VirtioProtocol

/// The kinds that Martlet knows.
enum DeviceKind: String, CaseIterable, ExpressibleByArgument, Sendable {
  case fileSystem = "fs"
  case block = "blk"
  case gpu

  var name: String {
    switch self {
    case .fileSystem: "file system"
    case .block: "block"
    case .gpu: "gpu"
    }
  }

  var identifier: DeviceID {
    switch self {
    case .fileSystem: .fileSystem
    case .block: .block
    case .gpu: .gpu
    }
  }

  /// The kind that the features speak for; nil if none of these.
  static func guess(_ features: VirtioFeatures, queueCount: Int?) -> DeviceKind? {
    // Bits 0 to 23 are the device's own (VIRTIO 1.3 section 2.2).
    let own = features.rawValue & 0xff_ffff
    // A file system has NOTIFICATION (0) at most, and a queue for what must not wait beside those for requests.
    if own & ~0x1 == 0 { return queueCount == 1 ? nil : .fileSystem }
    // A gpu has bits 0 to 5, EDID (1) in practice always, and its two queues.
    if own & ~0x3f == 0, own & 0x2 != 0, queueCount ?? 2 == 2 { return .gpu }
    // A block device has none of bits 3, 8, 15 and 18 to 23, with which network devices abound.
    if own & 0xfc_8109 == 0, own & 0x3_7e76 != 0 { return .block }
    return nil
  }
}

/// How the kind is known.
enum KindSource: String, Sendable {
  case told = "--device"
  case configuration = "its features and configuration"
  case features = "its features and queues"
}
