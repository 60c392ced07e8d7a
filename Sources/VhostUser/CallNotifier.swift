// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The call and err descriptors of a ring. The frontend replaces them whenever it likes, also while the queue's thread
// is signalling: the thread always writes to the same descriptor number, and dup3(2) changes the file behind it.

internal import Linux
internal import Synchronization
internal import Virtio

/// An event that can be pointed at another file, or at nobody, at any time and from any thread.
final class EventSlot: Sendable {
  private let event: Event
  private let connected = Atomic<Bool>(false)

  init() throws(Errno) {
    event = try Event()
  }

  var isConnected: Bool { connected.load(ordering: .relaxed) }

  /// Nil disconnects. The old file is closed.
  func replace(with descriptor: consuming FileDescriptor?) throws(Errno) {
    switch consume descriptor {
    case .some(let descriptor):
      try event.redirect(to: descriptor)
      connected.store(true, ordering: .relaxed)
    case .none:
      connected.store(false, ordering: .relaxed)
      try event.disconnect()
    }
  }

  @inline(__always)
  func signal() {
    event.signal()
  }
}

/// Interrupts the driver of one ring: by its call descriptor, or by a message if there is none and the frontend takes
/// messages (INBAND_NOTIFICATIONS).
final class CallNotifier: QueueNotifier {
  let slot: EventSlot
  private let index: Int
  private let channel: BackendChannel
  private let counters: QueueCounters

  init(index: Int, channel: BackendChannel, counters: QueueCounters) throws(Errno) {
    slot = try EventSlot()
    self.index = index
    self.channel = channel
    self.counters = counters
  }

  func call() {
    counters.calls.add(1, ordering: .relaxed)
    if slot.isConnected {
      slot.signal()
    } else if channel.carriesNotifications {
      channel.sendCall(index)
    }
  }
}
