// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The share as a virtio device: queue 0 carries FORGETs (and would carry INTERRUPTs), the others requests. Linux and
// every frontend number them so; the notification queue of the specification has no place in it and is not offered.

internal import FuseProtocol
public import Linux
public import Virtio
internal import VirtioProtocol
internal import Wire

public final class FileSystemDevice: Device {
  private let share: Share
  private let workers: [Worker]
  private let configuration: [UInt8]

  public let description: DeviceDescription

  /// - Parameters:
  ///   - root: O_PATH (or other) descriptor of the directory or file to share.
  ///   - descriptorDirectory: an open descriptor of /proc/self/fd that stays valid inside the sandbox.
  public init(
    _ options: ShareOptions, root: consuming FileDescriptor, descriptorDirectory: SharedDescriptor
  ) throws(ShareError) {
    let share = try Share(options, root: root, descriptorDirectory: descriptorDirectory)
    self.share = share
    if let tag = options.tag {
      guard let config = FileSystemConfig(tag: tag.utf8, numRequestQueues: UInt32(options.requestQueues)) else {
        throw ShareError("the tag \"\(tag)\" cannot be used: give one of 1 to 36 bytes")
      }
      configuration = config.bytes
    } else {
      configuration = []
    }
    // The first queue carries no reads and writes.
    workers = (0...max(options.requestQueues, 1)).map { index in
      Worker(share, transfers: index > 0 ? Transfers() : nil)
    }
    description = DeviceDescription(
      id: .fileSystem, name: "fs", features: options.packedRing ? .ringPacked : [], queueCount: workers.count,
      configurationByteCount: configuration.count)
  }

  public func readConfiguration(offset: Int, byteCount: Int) -> [UInt8] {
    guard offset < configuration.count else { return [] }
    return Array(configuration[offset..<min(offset + byteCount, configuration.count)])
  }

  public func reset() {
    share.forgetGuest()
    share.mounts.reset()
    for worker in workers { worker.lastMount = nil }
  }

  public func start(_ queue: inout Virtqueue, at index: Int, host: any DeviceHost) {
    workers[index].prepareThread()
  }

  public func process(_ queue: inout Virtqueue, at index: Int) throws(GuestFault) -> Int {
    try workers[index].process(&queue)
  }

  public func stop(_ queue: inout Virtqueue, at index: Int) {
    workers[index].finish(&queue)
  }

  /// FORGETs come one by one, and no guest waits for them: a wake-up of the thread for each would cost more than they
  /// do.
  public func patienceNanoseconds(at index: Int) -> Int64 { index == 0 ? 500_000 : 0 }

  public func completionDescriptor(at index: Int) -> Int32? {
    workers[index].completionFile?.raw
  }

  /// Asked before the thread sleeps; the answer is yes if the ring cannot wake it.
  public func hasCompletions(at index: Int) -> Bool {
    guard let transfers = workers[index].transfers, transfers.inFlight > 0 else { return false }
    return transfers.wantsAttention
  }

  /// Inodes that the guest knows and files it has open: for tests and for people who watch.
  public var population: (inodes: Int, openFiles: Int) {
    (share.inodes.count, share.handles.count)
  }

  /// Requests served so far by operation name, those never seen left out.
  public var operationCounts: [(operation: String, count: UInt64, failures: UInt64)] {
    FuseOpcode.allCases.compactMap { operation in
      var count: UInt64 = 0
      var failures: UInt64 = 0
      for worker in workers {
        let one = worker.statistics.read(operation)
        count += one.count
        failures += one.failures
      }
      return count == 0 ? nil : ("\(operation)", count, failures)
    }
  }

  /// The same for each queue by itself, with the times if they are taken. What is timed is the work on a request, from
  /// taking its chain to its reply: waiting in the ring, and what the guest does before and after, is not in it.
  public var operationReadings:
    [(operation: String, queue: Int, count: UInt64, failures: UInt64, latency: LatencySnapshot?)]
  {
    workers.enumerated().flatMap { index, worker in
      FuseOpcode.allCases.compactMap { operation in
        let one = worker.statistics.read(operation)
        guard one.count > 0 else { return nil }
        return ("\(operation)", index, one.count, one.failures, worker.statistics.readLatency(operation))
      }
    }
  }
}
