// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The process outside of the sandbox. It is the one that the service manager knows: it says when the daemon is ready,
// passes signals on, removes the socket files at the end and ends with the child's code. It never sees a byte from a
// frontend.

internal import Linux
internal import VhostUser

struct Supervisor {
  /// How long the child may take to end once it was told to; it gives up by itself after `Server.graceNanoseconds`.
  private static let patienceNanoseconds: Int64 = 5_000_000_000

  let child: ChildProcess
  /// The child writes one byte when it serves.
  let ready: SharedDescriptor
  /// The child sees it close when this process is gone.
  let life: SharedDescriptor
  let signals: SignalDescriptor
  let readiness: Readiness
  let files: [SocketFile]
  let status: String
  /// The child may be another user.
  let mapsUsers: Bool
  let reloadsOnHangUp: Bool
  let log: DaemonLog

  /// Waits for the child; returns the code to end with.
  func run() -> Int32 {
    // Removing the socket from a directory that belongs to another user, and signals to a child that is another user,
    // are all that this process still needs.
    do {
      try CapabilitySet(mapsUsers ? [.dacOverride, .kill] : [.dacOverride]).keepOnlyThese()
    } catch {
      log.log(.debug, "the waiting process keeps its capabilities (\(error.message))")
    }
    let code = wait()
    for file in files { file.remove() }
    withExtendedLifetime(life) {}
    return code
  }

  private func wait() -> Int32 {
    var isStarting = true
    let byte = Scratch(byteCount: 1)
    var deadline: Int64?
    while true {
      let timeout = deadline.map { max($0 - Clock.monotonic, 0) } ?? -1
      let input = Poll.wait(signals.file, isStarting ? ready.file : nil, timeoutNanoseconds: timeout)
      if let status = try? child.waitWithoutBlocking() { return ended(status) }
      if !input.second.isEmpty {
        // An end without a byte: the child failed, and its exit code follows.
        if (try? ready.file.read(into: byte.segment)) == 1 { readiness.ready(status) }
        isStarting = false
      }
      if !input.first.isEmpty, let signal = try? signals.next(), signal != .childEnded {
        try? signal.send(to: child.identifier)
        let ends = signal != .user1 && !(signal == .hangUp && reloadsOnHangUp)
        if ends, deadline == nil {
          readiness.stopping()
          deadline = Clock.monotonic + Supervisor.patienceNanoseconds
        }
      }
      if let end = deadline, Clock.monotonic >= end {
        log.log(.error, "the serving process did not end in time and is killed")
        try? Signal.kill.send(to: child.identifier)
        deadline = nil
      }
    }
  }

  private func ended(_ status: ProcessEnd) -> Int32 {
    if case .signal(let number) = status {
      // SIGSYS is what the filter sends.
      let hint = number == 31 ? "; it made a system call that --seccomp does not allow" : ""
      log.log(.error, "the serving process was ended by signal \(number)\(hint)")
    }
    return status.shellCode
  }
}
