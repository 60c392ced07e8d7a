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
    let reason: String
    if let description = message.value(LogDescription.self), let descriptor = message.descriptors.takeFirst() {
      do {
        let range = try FileRange(descriptor.file, offset: description.offset, byteCount: description.size)
        stopRings()
        dirtyLog = DirtyLog(bitmap: range.memory, owner: range.mapping)
        if case .refused(let problem) = resumeRings() { log(.warning, "\(problem)") }
        try connection.reply(to: message.header, description)
        return .replied
      } catch let error as RangeRefusal {
        reason = error.reason
      } catch let error as StreamLost {
        throw error
      } catch {
        reason = "unknown"
      }
    } else {
      reason = "only a log in shared memory (LOG_SHMFD) is supported"
    }
    // An empty reply: the sender waits for one, and the log would not have been written.
    try connection.reply(to: message.header) { _ in }
    log(.error, "the dirty log cannot be used, a migration would lose data: \(reason)")
    return .replyRefused(reason)
  }

  /// The descriptor would tell the frontend of changes of the log; no frontend listens. It is closed with the message.
  func setLogDescriptor(_ message: borrowing Message) -> Outcome { .done }
}
