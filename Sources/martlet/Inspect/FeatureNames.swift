// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Feature bits by the names of their specifications (VIRTIO 1.3 section 6 and 5, vhost-user.rst), without prefixes.

internal import VhostUserProtocol
internal import VirtioProtocol

enum FeatureNames {
  private static let common: [Int: String] = [
    24: "NOTIFY_ON_EMPTY", 26: "LOG_ALL", 27: "ANY_LAYOUT", 28: "INDIRECT_DESC", 29: "EVENT_IDX",
    30: "PROTOCOL_FEATURES", 32: "VERSION_1", 33: "ACCESS_PLATFORM", 34: "RING_PACKED", 35: "IN_ORDER",
    36: "ORDER_PLATFORM", 37: "SR_IOV", 38: "NOTIFICATION_DATA", 39: "NOTIF_CONFIG_DATA", 40: "RING_RESET",
    41: "ADMIN_VQ", 42: "SUSPEND",
  ]

  private static let ofFileSystems: [Int: String] = [0: "NOTIFICATION"]

  private static let ofBlockDevices: [Int: String] = [
    0: "BARRIER", 1: "SIZE_MAX", 2: "SEG_MAX", 4: "GEOMETRY", 5: "RO", 6: "BLK_SIZE", 7: "SCSI", 9: "FLUSH",
    10: "TOPOLOGY", 11: "CONFIG_WCE", 12: "MQ", 13: "DISCARD", 14: "WRITE_ZEROES", 15: "LIFETIME",
    16: "SECURE_ERASE", 17: "ZONED",
  ]

  private static let ofGPUs: [Int: String] = [
    0: "VIRGL", 1: "EDID", 2: "RESOURCE_UUID", 3: "RESOURCE_BLOB", 4: "CONTEXT_INIT", 5: "BLOB_ALIGNMENT",
  ]

  private static let ofTheProtocol: [Int: String] = [
    0: "MQ", 1: "LOG_SHMFD", 2: "RARP", 3: "REPLY_ACK", 4: "MTU", 5: "BACKEND_REQ", 6: "CROSS_ENDIAN",
    7: "CRYPTO_SESSION", 8: "PAGEFAULT", 9: "CONFIG", 10: "BACKEND_SEND_FD", 11: "HOST_NOTIFIER",
    12: "INFLIGHT_SHMFD", 13: "RESET_DEVICE", 14: "INBAND_NOTIFICATIONS", 15: "CONFIGURE_MEM_SLOTS", 16: "STATUS",
    17: "XEN_MMAP", 18: "SHARED_OBJECT", 19: "DEVICE_STATE", 20: "GET_VRING_BASE_INFLIGHT", 21: "GPA_ADDRESSES",
    22: "SHMEM",
    // Not in the specification: what crosvm used before there was SHMEM.
    31: "SHARED_MEMORY_REGIONS",
  ]

  static func of(_ features: VirtioFeatures, kind: DeviceKind?) -> [String] {
    let own: [Int: String] =
      switch kind {
      case .fileSystem: ofFileSystems
      case .block: ofBlockDevices
      case .gpu: ofGPUs
      case nil: [:]
      }
    return names(features.rawValue, [own, common])
  }

  static func of(_ features: ProtocolFeatures) -> [String] {
    names(features.rawValue, [ofTheProtocol])
  }

  /// The set bits from the lowest on; those without a name by their number.
  private static func names(_ word: UInt64, _ tables: [[Int: String]]) -> [String] {
    (0..<64).filter { word & (1 << UInt64($0)) != 0 }.map { bit in
      for table in tables { if let name = table[bit] { return name } }
      return "bit-\(bit)"
    }
  }

  static func hexadecimal(_ word: UInt64) -> String { "0x" + String(word, radix: 16) }
}
