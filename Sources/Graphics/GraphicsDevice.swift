// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-gpu as a device: two queues, the configuration space, and one lock around what both queues and all displays
// look at. Commands are served in order, each to its end, on the queue's own thread; displays have theirs. Only what
// the frontend is asked about waits, and what comes behind it does not.

internal import GPUProtocol
internal import Linux
internal import Synchronization
public import Virtio
internal import VirtioProtocol
internal import Wire

public final class GraphicsDevice: Device {
  /// What one queue works with.
  ///
  /// Sendable because it belongs to its queue's owner thread: the device hands it out by queue index only, and a queue
  /// has one thread at a time.
  private final class Lane: @unchecked Sendable {
    var chain = Chain()
    /// In the order in which the frontend was asked.
    var waiting: [WaitingRequest] = []

    func serve(
      _ queue: inout Virtqueue, _ chain: inout Chain, _ device: GraphicsDevice
    ) throws(GuestFault) -> Int {
      var served = 0
      var byteCount = 0
      while served < GraphicsDevice.mostChainsPerCall, byteCount < GraphicsDevice.mostBytesPerCall,
        try queue.pop(into: &chain)
      {
        served += 1
        let readable = chain.readable
        let writable = chain.writable
        // Per command, so that a cursor that moves does not wait for more than one transfer.
        let (execution, copied) = device.lock.withLock {
          let before = device.core.counters.transferredBytes
          let execution = device.core.execute(readable, writable)
          return (execution, Int(device.core.counters.transferredBytes &- before))
        }
        byteCount += copied
        switch execution {
        case .done(let written): queue.complete(chain, written: written)
        case .asks(let question, let header): ask(question, header, &chain, &queue, device)
        }
        if copied >= GraphicsDevice.longCopyByteCount { device.lock.giveWay() }
      }
      queue.flush()
      return served
    }

    /// Has the frontend asked and keeps the chain; answers at once where that is of no use.
    private func ask(
      _ question: FrontendQuestion, _ header: GPUControlHeader, _ chain: inout Chain, _ queue: inout Virtqueue,
      _ device: GraphicsDevice
    ) {
      let display = device.frontendDisplay.withLock { $0 }
      if let display, waiting.count < GraphicsDevice.mostWaitingRequests, let ticket = display.questions.ask(question) {
        waiting.append(WaitingRequest(&chain, header, question, display, ticket: ticket))
        return
      }
      let writable = chain.writable
      let written = device.lock.withLock {
        device.core.answer(header, question, display?.questions, writable)
      }
      queue.complete(chain, written: written)
    }

    /// Answers what the frontend has replied to, or will not reply to any more.
    /// - Parameter all: waits for nothing.
    /// - Returns: how many there were.
    func answerWaiting(_ queue: inout Virtqueue, _ index: Int, _ device: GraphicsDevice, all: Bool = false) -> Int {
      guard let first = waiting.first else { return 0 }
      // Before looking: what is settled afterwards rings again.
      first.display.questions.bells[index].event.drain()
      var served = 0
      while let request = waiting.first, all || request.isSettled {
        waiting.removeFirst()
        let writable = request.chain.writable
        let written = device.lock.withLock {
          device.core.answer(request.header, request.question, request.display.questions, writable)
        }
        queue.complete(request.chain, written: written)
        served += 1
      }
      if served > 0 { queue.flush() }
      return served
    }
  }

  /// The bounds of one `process`: a queue that is never empty must still see a request to stop.
  private static let mostChainsPerCall = 64
  private static let mostBytesPerCall = 64 << 20
  /// After a copy of so many bytes somebody may have been waiting for the lock.
  private static let longCopyByteCount = 256 << 10
  /// Linux asks for one EDID per screen and how large they are.
  private static let mostWaitingRequests = GPULimits.scanouts + 1
  private static let controlQueue = 0

  private let lanes = [Lane(), Lane()]
  /// Around every use of `core`.
  let lock = TurnLock()
  let core: Core
  /// Where the frontend shows the screens; nil where it does not. Taken before `lock`, never after.
  let frontendDisplay = Mutex<FrontendDisplay?>(nil)
  /// Bytes that displays and screenshots have copied.
  let shownBytes = Atomic<UInt64>(0)
  /// Where the control queue stopped.
  private let stoppedAt = Atomic<UInt32>(0)
  private let offersEDID: Bool
  private let host = Mutex<(any DeviceHost)?>(nil)
  /// The configuration has changed and no driver was told.
  private let untold = Atomic<Bool>(false)

  public init(_ options: GraphicsOptions = GraphicsOptions()) {
    precondition(GraphicsOptions.scanoutCounts.contains(options.scanoutCount), "1 to 16 scanouts")
    core = Core(options)
    offersEDID = options.edid
  }

  // MARK: What it is

  /// Blobs without VIRGL: Linux then puts every picture into a blob of guest memory.
  public var description: DeviceDescription {
    var features: VirtioFeatures = [
      .device(GPUFeatureBit.resourceUUID), .device(GPUFeatureBit.resourceBlob),
    ]
    if offersEDID { features.insert(.device(GPUFeatureBit.edid)) }
    return DeviceDescription(
      id: .gpu, name: "gpu", features: features, queueCount: 2, maximumQueueSize: 1024,
      configurationByteCount: GPUConfiguration.byteCount)
  }

  // MARK: Control thread

  public func readConfiguration(offset: Int, byteCount: Int) -> [UInt8] {
    let bytes = lock.withLock { core.configuration.bytes }
    guard offset >= 0, offset < bytes.count else { return [] }
    return Array(bytes[offset...].prefix(byteCount))
  }

  /// Only `events_clear` may be written, in whatever pieces.
  public func writeConfiguration(offset: Int, bytes: [UInt8]) -> Bool {
    let start = GPULimits.eventsClearOffset
    guard offset >= start, bytes.count <= 4, offset <= start + 4 - bytes.count else { return false }
    var cleared: UInt32 = 0
    for (index, byte) in bytes.enumerated() { cleared |= UInt32(byte) << UInt32(8 * (offset - start + index)) }
    lock.withLock { core.events.subtract(GPUEvents(rawValue: cleared)) }
    return true
  }

  public func reset() {
    host.withLock { $0 = nil }
    stoppedAt.store(0, ordering: .relaxed)
    lock.withLock { core.reset() }
  }

  // MARK: A queue's owner thread

  public func start(_ queue: inout Virtqueue, at index: Int, host: any DeviceHost) {
    self.host.withLock { $0 = host }
    tellIfUntold(host)
    // Only control commands name guest addresses.
    guard index == GraphicsDevice.controlQueue else { return }
    let memory = queue.memory
    // QEMU before 8.2 does not say that a guest was reset. Its rings begin anew then, while those of a guest that was
    // only paused go on.
    let isAnotherGuest = queue.base == 0 && stoppedAt.load(ordering: .relaxed) != 0
    lock.withLock {
      if isAnotherGuest { core.reset() }
      core.adopt(memory)
    }
  }

  public func process(_ queue: inout Virtqueue, at index: Int) throws(GuestFault) -> Int {
    let answered = lanes[index].answerWaiting(&queue, index, self)
    // Lent once per call: the compiler checks exclusive access here and not for every chain.
    return answered + (try lanes[index].serve(&queue, &lanes[index].chain, self))
  }

  public func completionDescriptor(at index: Int) -> Int32? {
    lanes[index].waiting.first?.display.questions.bells[index].event.file.raw
  }

  public func hasCompletions(at index: Int) -> Bool { lanes[index].waiting.first?.isSettled ?? false }

  /// What waits for the frontend is answered without it: it may be waiting for this queue to stop.
  public func stop(_ queue: inout Virtqueue, at index: Int) {
    _ = lanes[index].answerWaiting(&queue, index, self, all: true)
    if index == GraphicsDevice.controlQueue { stoppedAt.store(queue.base, ordering: .relaxed) }
  }

  /// Tells the driver that the configuration space says something else: now, or as soon as there is one.
  func announceConfiguration() {
    untold.store(true, ordering: .sequentiallyConsistent)
    if let host = host.withLock({ $0 }) { tellIfUntold(host) }
  }

  private func tellIfUntold(_ host: any DeviceHost) {
    if untold.exchange(false, ordering: .sequentiallyConsistent) { host.configurationChanged() }
  }
}
