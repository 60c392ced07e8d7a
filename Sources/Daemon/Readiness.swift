// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import Linux

/// Tells the service manager how the daemon is doing (sd_notify). Made before the sandbox, because the manager's
/// socket cannot be reached from inside; used by the process that the manager started, because a message from another
/// one is dropped (NotifyAccess=main).
struct Readiness: Sendable {
  private let socket: DatagramSocket?

  init() {
    // supervisord passes its own manager's socket on to every program; the unit is ready when supervisord says so.
    socket = CurrentProcess.environment("SUPERVISOR_ENABLED") == nil ? ServiceManager.notificationSocket() : nil
  }

  func ready(_ status: String) { send("READY=1\nSTATUS=\(status)") }

  func stopping() { send("STOPPING=1") }

  private func send(_ text: String) {
    try? socket?.send(text)
  }
}
