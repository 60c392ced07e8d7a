// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The virtio-gpu daemon: options -> device -> Daemon.

internal import Daemon
internal import Graphics

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
    let screens = try graphicsOptions(try parameters()?.displays ?? []).screenSizes.map { "\($0.width)x\($0.height)" }
    return try plan().description
      + "screens: \(screens.joined(separator: " ")), edid \(edid.rawValue), memory limit \(memoryLimit.bytes)\n"
  }
}
