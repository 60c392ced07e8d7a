// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Taking chains back from a packed ring, and being told that there are some.

internal import Linux
internal import VirtioProtocol
internal import Wire

extension PackedDriverQueue {
  /// True if a chain can be taken back: both bits of the next descriptor are those of its round (2.8.1).
  public var hasUsed: Bool {
    let flags = descriptors.segment.loadAcquiring(at: 16 * place(taken) + 14)
    return flags & (1 << 7 | 1 << 15) == (wrap(taken) ? 1 << 7 | 1 << 15 : 0)
  }

  /// Takes the next used chain back; nil if there is none. Its head is the buffer id.
  /// - Throws: `deviceFault` if the device used what it was not given.
  public func takeUsed() throws(FrontendError) -> UsedChain? {
    guard taken < published, hasUsed else { return nil }
    guard let descriptor: PackedDescriptor = descriptors.segment.load(at: 16 * place(taken)) else {
      preconditionFailure("a descriptor lies in its ring")
    }
    guard Int(descriptor.id) < size, chains[Int(descriptor.id)].descriptorCount > 0 else {
      throw .deviceFault("queue \(index): buffer \(descriptor.id) was used but is not outstanding")
    }
    let chain = chains[Int(descriptor.id)]
    if let table = chain.table { ram.free(table) }
    chains[Int(descriptor.id)] = Chain()
    freeIDs.append(descriptor.id)
    taken += chain.descriptorCount
    // The length means something only if the device says that it wrote (2.8.5).
    let isWritten = descriptor.flags & DescriptorFlags.write != 0
    return UsedChain(head: descriptor.id, length: isWritten ? descriptor.length : 0, token: chain.token)
  }

  /// Asks the device not to signal.
  public func suppressInterrupts() {
    driverEvent.segment.storeReleasing(1, at: 2)
  }

  /// Asks the device to signal when it uses the next chain. Look with `hasUsed` afterwards.
  public func requestInterrupt() {
    if usesEventIndex {
      driverEvent.segment.storeReleasing(UInt16(place(taken)) | (wrap(taken) ? 1 << 15 : 0), at: 0)
      driverEvent.segment.storeReleasing(2, at: 2)
    } else {
      driverEvent.segment.storeReleasing(0, at: 2)
    }
    fullFence()
  }

  /// Waits until a chain can be taken back, and takes it.
  /// - Throws: `timedOut`; `deviceFault` if the device gave the queue up, or used a chain and never called.
  public func takeNext(
    timeoutNanoseconds: Int64 = FrontendConnection.defaultTimeoutNanoseconds
  ) throws(FrontendError) -> UsedChain {
    let deadline = Clock.monotonic + timeoutNanoseconds
    while true {
      if let chain = try takeUsed() { return chain }
      requestInterrupt()
      if hasUsed { continue }
      let left = deadline - Clock.monotonic
      guard left > 0 else { throw hasUsed ? .deviceFault("queue \(index): used without a call") : .timedOut }
      let ready = Poll.wait(callEvent.file, errorEvent.file, timeoutNanoseconds: left)
      if !ready.first.isEmpty { callEvent.drain() }
      if ready.second.contains(.input), !hasUsed { throw .deviceFault("the device gave up queue \(index)") }
    }
  }
}
