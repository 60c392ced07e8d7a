// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Live migration's dirty log. It is written once the driver's features say LOG_ALL; a frontend may bring a new log
// for every round (Cloud Hypervisor).

internal import Linux
internal import VhostUserProtocol
internal import Virtio
internal import Wire

extension Session {
  /// Answered with the log's description: QEMU only looks at the request, the vhost crate wants these bytes.
  func setLogBase(_ message: inout Message) throws(StreamLost) -> Outcome {
    guard let description = message.value(LogDescription.self), let descriptor = message.descriptors.takeFirst() else {
      return try refuseLog(message.header, "only a log in shared memory (LOG_SHMFD) is supported")
    }
    let range: FileRange
    do {
      range = try FileRange(
        descriptor.file, offset: description.offset, byteCount: description.size, alarm: alarm)
    } catch {
      return try refuseLog(message.header, error.reason)
    }
    stopRings()
    dirtyLog = DirtyLog(bitmap: range.memory, owner: range.mapping)
    if case .refused(let problem) = resumeRings() { log(.warning, "\(problem)") }
    try connection.reply(to: message.header, description)
    return .replied
  }

  /// An empty reply: the sender waits for one, and must not believe that the log is written.
  private func refuseLog(_ header: MessageHeader, _ reason: String) throws(StreamLost) -> Outcome {
    try connection.reply(to: header) { _ in }
    log(.error, "the dirty log cannot be used, a migration would lose data: \(reason)")
    return .replyRefused(reason)
  }

  /// The descriptor would tell the frontend of changes of the log; no frontend listens. It is closed with the message.
  func setLogDescriptor(_ message: borrowing Message) -> Outcome { .done }
}
