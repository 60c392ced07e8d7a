// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// FORGET, BATCH_FORGET and, if wanted, INTERRUPT: messages without an answer, on the queue that nothing may block.
// Every thread may read one from the kernel, so the queue is behind a lock; they are short, and are copied out of the
// slot that they were read into, which keeps that slot with its thread.

internal import Frontend
internal import FuseProtocol
internal import Linux
internal import Synchronization
internal import Wire

/// `@unchecked Sendable`: everything below the lock is touched with the lock held.
final class HighPriorityLane: @unchecked Sendable {
  static let slotCount = 16
  /// A backend that takes no FORGET for so long holds on to files that nobody uses; dropping the next one changes
  /// little, growing without bound would.
  private static let mostWaiting = 65536

  private let lock = Mutex(())
  private let transfer: FuseTransfer
  private var free: [Int]
  /// What found no slot, oldest first.
  private var waiting: [[UInt8]] = []

  init(_ transfer: FuseTransfer) {
    self.transfer = transfer
    free = Array(0..<transfer.slotCount)
    transfer.queue.suppressInterrupts()
  }

  var callEvent: File { transfer.queue.callEvent.file }
  var errorEvent: File { transfer.queue.errorEvent.file }

  /// Sends a message, or keeps it until the backend has taken earlier ones. Never waits.
  func send(_ request: Segment) throws(FrontendError) {
    try locked { () throws(FrontendError) in
      try collect()
      if free.isEmpty || !waiting.isEmpty {
        if waiting.count < HighPriorityLane.mostWaiting { waiting.append(request.bytes()) }
        try sendWaiting()
      } else {
        try offer { $0.copy(from: request) }
        transfer.queue.submit()
      }
    }
  }

  /// Goes on after the backend has used something.
  func proceed() throws(FrontendError) {
    try locked { () throws(FrontendError) in
      try collect()
      try sendWaiting()
    }
  }

  private func locked(_ body: () throws(FrontendError) -> Void) throws(FrontendError) {
    let result = lock.withLock { _ -> Result<Void, FrontendError> in
      do throws(FrontendError) {
        try body()
        return .success(())
      } catch {
        return .failure(error)
      }
    }
    try result.get()
  }

  private func collect() throws(FrontendError) {
    while let slot = try transfer.take() { free.append(slot) }
  }

  /// As many as there are slots for; asks to be called if some are left.
  private func sendWaiting() throws(FrontendError) {
    while true {
      let count = min(free.count, waiting.count)
      for bytes in waiting.prefix(count) {
        try offer { target in
          for (offset, byte) in bytes.enumerated() { target.store(byte, at: offset) }
        }
      }
      waiting.removeFirst(count)
      transfer.queue.submit()
      guard !waiting.isEmpty else { return transfer.queue.suppressInterrupts() }
      transfer.queue.requestInterrupt()
      guard transfer.queue.hasUsed else { return }
      try collect()
    }
  }

  private func offer(_ fill: (Segment) -> Void) throws(FrontendError) {
    guard let slot = free.popLast() else { return }
    let target = transfer.request(of: slot)
    fill(target)
    guard let header: FuseInHeader = target.load() else { return }
    try transfer.offer(slot, header, byteCount: min(Int(header.len), target.count))
  }
}
