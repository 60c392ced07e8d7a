// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// libblkio 1.5, driver virtio-blk-vhost-user, as observed on the wire: a frontend without a machine.

import Frontend
import Linux
import Testing
import VhostUser
import VhostUserProtocol
import VirtioProtocol
import Wire

/// libblkio's block driver. Invariants:
/// - a region need not have a page-aligned size, and its guest address is its user address;
/// - regions are added while rings run, and chains use them at once;
/// - GETs with NEED_REPLY are answered once.
@Suite(.timeLimit(.minutes(30)))
struct ReplayLibblkioTests {
  @Test("start with a region of 0x3b10 bytes, then add buffers' memory while running")
  func addsMemoryWhileRunning() throws {
    let backend = try TestBackend(ReplayDevice(queueCount: 4))
    let connection = try backend.connect()
    try connection.setOwner()
    let features = try connection.getFeatures().subtracting(.indirectDescriptors)
      .intersection([.version1, .eventIndex, .vhostUserProtocolFeatures])
    try connection.setFeatures(features)
    let known: ProtocolFeatures = [.mq, .replyAck, .config, .configureMemSlots]
    let accepted = try connection.getProtocolFeatures().intersection(known)
    #expect(accepted == known)
    try connection.setProtocolFeatures(accepted)
    #expect(try connection.getQueueCount(needReply: true) == 4)
    #expect(try connection.getMemorySlots(needReply: true) > 1)
    #expect(try connection.getConfig(offset: 0, count: 60, needReply: true).count == 60)

    let base: UInt64 = 0x7f9a_0000_1000
    let ram = try GuestRAM([GuestRegionLayout(guestAddress: base, byteCount: 0x3b10, userAddress: base)])
    let queue = try DriverQueue(index: 0, size: 256, ram: ram, features: features)
    try connection.addMemory(ram.regions[0], needReply: true)
    try connection.setRingSize(0, 256, needReply: true)
    try connection.setRingBase(0, 0, needReply: true)
    try connection.setRingAddress(queue.addresses(), needReply: true)
    try connection.setKick(0, queue.kickEvent.file, needReply: true)
    try connection.setCall(0, queue.callEvent.file, needReply: true)
    try connection.setRingEnabled(0, true, needReply: true)
    try Traffic(chains: 4, byteCount: 100).run(on: queue)

    for number in 1..<20 {
      let start = base + UInt64(number) << 24
      let layout = GuestRegionLayout(guestAddress: start, byteCount: 0x1_2345, userAddress: start)
      let region = try ram.plug(layout)
      let sent = try Traffic(chains: 2, byteCount: 50).send(on: queue)
      try connection.addMemory(region, needReply: true)
      try Traffic().receive(sent, on: queue)
      // To the last byte of the region.
      let last = try #require(ram.buffer(at: start + 0x1_2345 - 0x1235, count: 0x1235))
      let question = try ram.allocate(0x1235, region: number)
      question.segment.copy((0..<0x1235).map { UInt8(truncatingIfNeeded: $0 + number) })
      try queue.add(readable: [question], writable: [last])
      queue.submit()
      #expect(try queue.takeNext().length == 0x1235)
      #expect(last.segment.bytes() == question.segment.bytes())
    }
    for number in 1..<20 {
      let region = try #require(ram.unplug(at: base + UInt64(number) << 24))
      try connection.removeMemory(region, withDescriptor: number % 2 == 0, needReply: true)
    }
    try Traffic(chains: 4, byteCount: 100).run(on: queue)
  }
}
