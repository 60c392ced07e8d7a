// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import GPUProtocol

/// How often each command came and how often it was refused. Owned by `Core`, under its lock.
struct CommandCounters {
  private static let names: [(type: UInt32, name: String)] = [
    (0x100, "GET_DISPLAY_INFO"), (0x101, "RESOURCE_CREATE_2D"), (0x102, "RESOURCE_UNREF"), (0x103, "SET_SCANOUT"),
    (0x104, "RESOURCE_FLUSH"), (0x105, "TRANSFER_TO_HOST_2D"), (0x106, "RESOURCE_ATTACH_BACKING"),
    (0x107, "RESOURCE_DETACH_BACKING"), (0x108, "GET_CAPSET_INFO"), (0x109, "GET_CAPSET"), (0x10a, "GET_EDID"),
    (0x10b, "RESOURCE_ASSIGN_UUID"), (0x10c, "RESOURCE_CREATE_BLOB"), (0x10d, "SET_SCANOUT_BLOB"),
    (0x300, "UPDATE_CURSOR"), (0x301, "MOVE_CURSOR"),
  ]

  /// By place in `names`, the last for all others.
  private var counts = [UInt64](repeating: 0, count: names.count + 1)
  private var failures = [UInt64](repeating: 0, count: names.count + 1)
  /// Bytes that transfers have copied into pictures.
  var transferredBytes: UInt64 = 0

  mutating func count(_ type: GPUMessageType, isError: Bool) {
    let index =
      switch type.rawValue {
      case 0x100...0x10d: Int(type.rawValue - 0x100)
      case 0x300...0x301: 14 + Int(type.rawValue - 0x300)
      default: CommandCounters.names.count
      }
    counts[index] &+= 1
    if isError { failures[index] &+= 1 }
  }

  var readings: [CommandReading] {
    (CommandCounters.names.map { $0.name } + ["unknown"]).enumerated().map { index, name in
      CommandReading(name: name, count: counts[index], failures: failures[index])
    }
  }
}

/// A snapshot of one command's counters.
public struct CommandReading: Equatable, Sendable {
  public let name: String
  public let count: UInt64
  /// How many were answered with an error.
  public let failures: UInt64
}
