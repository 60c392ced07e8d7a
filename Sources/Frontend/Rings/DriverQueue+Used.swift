// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Taking chains back, and being told that there are some.

internal import Linux
internal import VirtioProtocol
internal import Wire

/// A chain that the device has finished.
public struct UsedChain: Sendable, Equatable {
  /// Head of the chain.
  public let head: UInt16
  /// Bytes that the device says it wrote.
  public let length: UInt32
  /// What the chain was added with.
  public let token: UInt64
}

extension DriverQueue {
  /// True if a chain can be taken back.
  public var hasUsed: Bool {
    used.segment.loadAcquiring(at: SplitRingLayout.usedIndexOffset) != takenIndex
  }

  /// Takes the next used chain back; nil if there is none.
  /// - Throws: `deviceFault` if the device used what it was not given.
  public func takeUsed() throws(FrontendError) -> UsedChain? {
    let deviceIndex = used.segment.loadAcquiring(at: SplitRingLayout.usedIndexOffset)
    if deviceIndex == takenIndex { return nil }
    guard Int(deviceIndex &- takenIndex) <= size else {
      throw .deviceFault("the used index of queue \(index) jumped from \(takenIndex) to \(deviceIndex)")
    }
    let slot = Int(takenIndex) & (size - 1)
    guard let element: UsedElement = used.segment.load(at: SplitRingLayout.usedRingOffset + 8 * slot) else {
      preconditionFailure("a used element lies in its ring")
    }
    guard element.id < UInt32(size), chains[Int(element.id)].descriptorCount > 0 else {
      throw .deviceFault("queue \(index): chain \(element.id) was used but is not outstanding")
    }
    takenIndex &+= 1
    let head = UInt16(element.id)
    let chain = chains[Int(head)]
    if chain.isPrepared { chains[Int(head)].descriptorCount = 0 } else { release(head, chain) }
    return UsedChain(head: head, length: element.length, token: chain.token)
  }

  /// Puts a chain's descriptors back: they are linked by `nextFree`, which kept its links while they were in use.
  private func release(_ head: UInt16, _ chain: Chain) {
    if let table = chain.table { ram.free(table) }
    var last = head
    for _ in 1..<max(chain.descriptorCount, 1) { last = nextFree[Int(last)] }
    nextFree[Int(last)] = firstFree
    firstFree = head
    freeCount += chain.descriptorCount
    chains[Int(head)] = Chain()
  }

  /// Asks the device not to signal. A wish: it may signal all the same.
  public func suppressInterrupts() {
    if usesEventIndex {
      // No way to say never: an event half the index space away is as far as it gets.
      available.segment.storeReleasing(takenIndex &- 0x8000, at: SplitRingLayout.usedEventOffset(size))
    } else {
      available.segment.storeReleasing(AvailFlags.noInterrupt, at: SplitRingLayout.availFlagsOffset)
    }
  }

  /// Asks the device to signal when it uses the next chain. Look with `hasUsed` afterwards: a chain that was used
  /// before will not be signalled.
  public func requestInterrupt() {
    if usesEventIndex {
      available.segment.storeReleasing(takenIndex, at: SplitRingLayout.usedEventOffset(size))
    } else {
      available.segment.storeReleasing(0, at: SplitRingLayout.availFlagsOffset)
    }
    fullFence()
  }

  /// How often a wait looks whether the backend is still there.
  private static var lookAfterNanoseconds: Int64 { 200_000_000 }

  /// Waits until a chain can be taken back.
  /// - Throws: `timedOut`; `closed` if the backend let go of its connection; `deviceFault` if the device signalled that
  ///   it gave the queue up, or used a chain and never called.
  public func wait(timeoutNanoseconds: Int64 = FrontendConnection.defaultTimeoutNanoseconds) throws(FrontendError) {
    let deadline = Clock.monotonic + timeoutNanoseconds
    while !hasUsed {
      requestInterrupt()
      if hasUsed { return }
      let left = deadline - Clock.monotonic
      guard left > 0 else { throw .timedOut }
      let ready = Poll.wait(
        callEvent.file, errorEvent.file, timeoutNanoseconds: min(left, Self.lookAfterNanoseconds))
      if !ready.first.isEmpty { callEvent.drain() }
      if ready.first.isEmpty, !hasUsed, isAlone { throw .closed }
      if ready.second.contains(.input), !hasUsed {
        throw .deviceFault("the device gave up queue \(index)")
      }
      if ready.first.isEmpty, hasUsed { try expectCall(until: deadline) }
    }
  }

  /// The backend has let go of its connection.
  private var isAlone: Bool {
    guard let connection else { return false }
    return Poll.wait(connection, nil, timeoutNanoseconds: 0).first.contains(.hangUp)
  }

  /// A yield that takes longer has let another thread run.
  private static var yieldNanoseconds: Int64 { 2_000 }

  /// Waits for an answer. The device is asked for an interrupt in any case; like a hypervisor that polls for its halted
  /// guest, the caller looks for a while before it sleeps.
  /// - Parameter pollNanoseconds: how long to look; 0 sleeps at once.
  public func wait(pollNanoseconds: Int64, timeoutNanoseconds: Int64) throws(FrontendError) {
    requestInterrupt()
    if pollNanoseconds > 0 {
      let end = Clock.monotonic + pollNanoseconds
      var now: Int64
      repeat {
        for _ in 0..<16 {
          if hasUsed { return }
          Processors.spinPause()
        }
        // Hypervisors stop polling when somebody else wants the processor, and the device may be the one.
        now = Clock.monotonic
        Processors.yield()
        if Clock.monotonic - now > Self.yieldNanoseconds { break }
      } while now < end
      if hasUsed { return }
    }
    try wait(timeoutNanoseconds: timeoutNanoseconds)
  }

  /// The wait ended without a call although there is a used chain. It may be on its way: between showing the chain and
  /// calling, the device's thread can be without a processor for as long as the machine is busy, or die. But a call
  /// that never comes would be a guest that hangs, and must not pass for a slow device.
  private func expectCall(until deadline: Int64) throws(FrontendError) {
    while !isAlone {
      let left = deadline - Clock.monotonic
      guard left > 0 else { throw .deviceFault("queue \(index): chains were used without a call") }
      let ready = Poll.wait(
        callEvent.file, errorEvent.file, timeoutNanoseconds: min(left, Self.lookAfterNanoseconds))
      if !ready.first.isEmpty || !ready.second.isEmpty { return }
    }
  }

  /// Waits for the next used chain and takes it back.
  public func takeNext(
    timeoutNanoseconds: Int64 = FrontendConnection.defaultTimeoutNanoseconds
  ) throws(FrontendError) -> UsedChain {
    while true {
      if let chain = try takeUsed() { return chain }
      try wait(timeoutNanoseconds: timeoutNanoseconds)
    }
  }

  /// True if the device signalled the err eventfd; takes the signal.
  @discardableResult
  public func takeError() -> Bool {
    errorEvent.drain() > 0
  }

  /// True if the device signalled the call eventfd; takes the signal.
  @discardableResult
  public func takeCall() -> Bool {
    callEvent.drain() > 0
  }
}
