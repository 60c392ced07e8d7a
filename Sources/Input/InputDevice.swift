// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-input as a device (VIRTIO 1.3 section 5.8): a ring of room for events, which are written there when somebody
// presses a key, and a ring on which the driver says what lights to light. Where the events come from (a display's
// viewers, a device of this host) is not known here.

public import InputProtocol
public import Linux
internal import Synchronization
public import Virtio
internal import VirtioProtocol
internal import Wire

public final class InputDevice: Device {
  private static let eventQueue = 0
  /// The bound of one `process`: a queue that is never empty must still see a request to stop.
  private static let mostChainsPerCall = 64

  /// What one queue works with.
  ///
  /// Sendable because it belongs to its queue's owner thread: the device hands it out by queue index only, and a queue
  /// has one thread at a time.
  private final class Lane: @unchecked Sendable {
    var chain = Chain(capacity: 4)
    let event = Scratch(byteCount: InputEvent.byteCount)
  }

  private let identity: InputIdentity
  private let lanes = [Lane(), Lane()]
  private let backlog = Mutex(Backlog())
  /// Signalled for each report.
  private let news: Event
  /// What the driver has selected in the configuration space.
  private let selection = Mutex<[UInt8]>([0, 0])
  private let onStatus: @Sendable (InputEvent) -> Void
  private let written = Atomic<UInt64>(0)

  /// - Parameter onStatus: hears what the driver says of lights and sounds, on a queue's thread.
  public init(
    _ identity: InputIdentity, onStatus: @escaping @Sendable (InputEvent) -> Void = { _ in }
  ) throws(Errno) {
    self.identity = identity
    self.onStatus = onStatus
    news = try Event()
  }

  /// Tells the guest of events that belong together: a key, or a place and a button. From any thread; never waits. A
  /// guest without a driver hears nothing.
  public func post(_ report: [InputEvent]) {
    backlog.withLock { $0.add(report) }
    news.signal()
  }

  /// Events that the guest has got, and those that it would not take.
  public var counts: (written: UInt64, dropped: UInt64) {
    (written.load(ordering: .relaxed), backlog.withLock { $0.droppedCount })
  }

  // MARK: What it is

  public var description: DeviceDescription {
    DeviceDescription(
      id: .input, name: "input", features: [], queueCount: 2, maximumQueueSize: 1024,
      configurationByteCount: InputConfiguration.byteCount)
  }

  // MARK: Control thread

  public func readConfiguration(offset: Int, byteCount: Int) -> [UInt8] {
    let selected = selection.withLock { $0 }
    var configuration = InputConfiguration()
    configuration.select = selected[0]
    configuration.subselect = selected[1]
    let answer = identity.answer(selected[0], selected[1])
    configuration.size = UInt8(answer.count)
    for (index, byte) in answer.enumerated() { configuration.answer[index] = byte }
    return Array(configuration.bytes.dropFirst(offset).prefix(byteCount))
  }

  /// Only the first two bytes can be chosen; QEMU writes the whole space with every choice.
  public func writeConfiguration(offset: Int, bytes: [UInt8]) -> Bool {
    guard offset >= 0, bytes.count <= InputConfiguration.byteCount,
      offset <= InputConfiguration.byteCount - bytes.count
    else { return false }
    selection.withLock { selected in
      for (index, byte) in bytes.enumerated() where offset + index < selected.count {
        selected[offset + index] = byte
      }
    }
    return true
  }

  public func reset() {
    selection.withLock { $0 = [0, 0] }
    backlog.withLock { $0.reset() }
  }

  // MARK: A queue's owner thread

  public func start(_ queue: inout Virtqueue, at index: Int, host: any DeviceHost) {
    if index == InputDevice.eventQueue { backlog.withLock { $0.start() } }
  }

  public func stop(_ queue: inout Virtqueue, at index: Int) {
    if index == InputDevice.eventQueue { backlog.withLock { $0.stop() } }
  }

  /// The ring of events is full of room nearly always: it is looked at when there is something to put there.
  public func wantsChains(at index: Int) -> Bool {
    index != InputDevice.eventQueue || backlog.withLock { !$0.isEmpty }
  }

  public func completionDescriptor(at index: Int) -> Int32? {
    index == InputDevice.eventQueue ? news.file.raw : nil
  }

  public func process(_ queue: inout Virtqueue, at index: Int) throws(GuestFault) -> Int {
    let lane = lanes[index]
    let served =
      index == InputDevice.eventQueue
      ? try writeEvents(&queue, &lane.chain, lane) : try readStatus(&queue, &lane.chain, lane)
    queue.flush()
    return served
  }

  private func writeEvents(
    _ queue: inout Virtqueue, _ chain: inout Chain, _ lane: Lane
  ) throws(GuestFault) -> Int {
    // Before the look: what comes afterwards signals again.
    news.drain()
    var served = 0
    while served < InputDevice.mostChainsPerCall, let next = backlog.withLock({ $0.first }),
      try queue.pop(into: &chain)
    {
      served += 1
      guard chain.writable.byteCount >= InputEvent.byteCount else {
        // No room for an event: the next one, perhaps.
        queue.complete(chain, written: 0)
        continue
      }
      lane.event.segment.store(next.event)
      queue.complete(chain, written: chain.writable.scatter(lane.event.segment))
      backlog.withLock { $0.wrote(next.event, of: next.generation) }
      written.add(1, ordering: .relaxed)
    }
    return served
  }

  private func readStatus(
    _ queue: inout Virtqueue, _ chain: inout Chain, _ lane: Lane
  ) throws(GuestFault) -> Int {
    var served = 0
    while served < InputDevice.mostChainsPerCall, try queue.pop(into: &chain) {
      served += 1
      let count = chain.readable.gather(into: lane.event.segment)
      if count == InputEvent.byteCount, let event = lane.event.segment.load(InputEvent.self) { onStatus(event) }
      queue.complete(chain, written: 0)
    }
    return served
  }
}
