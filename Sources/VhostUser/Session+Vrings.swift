// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Rings. The messages come in any order (alioth sends the kick first), so each one only notes what it says and then
// asks whether the ring can run now. A ring runs when it has a size, addresses, a kick and is enabled.

internal import Linux
internal import VhostUserProtocol
internal import Virtio
internal import VirtioProtocol
internal import Wire

extension Session {
  // MARK: What is said about a ring

  func setRingSize(_ message: borrowing Message) -> Outcome {
    guard let (ring, value) = ringState(message) else { return .refused("no such ring") }
    let isValid =
      isPacked
      ? PackedRingLayout.isValid(queueSize: Int(value)) : SplitRingLayout.isValid(queueSize: Int(value))
    guard isValid, value <= UInt32(description.maximumQueueSize) else {
      return .refused("ring \(ring.index) cannot have \(value) entries")
    }
    ring.stop()
    ring.size = UInt16(value)
    return resume(ring)
  }

  func setRingAddresses(_ message: borrowing Message) -> Outcome {
    guard let addresses = message.value(VringAddress.self), let ring = ring(addresses.index) else {
      return .refused("no such ring")
    }
    // The log address is added to while the ring runs; whole rings lie below this bound.
    guard !addresses.flags.contains(.log) || addresses.log < UInt64.max >> 1 else {
      return .refused("ring \(ring.index) has an impossible log address")
    }
    ring.stop()
    ring.addresses = addresses
    ring.isFaulted = false
    return resume(ring)
  }

  /// Of a split ring only the lower half counts, of a packed one both (`PackedBase`).
  func setRingBase(_ message: borrowing Message) -> Outcome {
    guard let (ring, value) = ringState(message) else { return .refused("no such ring") }
    ring.stop()
    ring.base = isPacked ? value : value & 0xffff
    ring.isFaulted = false
    return resume(ring)
  }

  /// Stops the ring: everything taken from it has been answered when the reply goes out. Also for rings that never
  /// ran. Only a new kick starts the ring again; size, addresses and call stay (stratovirt sends none on resume).
  func getRingBase(_ message: borrowing Message) throws(StreamLost) -> Outcome {
    guard let (ring, _) = ringState(message) else {
      try connection.reply(to: message.header, message.value(VringState.self) ?? VringState())
      return .replyRefused("no such ring")
    }
    ring.stop()
    ring.kick = nil
    ring.isFaulted = false
    try connection.reply(to: message.header, VringState(index: UInt32(ring.index), num: base(of: ring)))
    return .replied
  }

  private var isPacked: Bool { features?.contains(.ringPacked) ?? false }

  /// Where a ring goes on that runs next.
  private func base(of ring: RingState) -> UInt32 {
    ring.base ?? (isPacked ? PackedBase.start.rawValue : 0)
  }

  /// ENABLE without VHOST_USER_F_PROTOCOL_FEATURES (stratovirt) and for rings that were never set up (QEMU) is fine.
  /// Disabling a ring is also how some frontends stop it for good (alioth, User-mode Linux).
  func setRingEnabled(_ message: borrowing Message) -> Outcome {
    guard let (ring, value) = ringState(message) else { return .refused("no such ring") }
    ring.isEnabled = value != 0
    if ring.isEnabled { return resume(ring) }
    ring.stop()
    ring.isFaulted = false
    return .done
  }

  // MARK: Descriptors

  func setKick(_ message: inout Message) -> Outcome {
    guard let what = message.value(VringFileDescriptor.self), let ring = ring(UInt32(what.index)) else {
      return .refused("no such ring")
    }
    var kick = KickSource.polling
    if what.hasDescriptor {
      guard let descriptor = message.descriptors.takeFirst() else { return .refused("the descriptor is missing") }
      // Only this process reads it; a read must not wait if somebody else did.
      do { try descriptor.file.setNonBlocking(true) } catch { return .refused(error.message) }
      kick = .event(SharedDescriptor(descriptor))
    } else if protocolFeatures.contains(.inbandNotifications) {
      kick = .messages
    }
    ring.stop()
    ring.kick = kick
    ring.isFaulted = false
    return resume(ring)
  }

  /// At any time, also while the ring runs: the queue's thread does not notice. One call after the change covers those
  /// that went to the old descriptor after the frontend stopped listening to it.
  func setCall(_ message: inout Message) -> Outcome {
    guard let what = message.value(VringFileDescriptor.self), let ring = ring(UInt32(what.index)) else {
      return .refused("no such ring")
    }
    if let reason = replace(ring.notifier.slot, what, &message) { return .refused(reason) }
    if ring.isRunning { ring.notifier.slot.signal() }
    return .done
  }

  func setError(_ message: inout Message) -> Outcome {
    guard let what = message.value(VringFileDescriptor.self), let ring = ring(UInt32(what.index)) else {
      return .refused("no such ring")
    }
    if let reason = replace(ring.error, what, &message) { return .refused(reason) }
    return .done
  }

  /// Nil if it worked.
  private func replace(_ slot: EventSlot, _ what: VringFileDescriptor, _ message: inout Message) -> String? {
    do {
      guard what.hasDescriptor else {
        try slot.replace(with: nil)
        return nil
      }
      guard let descriptor = message.descriptors.takeFirst() else { return "the descriptor is missing" }
      // Nobody may be emptying a pipe or a socket, and a queue's thread that waits for that could not be stopped. An
      // eventfd does not fill up; its flags are the frontend's, who may want to wait in read(2).
      let kind = try descriptor.file.status().type
      if kind == .fifo || kind == .socket { try descriptor.file.setNonBlocking(true) }
      try slot.replace(with: descriptor)
      return nil
    } catch {
      return error.message
    }
  }

  /// INBAND_NOTIFICATIONS: the first one also starts a ring for which no kick will ever come.
  func kickByMessage(_ message: borrowing Message) -> Outcome {
    guard let (ring, _) = ringState(message) else { return .refused("no such ring") }
    guard protocolFeatures.contains(.inbandNotifications) else { return .refused("not negotiated") }
    if ring.kick == nil { ring.kick = .messages }
    ring.kickByMessage()
    return resume(ring)
  }

  // MARK: Running

  private func ring(_ index: UInt32) -> RingState? {
    index < UInt32(rings.count) ? rings[Int(index)] : nil
  }

  private func ringState(_ message: borrowing Message) -> (ring: RingState, value: UInt32)? {
    guard let state = message.value(VringState.self), let ring = ring(state.index) else { return nil }
    return (ring, state.num)
  }

  func requestStop() {
    for ring in rings { ring.requestStop() }
  }

  /// Pauses every ring: each knows where it will go on.
  func stopRings() {
    requestStop()
    for ring in rings { ring.stop() }
  }

  /// Starts every ring that can run.
  func resumeRings() -> Outcome {
    var outcome = Outcome.done
    for ring in rings {
      if case .refused(let reason) = resume(ring) { outcome = .refused(reason) }
    }
    return outcome
  }

  /// Starts the ring if all that it needs has been said; not being ready is no error.
  func resume(_ ring: RingState) -> Outcome {
    guard ring.isReady, !ring.isRunning, let plan = plan(ring) else { return .done }
    // Addresses may come before the memory in which they lie.
    if memory.isEmpty { return .done }
    guard plan.rings != nil else { return .refused("ring \(ring.index) does not lie in the shared memory") }
    tellFeatures()
    if plan.mayHaveServed { device.ringGoesOn(at: ring.index) }
    do {
      let runner = try QueueRunner(
        plan, device: device, host: channel, counters: ring.counters, onTakeOver: takeOverHandler(ring),
        onFault: faultHandler(ring))
      try ring.start(runner, name: "\(description.name)-\(ring.index)")
    } catch {
      return .refused("ring \(ring.index) cannot run: \(error.message)")
    }
    log(.debug, "ring \(ring.index) runs from \(plan.firstBase), \(ring.size) entries")
    return .done
  }

  private func plan(_ ring: RingState) -> QueuePlan? {
    guard let addresses = ring.addresses, let kick = ring.kick else { return nil }
    let features = features ?? []
    return QueuePlan(
      index: ring.index, size: ring.size, addresses: addresses, memory: memory.snapshot, features: features,
      base: base(of: ring), kick: kick, notifier: ring.notifier, inflight: inflight,
      dirtyLog: features.contains(.logAll) ? dirtyLog : nil, spinMicroseconds: environment.options.effectiveSpin)
  }

  /// Before a queue runs, the device knows what the driver accepted; vhost's own bits are none of its business.
  private func tellFeatures() {
    let visible = (features ?? []).subtracting([.vhostUserProtocolFeatures, .logAll])
    if visible == featuresOfDevice { return }
    featuresOfDevice = visible
    device.accept(visible)
  }

  /// Runs on the queue's thread.
  private func takeOverHandler(_ ring: RingState) -> @Sendable (Int) -> Void {
    let (index, log) = (ring.index, environment.log)
    return { log.log(.info, "ring \(index): \($0) requests that a daemon before this one left are done again") }
  }

  /// Runs on the queue's thread.
  private func faultHandler(_ ring: RingState) -> @Sendable (GuestFault) -> Void {
    let (index, slot, channel) = (ring.index, ring.error, self.channel)
    let (log, limit, health) = (environment.log, faultLimit, health)
    return { fault in
      if slot.isConnected {
        slot.signal()
      } else if channel.carriesNotifications {
        channel.sendError(index)
      }
      // The session has its own line for that, and whatever the queue saw was no longer what the driver wrote.
      if health.isLost { return }
      log.log(.error, limit: limit) { "queue \(index) stopped, because the driver broke the ring's rules: \(fault)" }
    }
  }
}
