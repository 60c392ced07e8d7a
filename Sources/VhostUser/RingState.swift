// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the frontend has said about one ring, in whatever order it said it, and whether that suffices to run it.

internal import Linux
internal import VhostUserProtocol
internal import Virtio
internal import VirtioProtocol

/// One ring as the control thread sees it.
final class RingState {
  let index: Int
  let counters: QueueCounters
  let notifier: CallNotifier
  /// Signalled when the driver's fault stops the queue.
  let error: EventSlot

  /// 0 until SET_VRING_NUM.
  var size: UInt16 = 0
  var addresses: VringAddress?
  /// Where the next run starts: from SET_VRING_BASE, or where the last one stopped.
  /// Nil until one of them happens: at the start.
  var base: UInt32?
  /// Set by SET_VRING_KICK, gone when the ring is stopped: says that the frontend started it.
  var kick: KickSource?
  /// By SET_VRING_ENABLE, or by SET_FEATURES without VHOST_USER_F_PROTOCOL_FEATURES.
  var isEnabled = false
  /// The driver's fault ended the last run: only a message that starts the ring anew runs it again.
  var isFaulted = false

  private var runner: QueueRunner?
  private var thread: Thread?

  init(index: Int, channel: BackendChannel, counters: QueueCounters) throws(Errno) {
    self.index = index
    self.counters = counters
    notifier = try CallNotifier(index: index, channel: channel, counters: counters)
    error = try EventSlot()
  }

  /// True while a thread owns the queue (it may have ended by a fault already).
  var isRunning: Bool { runner != nil }

  /// True if everything that running needs has been said. Nothing here waits for SET_STATUS: most frontends never
  /// send DRIVER_OK.
  var isReady: Bool {
    size > 0 && addresses != nil && kick != nil && isEnabled && !isFaulted
  }

  /// A kick that came as a message.
  func kickByMessage() {
    runner?.kick()
  }

  func start(_ runner: QueueRunner, name: String) throws(Errno) {
    precondition(self.runner == nil, "the ring runs already")
    thread = try runner.start(name: name)
    self.runner = runner
  }

  /// The ring goes on with another memory table; does not wait for it. One that the driver's fault has ended runs no
  /// more, and lets go of its memory.
  func adopt(_ memory: GuestMemory) {
    if let runner, runner.outcome.faulted { return stop() }
    runner?.adopt(memory)
  }

  /// Tells the thread to stop, without waiting: so that several stop at the same time.
  func requestStop() {
    runner?.requestStop()
  }

  /// Stops the ring and waits until its thread has given the queue back. Idempotent.
  func stop() {
    guard let runner else { return }
    runner.requestStop()
    if let thread = thread.take() { thread.join() }
    self.runner = nil
    let outcome = runner.outcome
    base = outcome.base
    if outcome.faulted { isFaulted = true }
  }

  /// After a device reset: what the next driver has not said yet. Call and err descriptors stay, because QEMU sends
  /// them before the reset.
  func forget(enabled: Bool) {
    size = 0
    addresses = nil
    base = nil
    kick = nil
    isEnabled = enabled
    isFaulted = false
  }
}
