// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The volume as a virtio device: as many request queues as were asked for, each with a lane of its own.

internal import BlockProtocol
internal import IOUring
public import Linux
public import Virtio
public import VirtioProtocol
internal import Wire

public final class BlockDevice: Device {
  private let volume: Volume
  private let lanes: [Lane]
  private let sizeWatch: SizeWatch

  public let description: DeviceDescription
  /// Why io_uring is not used although nobody asked for that; nil where it is.
  public let ringRefusal: Errno?
  /// True if requests go through io_uring.
  public let usesRing: Bool

  /// Helpers beside io_uring, and instead of it.
  private static let fewHelpers = 4
  private static let manyHelpers = 64

  /// Makes the rings: what needs privileges happens here.
  /// - Parameter report: takes lines for the log, from any thread.
  public init(
    _ options: VolumeOptions, image: Image, report: @escaping @Sendable (String) -> Void = { _ in }
  ) throws(VolumeError) {
    let volume = try Volume(options, image, report: report)
    self.volume = volume
    sizeWatch = SizeWatch(volume)
    let refusal = BlockDevice.refusal(of: options.engine, image)
    if options.engine == .uring, let refusal {
      throw VolumeError("io_uring cannot be used (\(refusal.message)); allow it, or give --engine=threads")
    }
    usesRing = options.engine != .threads && refusal == nil
    try BlockDevice.checkPinning(options, image, usesRing: usesRing)
    ringRefusal = options.engine == .threads ? nil : refusal
    let helpers = Helpers(volume, most: usesRing ? BlockDevice.fewHelpers : BlockDevice.manyHelpers)
    var lanes: [Lane] = []
    do {
      for _ in 0..<options.queueCount {
        lanes.append(
          try Lane(
            volume, helpers: helpers, ring: usesRing ? try Ring(LaneCore.ringPlan(image, options.pinnedMemory)) : nil))
      }
    } catch {
      throw VolumeError("cannot prepare \(options.queueCount) queues (\(error)); give fewer, or raise --rlimit-nofile")
    }
    self.lanes = lanes
    description = DeviceDescription(
      id: .block, name: "blk", features: volume.features, queueCount: options.queueCount,
      configurationByteCount: BlockConfig.byteCount)
  }

  /// Why a ring cannot be made; nil if it can.
  private static func refusal(of engine: EngineChoice, _ image: Image) -> Errno? {
    if engine == .threads { return nil }
    do throws(Errno) {
      _ = try Ring(LaneCore.ringPlan(image, .off))
      return nil
    } catch {
      return error
    }
  }

  /// Only io_uring takes registered memory, and asking for it where that cannot be had is a mistake.
  private static func checkPinning(
    _ options: VolumeOptions, _ image: Image, usesRing: Bool
  ) throws(VolumeError) {
    if options.pinnedMemory == .off { return }
    guard usesRing else {
      throw VolumeError("guest memory is pinned for io_uring only, which is not used here; leave out --pin-memory")
    }
    do {
      _ = try Ring(LaneCore.ringPlan(image, options.pinnedMemory))
    } catch {
      throw VolumeError("io_uring cannot pin memory (\(error.message)), which takes Linux 5.19; leave out --pin-memory")
    }
  }

  /// Looks whether the image has another size now, and tells the guest if so. From any thread, at any time.
  /// - Returns: the size in bytes.
  @discardableResult
  public func refreshCapacity() -> UInt64 { volume.refreshCapacity() }

  /// Makes the image file larger, without giving it disk space, and tells the guest. It is never made smaller, and the
  /// size of a block device is its owner's. From any thread, at any time.
  /// - Returns: the size in bytes.
  public func grow(to byteCount: UInt64) throws(VolumeError) -> UInt64 { try volume.grow(to: byteCount) }

  /// What one lane did so far of one type of request.
  public struct OperationReading: Sendable {
    public let operation: String
    public let queue: Int
    public let count: UInt64
    public let failures: UInt64
    /// Nil if nobody looked at the clock.
    public let latency: LatencySnapshot?
  }

  /// Requests served so far, for each queue and type of request that was seen there. From any thread, at any time.
  public var operationReadings: [OperationReading] {
    lanes.enumerated().flatMap { queue, lane in
      var readings = BlockRequestType.allCases.map { type in
        let counts = lane.statistics.read(type)
        return OperationReading(
          operation: "\(type)", queue: queue, count: counts.count, failures: counts.failures,
          latency: lane.statistics.readLatency(type))
      }
      let malformed = lane.statistics.malformedCount
      readings.append(
        OperationReading(operation: "malformed", queue: queue, count: malformed, failures: malformed, latency: nil))
      return readings.filter { $0.count > 0 }
    }
  }

  // MARK: Control thread

  public func readConfiguration(offset: Int, byteCount: Int) -> [UInt8] {
    volume.isAskedForConfiguration()
    let bytes = volume.configuration.bytes
    guard offset < bytes.count else { return [] }
    return Array(bytes[offset..<min(offset + byteCount, bytes.count)])
  }

  /// Only the choice of the cache mode may be written; some frontends write the whole space back for it (StratoVirt).
  public func writeConfiguration(offset: Int, bytes: [UInt8]) -> Bool {
    let place = BlockConfig.wceOffset - offset
    guard bytes.indices.contains(place), bytes[place] <= 1 else { return false }
    return volume.setWriteBack(bytes[place] == 1)
  }

  public func accept(_ features: VirtioFeatures) {
    volume.accept(features)
  }

  public func ringGoesOn(at index: Int) {
    volume.assumeChoice()
  }

  public func adoptWord(_ word: LastingWord?) {
    volume.adopt(word)
  }

  public func forgetMemory(at index: Int) {
    lanes[index].core.forgetMemory()
  }

  public func frontendLeft() {
    for lane in lanes { lane.core.forgetMemory() }
    volume.frontendLeft()
  }

  public func reset() {
    sizeWatch.stop()
    volume.reset()
  }

  // MARK: A queue's owner thread

  public func start(_ queue: inout Virtqueue, at index: Int, host: any DeviceHost) {
    volume.attach(host)
    sizeWatch.start()
    lanes[index].core.prepare(&queue)
  }

  public func process(_ queue: inout Virtqueue, at index: Int) throws(GuestFault) -> Int {
    try lanes[index].core.serve(&queue)
  }

  public func completionDescriptor(at index: Int) -> Int32? { lanes[index].core.completionFile?.raw }

  /// Not while the limits leave the ring alone.
  public func wantsChains(at index: Int) -> Bool { !lanes[index].core.isPaying }

  public func lookNanoseconds(at index: Int) -> Int64 { lanes[index].core.lookNanoseconds }

  public func hasCompletions(at index: Int) -> Bool { lanes[index].core.look() }

  public func sleep(until alarm: QueueAlarm, at index: Int) -> QueueWakeUp? { lanes[index].core.sleep(alarm) }

  public func longestSleepNanoseconds(at index: Int) -> Int64? { lanes[index].core.longestSleepNanoseconds }

  public func stop(_ queue: inout Virtqueue, at index: Int) {
    lanes[index].core.finish(&queue)
  }
}
