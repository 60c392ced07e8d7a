// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The template of a device: the smallest thing that keeps every promise of the contract (Sources/Virtio/Device.swift).
// It answers each chain with the bytes that the driver sent. A new device starts as a copy of this file; what it
// needs beside it is a Protocols folder for its wire structs, an executable, and a few lines in the manifest.

import Linux
import Synchronization
import Virtio
import VirtioProtocol
import Wire

/// Echoes the readable bytes of every chain into its writable ones. Two queues, 16 bytes of configuration of which the
/// driver may write the last 8, and a state for migration: those 16 bytes.
final class EchoDevice: Device {
  /// What one queue works with, made once so that serving a chain allocates nothing.
  ///
  /// Sendable because it belongs to its queue's owner thread: the device hands it out by queue index only, and a queue
  /// has one thread at a time.
  private final class Lane: @unchecked Sendable {
    var chain = Chain()
    let buffer = Scratch(byteCount: EchoDevice.largestEcho)

    func serve(_ queue: inout Virtqueue, _ chain: inout Chain) throws(GuestFault) -> Int {
      var served = 0
      while served < EchoDevice.mostChainsPerCall, try queue.pop(into: &chain) {
        served += 1
        let count = chain.readable.gather(into: buffer.segment)
        let written = chain.writable.scatter(buffer.segment.prefix(count))
        queue.complete(chain, written: written)
      }
      queue.flush()
      return served
    }
  }

  private static let largestEcho = 64 << 10
  /// The bound of one `process`: a queue that is never empty must still see a request to stop.
  private static let mostChainsPerCall = 64

  private let lanes = [Lane(), Lane()]
  private let configuration = Mutex([UInt8](0..<16))

  // What tests look at; a real device has counters instead.
  let resets = Atomic<Int>(0)
  let starts = Atomic<Int>(0)
  let stops = Atomic<Int>(0)
  let acceptedFeatures = Atomic<UInt64>(0)
  let host = Mutex<(any DeviceHost)?>(nil)

  // MARK: What it is

  /// Read when a frontend attaches; must not change while it is attached. `queueCount` is the exact number: crosvm and
  /// alioth build that many queues. A device names its own feature bits here; the ring's (INDIRECT_DESC, EVENT_IDX,
  /// VERSION_1) and vhost's are added by room VhostUser. `configurationByteCount` decides whether the frontend may read
  /// the configuration from us.
  var description: DeviceDescription {
    DeviceDescription(
      id: DeviceID(rawValue: 63), name: "echo", features: .device(0), queueCount: 2, maximumQueueSize: 1024,
      configurationByteCount: 16)
  }

  // MARK: Control thread

  /// Any offset and length the driver likes; what is missing at the end reads as zero. Called while queues run.
  func readConfiguration(offset: Int, byteCount: Int) -> [UInt8] {
    configuration.withLock { bytes in
      offset < bytes.count ? [UInt8](bytes[offset..<min(offset + byteCount, bytes.count)]) : []
    }
  }

  /// False refuses the whole write. Called while queues run.
  func writeConfiguration(offset: Int, bytes: [UInt8]) -> Bool {
    guard offset >= 8, bytes.count <= 16 - offset else { return false }
    configuration.withLock { $0.replaceSubrange(offset..<offset + bytes.count, with: bytes) }
    return true
  }

  /// The features that both sides have: what the device may use from now on. Before the first queue starts, again
  /// after a reset, and again when another driver (firmware, then the system) wants others.
  func accept(_ features: VirtioFeatures) {
    acceptedFeatures.store(features.rawValue, ordering: .relaxed)
  }

  /// The guest rebooted or the frontend left: forget what a driver has set up. No queue runs. May come several times
  /// in a row and before anything was set up.
  func reset() {
    resets.add(1, ordering: .relaxed)
    configuration.withLock { $0 = [UInt8](0..<16) }
  }

  // MARK: A queue's owner thread

  /// The place for what a queue needs while it runs (a thread-bound io_uring, say). `host` tells the guest of changed
  /// configuration and maps windows; it may be kept.
  func start(_ queue: inout Virtqueue, at index: Int, host: any DeviceHost) {
    starts.add(1, ordering: .relaxed)
    self.host.withLock { $0 = host }
  }

  /// Takes chains until there are none, or a bound is reached; completes each (now or later), and flushes. Returns how
  /// many it took. A request that makes no sense is answered, not thrown: `GuestFault` is for a broken ring only.
  func process(_ queue: inout Virtqueue, at index: Int) throws(GuestFault) -> Int {
    // Lent once per call: the compiler checks exclusive access here and not for every chain.
    try lanes[index].serve(&queue, &lanes[index].chain)
  }

  /// The queue goes away: complete what is in flight first. Nothing ever is here. Idempotent.
  func stop(_ queue: inout Virtqueue, at index: Int) {
    stops.add(1, ordering: .relaxed)
  }

  // MARK: State transfer: a thread of its own, no queue runs

  /// True makes room VhostUser offer DEVICE_STATE.
  var transfersState: Bool { true }

  /// In pieces of any size; stop when `write` says that nobody reads any more.
  func saveState(_ write: ([UInt8]) -> Bool) -> Bool {
    write(configuration.withLock { $0 })
  }

  /// The pieces are not those of `saveState`. Check everything before taking it over: it comes from another host.
  func loadState(_ read: () -> [UInt8]) -> Bool {
    var state: [UInt8] = []
    while true {
      let piece = read()
      if piece.isEmpty { break }
      state += piece
      if state.count > 16 { return false }
    }
    guard state.count == 16 else { return false }
    configuration.withLock { $0 = state }
    return true
  }
}
