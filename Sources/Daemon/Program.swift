// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

/// What a daemon program is: the fixed facts that its options do not change.
public struct Program: Sendable {
  /// "martlet-fs"; in front of errors and log lines.
  public let name: String
  public let version: String
  /// The type in QEMU's backend description: "fs", "block" or "gpu".
  public let deviceType: String
  /// Features of `--print-capabilities`.
  public let features: [String]

  public init(name: String, version: String, deviceType: String, features: [String]) {
    self.name = name
    self.version = version
    self.deviceType = deviceType
    self.features = features
  }

  /// The answer to `--print-capabilities` (QEMU, docs/interop/vhost-user.rst, "Backend program conventions"). Names
  /// are our own and hold nothing that JSON would escape.
  public var capabilitiesJSON: String {
    let list = features.map { "\n    \"\($0)\"" }.joined(separator: ",")
    return "{\n  \"type\": \"\(deviceType)\",\n  \"features\": [\(list)\(features.isEmpty ? "" : "\n  ")]\n}\n"
  }
}
