// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Frontend
import GPUProtocol
import Graphics
import Linux
import Testing
import VirtioProtocol
import Wire

/// A guest that sends whatever it likes to a graphics device. Invariants:
/// - each chain comes back; where there was room, with a header that says OK or one of the six errors, and the fence;
/// - resources take no more memory than the limit, however they are made, and leave nothing behind;
/// - displays look on all the while, and an honest guest is served afterwards.
@Suite(.serialized, .timeLimit(.minutes(30)))
struct HostileGraphicsTests {
  private static let memoryLimit = 8 << 20

  @Test func randomCommands() async throws {
    let seed = Campaign.seed
    await #expect(processExitsWith: .success) { [seed = seed as UInt64] in
      reporting {
        var options = GraphicsOptions()
        options.scanoutCount = 3
        options.memoryLimit = HostileGraphicsTests.memoryLimit
        let device = GraphicsDevice(options)
        let victim = try Victim(device)
        try HostileGraphicsTests.expectServes(victim, device)
        let mailbox = try Mailbox()
        let before = try Footprint.now()
        device.attach(mailbox)
        for round in 0..<4 {
          var fuzzer = GPUFuzzer(dice: Campaign.dice("gpu", round, seed: seed))
          try HostileGraphicsTests.attack(
            victim, device, mailbox, &fuzzer, count: 1500 * Campaign.scale, throughFrontend: round % 2 == 1)
        }
        device.detach(mailbox)
        try HostileGraphicsTests.expectServes(victim, device)
        #expect(eventually { device.resourceCount == 0 && device.memoryInUse == 0 }, "what a guest left behind")
        try Footprint.expectSame(as: before, growthMiB: 64)
        victim.close()
      }
    }
  }

  /// One guest's life, several commands in flight, with a display that copies what it is told of.
  /// - Parameter throughFrontend: the frontend shows the screens too.
  private static func attack(
    _ victim: Victim, _ device: GraphicsDevice, _ mailbox: Mailbox, _ fuzzer: inout GPUFuzzer, count: Int,
    throughFrontend: Bool
  ) throws {
    let driver = try attach(victim)
    let reader = throughFrontend ? try DisplayReader(driver.connection) : nil
    let shadows = (0..<3).map { Shadow(device, scanout: $0) }
    let slots = try (0..<16).map { _ in
      (request: try driver.ram.allocate(4096), answer: try driver.ram.allocate(2048))
    }
    fuzzer.memory = try driver.ram.allocate(1 << 20)
    var sent = 0
    while sent < count {
      let queue = driver.queues[fuzzer.dice.hits(5) ? 1 : 0]
      var headers: [GPUControlHeader] = []
      let batch = 1 + fuzzer.dice.roll(slots.count)
      for slot in slots.prefix(batch) {
        let bytes = fuzzer.command()
        slot.request.segment.copy(bytes)
        let room = fuzzer.dice.hits(20) ? fuzzer.dice.roll(40) : 1056
        slot.answer.segment.zero()
        let split = fuzzer.dice.hits(10) ? fuzzer.dice.roll(bytes.count + 1) : bytes.count
        let readable = [
          slot.request.part(from: 0, count: split),
          slot.request.part(from: split, count: bytes.count - split),
        ].filter { $0.count > 0 }
        let writable = room > 0 ? [slot.answer.part(from: 0, count: room)] : []
        try queue.add(readable: readable, writable: writable, token: UInt64(headers.count))
        headers.append(bytes.load(GPUControlHeader.self) ?? GPUControlHeader())
        sent += 1
      }
      queue.submit()
      for _ in 0..<batch {
        let used = try queue.takeNext(timeoutNanoseconds: 60_000_000_000)
        check(slots[Int(used.token)].answer.segment, Int(used.length), of: headers[Int(used.token)])
      }
      #expect(device.memoryInUse <= memoryLimit)
      for news in mailbox.take() where shadows.indices.contains(news.scanout) {
        _ = shadows[news.scanout].update(news)
      }
      if fuzzer.dice.hits(50) { _ = device.screenshot(fuzzer.dice.roll(4)) }
    }
    try driver.stop()
    if let reader {
      #expect(reader.faults.isEmpty && reader.messageCount > 0)
      reader.close()
      #expect(eventually { !device.isShownByFrontend })
    }
    driver.connection.close()
  }

  private static func check(_ answer: Segment, _ length: Int, of request: GPUControlHeader) {
    if length == 0 { return }
    guard length >= 24, let header = answer.load(GPUControlHeader.self) else {
      Issue.record("an answer of \(length) bytes")
      return
    }
    let type = header.type.rawValue
    #expect((0x1100...0x1106).contains(type) || (0x1200...0x1205).contains(type), "\(type)")
    #expect(!header.type.isError || length == 24)
    #expect(header.flags.contains(.fence) == request.flags.contains(.fence))
    #expect(header.fenceID == (request.flags.contains(.fence) ? request.fenceID : 0))
  }

  static func attach(_ victim: Victim) throws -> VhostUserDriver {
    var wishes = DriverWishes()
    wishes.queueCount = 2
    wishes.queueSize = 64
    let driver = try VhostUserDriver(try victim.connect(), ram: try GuestRAM(byteCount: 16 << 20), wishes: wishes)
    try driver.start()
    return driver
  }

  /// An honest guest draws, and what it draws is seen.
  private static func expectServes(_ victim: Victim, _ device: GraphicsDevice) throws {
    let client = try GPUClient(try attach(victim))
    let buffer = try client.driver.ram.allocate(16 * 16 * 4)
    for pixel in 0..<256 { buffer.segment.store(UInt32(pixel * 0x010305), at: 4 * pixel) }
    let whole = GPURectangle(x: 0, y: 0, width: 16, height: 16)
    #expect(try client.createResource(1, width: 16, height: 16) == .okNoData)
    #expect(try client.attach(1, [buffer]) == .okNoData)
    #expect(try client.transfer(1, whole, stride: 64) == .okNoData)
    #expect(try client.setScanout(0, 1, whole) == .okNoData)
    #expect(try client.flush(1, whole) == .okNoData)
    #expect(device.screenshot(0)?.pixels == buffer.segment.bytes())
    try client.driver.stop()
    client.driver.connection.close()
  }

  @Test func aMillionResources() async throws {
    let most = 20_000 * Campaign.scale
    await #expect(processExitsWith: .success) { [most = most as Int] in
      reporting {
        let device = GraphicsDevice()
        let victim = try Victim(device)
        try HostileGraphicsTests.expectServes(victim, device)
        let before = try Footprint.now()
        try HostileGraphicsTests.fill(victim, device, most)
        try HostileGraphicsTests.expectServes(victim, device)
        try Footprint.expectSame(as: before, growthMiB: 64)
        victim.close()
      }
    }
  }

  /// One guest that makes as many resources as it can.
  private static func fill(_ victim: Victim, _ device: GraphicsDevice, _ most: Int) throws {
    let client = try GPUClient(try attach(victim))
    var made = 0
    for id in 1...most {
      let answer = try client.createResource(UInt32(id), width: 1, height: 1)
      if answer == .okNoData { made += 1 }
      #expect(answer == .okNoData || answer == .errorOutOfMemory)
    }
    #expect(made >= 10_000 && made < 65_530, "\(made) resources")
    #expect(device.memoryInUse <= GraphicsOptions.defaultMemoryLimit)
    // Room for others when some are gone.
    #expect(try client.unreference(1) == .okNoData)
    #expect(try client.createResource(.max, width: 1, height: 1) == .okNoData)
    try client.driver.stop()
    client.driver.connection.close()
  }

  /// A request whose entries are the same guest memory over and over: little for the guest, much for the host.
  @Test func backingsThatCostTheHostMoreThanTheGuest() async throws {
    await #expect(processExitsWith: .success) {
      reporting {
        var options = GraphicsOptions()
        options.memoryLimit = HostileGraphicsTests.memoryLimit
        let device = GraphicsDevice(options)
        let victim = try Victim(device)
        let driver = try HostileGraphicsTests.attach(victim)
        let client = try GPUClient(driver)
        let queue = driver.queues[0]
        let count = 4096
        let entries = try driver.ram.allocate(count * 16)
        for index in 0..<count {
          entries.segment.store(GPUMemoryEntry(address: UInt64(index % 7 * 4096), length: 16), at: 16 * index)
        }
        var refused = 0
        for id in 1...64 as ClosedRange<UInt32> {
          #expect(try client.createResource(id, width: 1, height: 1) == .okNoData)
          let request = try driver.ram.allocate(32)
          // The same page of entries twenty times.
          let repeats = 20
          request.segment.store(
            GPUAttachBacking(
              header: GPUControlHeader(.attachBacking), resourceID: id, entryCount: UInt32(count * repeats)))
          let answer = try driver.ram.allocate(24)
          let list = [GuestBuffer](repeating: entries, count: repeats)
          try queue.add(readable: [request] + list, writable: [answer])
          queue.submit()
          _ = try queue.takeNext(timeoutNanoseconds: 60_000_000_000)
          let header = answer.segment.load(GPUControlHeader.self)
          #expect(header?.type == .okNoData || header?.type == .errorOutOfMemory)
          if header?.type == .errorOutOfMemory { refused += 1 }
          #expect(device.memoryInUse <= HostileGraphicsTests.memoryLimit)
        }
        #expect(refused > 0)
        driver.connection.close()
        victim.close()
      }
    }
  }
}
