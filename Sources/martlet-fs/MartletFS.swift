// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The virtio-fs daemon: options -> shares -> Daemon. Installed or linked as `virtiofsd` it behaves the same: it takes
// that program's command line. Unlike it, it writes no `<socket>.pid`: a stale socket is found out by asking the
// kernel, and whoever needs the process id is the one who started the process.

internal import Daemon

@main
enum MartletFS {
  static func main() {
    Options.runDaemon()
  }
}

extension Options: DaemonCommand {
  static let program = Program(
    name: "martlet-fs", version: "0.1.0", deviceType: "fs",
    // What libvirt looks for: the options take these forms.
    features: ["separate-options", "posix-acl-negotiation-mode", "security-label-negotiation-mode"])

  func plan() throws(HumanError) -> DaemonPlan {
    try wholePlan().daemon
  }

  func describe() throws(HumanError) -> String {
    let whole = try wholePlan()
    return whole.daemon.description + whole.shares.map { $0.description }.joined()
  }
}
