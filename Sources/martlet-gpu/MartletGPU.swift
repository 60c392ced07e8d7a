// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The virtio-gpu daemon: options -> device -> Daemon.

internal import Daemon

@main
enum MartletGPU {
  static func main() {
    Options.runDaemon()
  }
}

extension Options: DaemonCommand {
  /// Neither of QEMU's features for this type ("virgl", "render-node") is there yet.
  static let program = Program(name: "martlet-gpu", version: "0.1.0", deviceType: "gpu", features: [])

  func describe() throws(HumanError) -> String {
    try plan().description
      + "screens: \(scanouts) of \(size.width)x\(size.height), edid \(edid.rawValue), "
      + "memory limit \(memoryLimit.bytes)\n"
  }
}
