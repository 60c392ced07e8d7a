// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Testing
import Virtio
import VirtioProtocol
import Wire

/// The contract's defaults: a device that has no configuration space and no state to transfer says nothing about
/// either.
@Suite struct DeviceTests {
  /// The least that a device must say.
  private final class PlainDevice: Device {
    let description = DeviceDescription(id: .entropy, name: "plain", features: [], queueCount: 1)

    func reset() {}

    /// Zeroes what the driver wants filled.
    func process(_ queue: inout Virtqueue, at index: Int) throws(GuestFault) -> Int {
      var chain = Chain()
      var served = 0
      while try queue.pop(into: &chain) {
        for index in 0..<chain.writable.count { chain.writable[index].zero() }
        queue.complete(chain, written: chain.writable.byteCount)
        served += 1
      }
      queue.flush()
      return served
    }
  }

  private final class NoHost: DeviceHost {
    func configurationChanged() {}
    func mapWindow(_ mapping: WindowMapping, fileDescriptor: Int32) -> Bool { false }
    func unmapWindow(_ mapping: WindowMapping) -> Bool { false }
  }

  @Test func `a plain device has no configuration and transfers nothing`() {
    let device: any Device = PlainDevice()
    #expect(device.description.maximumQueueSize == 32768)
    #expect(device.description.configurationByteCount == 0)
    #expect(device.readConfiguration(offset: 0, byteCount: 8).isEmpty)
    #expect(!device.writeConfiguration(offset: 0, bytes: [1]))
    #expect(!device.transfersState)
    #expect(!device.saveState { _ in true })
    #expect(!device.loadState { [] })
  }

  @Test func `a device is lent its queue for each call`() throws {
    let ring = TestRing()
    let base = TestRing.base
    ring.bytes(base, 4).store(UInt32.max)
    ring.link([.writable(base, 3)])
    ring.offer(0)
    let device: any Device = PlainDevice()
    var queue = try Virtqueue(
      VirtqueueConfiguration(
        size: 16,
        rings: RingAreas(
          descriptors: ring.table.segment, available: ring.available.segment, used: ring.used.segment),
        memory: ring.memory(), features: ring.features, base: 0, notifier: ring.notifier))
    device.accept(ring.features)
    device.start(&queue, at: 0, host: NoHost())
    let served = [try device.process(&queue, at: 0), try device.process(&queue, at: 0)]
    device.stop(&queue, at: 0)
    device.stop(&queue, at: 0)
    #expect(served == [1, 0])
    #expect(ring.bytes(base, 4).bytes() == [0, 0, 0, 0xff])
    #expect(ring.usedElement(0).length == 3)
    #expect(ring.notifier.calls == 1)
  }
}
