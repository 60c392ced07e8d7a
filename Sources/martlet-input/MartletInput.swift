// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The virtio-input daemon: options -> device -> Daemon.

internal import Daemon

@main
enum MartletInput {
  static func main() {
    Options.runDaemon()
  }
}

extension Options: DaemonCommand {
  /// Of QEMU's features for this type both: the device is named by a path, and may be left to the host as well.
  static let program = Program(
    name: "martlet-input", version: "0.1.0", deviceType: "input", features: ["evdev-path", "no-grab"])

  func describe() throws(HumanError) -> String {
    try plan().description
      + "device: \(evdevPath ?? "none"), \(noGrab ? "shared with this host" : "the guest's alone")\n"
  }
}
