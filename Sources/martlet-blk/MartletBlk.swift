// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The virtio-blk daemon: options -> volumes -> Daemon. The images are opened here, before anything else happens: what a
// person got wrong is said before there is a socket, and inside the sandbox no path is needed any more.

internal import Daemon

@main
enum MartletBlk {
  static func main() {
    Options.runDaemon()
  }
}

extension Options: DaemonCommand {
  static let program = Program(
    name: "martlet-blk", version: "0.1.0", deviceType: "block",
    // QEMU, docs/interop/vhost-user.rst, "Command line options for block backends".
    features: ["read-only", "blk-file"])

  func plan() throws(HumanError) -> DaemonPlan {
    try plan(volumes())
  }

  /// No image is opened for it.
  func describe() throws(HumanError) -> String {
    let volumes = try volumes()
    let plan = DaemonPlan(
      program: Options.program, services: volumes.map { $0.service(nil) }, common: common, onDisconnect: .relisten)
    return plan.description + volumes.map { $0.description }.joined()
  }
}
