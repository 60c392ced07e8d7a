// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// virtio-gpu as a device: two queues, the configuration space, and one lock around what both queues and all displays
// look at. Commands are served in order, each to its end, on the queue's own thread; displays have theirs.

internal import GPUProtocol
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

    func serve(
      _ queue: inout Virtqueue, _ chain: inout Chain, _ device: GraphicsDevice
    ) throws(GuestFault) -> Int {
      var served = 0
      while served < GraphicsDevice.mostChainsPerCall, try queue.pop(into: &chain) {
        served += 1
        let readable = chain.readable
        let writable = chain.writable
        // Per command, so that a cursor that moves does not wait for more than one transfer.
        let written = device.lock.withLock { _ in device.core.execute(readable, writable) }
        queue.complete(chain, written: written)
      }
      queue.flush()
      return served
    }
  }

  /// The bound of one `process`: a queue that is never empty must still see a request to stop.
  private static let mostChainsPerCall = 64
  private static let controlQueue = 0

  private let lanes = [Lane(), Lane()]
  /// Around every use of `core`.
  let lock = Mutex<Void>(())
  let core: Core
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
    let bytes = lock.withLock { _ in core.configuration.bytes }
    guard offset >= 0, offset < bytes.count else { return [] }
    return Array(bytes[offset...].prefix(byteCount))
  }

  /// Only `events_clear` may be written, in whatever pieces.
  public func writeConfiguration(offset: Int, bytes: [UInt8]) -> Bool {
    let start = GPULimits.eventsClearOffset
    guard offset >= start, bytes.count <= 4, offset <= start + 4 - bytes.count else { return false }
    var cleared: UInt32 = 0
    for (index, byte) in bytes.enumerated() { cleared |= UInt32(byte) << UInt32(8 * (offset - start + index)) }
    lock.withLock { _ in core.events.subtract(GPUEvents(rawValue: cleared)) }
    return true
  }

  public func reset() {
    host.withLock { $0 = nil }
    lock.withLock { _ in core.reset() }
  }

  // MARK: A queue's owner thread

  public func start(_ queue: inout Virtqueue, at index: Int, host: any DeviceHost) {
    self.host.withLock { $0 = host }
    tellIfUntold(host)
    // Only control commands name guest addresses.
    guard index == GraphicsDevice.controlQueue else { return }
    let memory = queue.memory
    lock.withLock { _ in core.adopt(memory) }
  }

  public func process(_ queue: inout Virtqueue, at index: Int) throws(GuestFault) -> Int {
    // Lent once per call: the compiler checks exclusive access here and not for every chain.
    try lanes[index].serve(&queue, &lanes[index].chain, self)
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
