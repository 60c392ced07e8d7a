// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Block
import BlockProtocol
import Frontend
import Linux
import Testing
import VhostUserProtocol
import VirtioProtocol
import Wire

/// The configuration space. Invariants:
/// - it says what the image is, and as many bytes come as were asked for;
/// - when the image's size changes the guest is told, and requests are checked against the new size;
/// - a driver that cannot flush, or chose write-through, finds its writes safe when they are answered.
@Suite(.timeLimit(.minutes(30)))
struct ConfigurationTests {
  @Test(arguments: Way.all)
  func saysWhatTheImageIs(_ way: Way) throws {
    let disk = try Disk(way, byteCount: 3 << 20, queues: 4, queueSize: 256)
    let config = try disk.config()
    #expect(config.capacity == 6144)
    #expect(config.segMax == 254)
    #expect(config.blkSize == 512)
    #expect(config.wce == 1)
    #expect(config.numQueues == 4)
    #expect(config.minIOSize >= 1)
    #expect(config.maxDiscardSeg == 256 && config.maxDiscardSectors == 1 << 22)
    #expect(config.maxWriteZeroesSeg == 256 && config.writeZeroesMayUnmap == 1)
    #expect(config.maxSecureEraseSeg == 0)
    let features = disk.driver.offeredFeatures
    for bit in [
      BlockFeatureBit.segMax, BlockFeatureBit.blockSize, BlockFeatureBit.flush, BlockFeatureBit.topology,
      BlockFeatureBit.configWCE, BlockFeatureBit.multiqueue, BlockFeatureBit.discard, BlockFeatureBit.writeZeroes,
    ] {
      #expect(features.contains(.device(bit)), "bit \(bit)")
    }
    #expect(disk.driver.backendQueueCount == 4)
  }

  /// QEMU asks for 57 bytes, Firecracker for 60, cloud-hypervisor for 64 and more, crosvm for 1 to 8 at a time.
  @Test func anyPieceOfItCanBeRead() throws {
    let disk = try Disk(byteCount: 1 << 20)
    let whole = try disk.driver.config(count: 256)
    #expect(whole.count == 256)
    #expect(Array(whole[72...]) == [UInt8](repeating: 0, count: 256 - 72))
    for (offset, count) in [(0, 57), (0, 60), (0, 64), (0, 72), (0, 96), (0, 8), (8, 4), (34, 2), (70, 8), (250, 6)] {
      #expect(try disk.driver.config(offset: offset, count: count) == Array(whole[offset..<offset + count]))
    }
  }

  @Test func aBlockSizeOfThePersonsOwn() throws {
    let disk = try Disk(byteCount: 1 << 20, contents: pattern(8192)) { $0.blockByteCount = 4096 }
    #expect(try disk.config().blkSize == 4096)
    // Sectors stay sectors, but what is no whole block is refused.
    #expect(try disk.client.read(sector: 8, byteCount: 4096) == Array(pattern(8192)[4096...]))
    for (sector, count) in [(1, 4096), (8, 512), (0, 4608)] {
      let read = BlockRequest(BlockRequestHeader(.read, sector: UInt64(sector)), receivedByteCount: count)
      #expect(try disk.client.answer(to: read).status == BlockStatus.ioError.rawValue, "\(sector), \(count)")
    }
  }

  // MARK: Resizing

  @Test func whenTheImageGrowsTheGuestIsTold() throws {
    let disk = try Disk(byteCount: 1 << 20)
    let channel = try #require(disk.driver.channel)
    try disk.image.resize(2 << 20)
    let message = try channel.receive(timeoutNanoseconds: 60_000_000_000)
    #expect(message.header.request == 2, "CONFIG_CHANGE_MSG")
    #expect(try disk.config().capacity == 4096)
    try disk.client.write(sector: 4095, [UInt8](repeating: 7, count: 512))
    #expect(try disk.image.bytes(at: (2 << 20) - 512, count: 512) == [UInt8](repeating: 7, count: 512))
  }

  @Test func refreshCapacityLooksAtOnce() throws {
    let disk = try Disk(byteCount: 1 << 20)
    try disk.image.resize((4 << 20) + 100)
    // Whole sectors only.
    #expect(disk.device.refreshCapacity() == (4 << 20) + 100)
    #expect(try disk.config().capacity == 8192)
    try disk.image.resize(1 << 19)
    disk.device.refreshCapacity()
    #expect(try disk.config().capacity == 1024)
    let read = BlockRequest(BlockRequestHeader(.read, sector: 1024), receivedByteCount: 512)
    #expect(try disk.client.answer(to: read).status == BlockStatus.ioError.rawValue)
  }

  @Test(arguments: [Way.ringBuffered, .threadsDirect, .memory])
  func growingMakesTheFileLargerAndTellsTheGuest(_ way: Way) throws {
    let disk = try Disk(way, byteCount: 1 << 20, contents: pattern(1 << 20))
    let channel = try #require(disk.driver.channel)
    #expect(try disk.device.grow(to: 3 << 20) == 3 << 20)
    #expect(try channel.receive(timeoutNanoseconds: 60_000_000_000).header.request == 2, "CONFIG_CHANGE_MSG")
    #expect(try disk.config().capacity == 3 << 11)
    #expect(try Path(disk.image.path).status().size == 3 << 20)
    try disk.client.write(sector: (3 << 11) - 1, pattern(512))
    // Never smaller, and nothing happens when it is refused.
    for (size, sentence) in [
      (UInt64(1 << 20), "never made smaller"), ((3 << 20) + 100, "give a multiple of 512"), (.max / 512 * 512, "image"),
    ] {
      do {
        _ = try disk.device.grow(to: size)
        Issue.record("\(size) was taken")
      } catch {
        #expect(error.message.contains(sentence), "\(error.message)")
      }
    }
    #expect(try disk.image.bytes(at: 0, count: 3 << 20).prefix(1 << 20) == pattern(1 << 20)[...])
    let fixed = try Disk(way, byteCount: 1 << 20) { $0.readOnly = true }
    #expect(throws: VolumeError.self) { try fixed.device.grow(to: 3 << 20) }
  }

  // MARK: Write-back and write-through

  @Test func theGuestChoosesTheCacheMode() throws {
    let disk = try Disk()
    let connection = disk.driver.connection
    for (choice, bytes) in [(0, [UInt8(0)]), (1, [1])] {
      try connection.setConfig(offset: 32, bytes: bytes, needReply: true)
      #expect(try disk.config().wce == UInt8(choice))
      try disk.client.write(sector: 0, pattern(4096, seed: choice))
      #expect(try disk.image.bytes(at: 0, count: 4096) == pattern(4096, seed: choice))
    }
    // The whole space at once (StratoVirt).
    var whole = try disk.driver.config(count: 60)
    whole[32] = 0
    try connection.setConfig(offset: 0, bytes: whole, needReply: true)
    #expect(try disk.config().wce == 0)
    for (offset, bytes) in [(32, [UInt8(2)]), (0, [0]), (33, [0]), (100, [1])] {
      #expect(throws: FrontendError.self) { try connection.setConfig(offset: offset, bytes: bytes, needReply: true) }
    }
    #expect(try disk.config().wce == 0)
  }

  /// QEMU keeps what it was told: over a reset of its guest, over a pause (which is SET_STATUS 0 for the device), and
  /// when it comes back after the connection broke, without asking again.
  @Test func theChoiceOutlivesResetsAndComesBackWithItsFrontend() throws {
    let disk = try Disk()
    try disk.driver.connection.setConfig(offset: 32, bytes: [0], needReply: true)
    try disk.driver.reset()
    #expect(try disk.config().wce == 0)
    try disk.driver.start()
    #expect(try disk.config().wce == 0)
    try disk.driver.stop()
    try disk.driver.connection.setStatus([])
    try disk.driver.start()
    #expect(try disk.config().wce == 0)

    disk.driver.connection.close()
    let back = try VhostUserDriver(
      try disk.backend.connect(), ram: try GuestRAM(byteCount: 1 << 20), wishes: Disk.wishes)
    try back.start()
    #expect(try back.config(count: 60)[32] == 0)
    back.connection.close()

    // Who asks first has told no guest anything yet.
    let other = try VhostUserDriver(
      try disk.backend.connect(), ram: try GuestRAM(byteCount: 1 << 20), wishes: Disk.wishes)
    #expect(try other.config(count: 60)[32] == 1)
    try other.start()
    #expect(try other.config(count: 60)[32] == 1)
    other.connection.close()
  }

  /// A daemon that was updated or died: QEMU brings the area of requests in flight, and the choice lies in it.
  @Test func theChoiceComesBackToANewProcess() throws {
    let ram = try GuestRAM(byteCount: 2 << 20)
    let image = try ImageFile(byteCount: 1 << 20)
    var wishes = Disk.wishes
    wishes.protocolFeatures.insert(.inflightShmfd)
    var inflight: InflightMemory?
    let rounds: [(before: UInt8, chosen: UInt8?)] = [(1, nil), (1, 0), (0, nil), (0, 1), (1, nil)]
    for (round, (before, chosen)) in rounds.enumerated() {
      let backend = try Backend(image, VolumeOptions(name: "process \(round)"))
      let driver = try VhostUserDriver(try backend.connect(), ram: ram, wishes: wishes)
      if inflight == nil { inflight = try driver.connection.getInflight(queueCount: 1, queueSize: wishes.queueSize) }
      // Only who begins asks before its queues run.
      if round == 0 { #expect(try driver.config(count: 60)[32] == 1) }
      try driver.connection.setInflight(try #require(inflight), needReply: true)
      try driver.start()
      #expect(try driver.config(count: 60)[32] == before, "round \(round)")
      if let chosen { try driver.connection.setConfig(offset: 32, bytes: [chosen], needReply: true) }
      driver.connection.close()
      backend.close()
    }
  }

  /// A frontend that keeps no area for requests in flight cannot tell a new daemon what its driver chose, and does not
  /// ask it anything either: the driver may count on write-through.
  @Test func whoComesBackToANewProcessWithNothingWritesThrough() throws {
    let before = try Disk(byteCount: 1 << 20)
    try before.client.write(sector: 0, pattern(4096))
    before.close()
    let backend = try Backend(try ImageFile(byteCount: 1 << 20), VolumeOptions(name: "new"))
    let connection = try backend.connect()
    let queue = before.driver.queues[0]
    try connection.setOwner()
    try connection.setProtocolFeatures([.config, .replyAck], needReply: true)
    try connection.setFeatures(before.driver.features, needReply: true)
    try connection.setMemoryTable(before.driver.ram, needReply: true)
    try connection.setRingSize(0, queue.size, needReply: true)
    try connection.setRingBase(0, queue.publishedIndex, needReply: true)
    try connection.setRingAddress(queue.addresses(), needReply: true)
    try connection.setCall(0, queue.callEvent.file, needReply: true)
    try connection.setKick(0, queue.kickEvent.file, needReply: true)
    try connection.setRingEnabled(0, true, needReply: true)
    queue.connection = connection.socket.file
    #expect(try connection.getConfig(offset: 0, count: 60)[32] == 0)
    #expect(backend.reports.all.contains(where: ConfigurationTests.isAssumption))
    try BlockClient(queue).write(sector: 8, pattern(4096))
    #expect(try backend.image.bytes(at: 4096, count: 4096) == pattern(4096))
    connection.close()

    // Its driver chooses anew.
    let back = try VhostUserDriver(try backend.connect(), ram: try GuestRAM(byteCount: 1 << 20), wishes: Disk.wishes)
    try back.start()
    #expect(try back.config(count: 60)[32] == 0)
    try back.connection.setConfig(offset: 32, bytes: [1], needReply: true)
    try back.reset()
    try back.start()
    #expect(try back.config(count: 60)[32] == 1)
    try back.connection.setConfig(offset: 32, bytes: [0], needReply: true)
    back.connection.close()

    // Who begins asks first, and a driver that could not choose has chosen nothing.
    let next = try VhostUserDriver(try backend.connect(), ram: try GuestRAM(byteCount: 1 << 20), wishes: Disk.wishes)
    #expect(try next.config(count: 60)[32] == 1)
    next.connection.close()
  }

  private static func isAssumption(_ line: String) -> Bool { line.contains("has come back to a new daemon") }

  /// A driver with a fresh area for requests in flight that has asked for nothing.
  private func silent(_ backend: Backend, without bit: UInt64? = nil) throws -> VhostUserDriver {
    var wishes = Disk.wishes
    wishes.protocolFeatures.insert(.inflightShmfd)
    if let bit { wishes.features.remove(.device(bit)) }
    let driver = try VhostUserDriver(try backend.connect(), ram: try GuestRAM(byteCount: 1 << 20), wishes: wishes)
    let area = try driver.connection.getInflight(queueCount: 1, queueSize: wishes.queueSize)
    try driver.connection.setInflight(area, needReply: true)
    return driver
  }

  /// QEMU throws its area away when its guest suspends, which is a reset, and gets a new one from a new process. Its
  /// guest goes on without reading again what it chose.
  @Test func aBlankAreaDoesNotTellThatNobodyChose() throws {
    let backend = try Backend(try ImageFile(byteCount: 1 << 20), VolumeOptions(name: "blank"))
    let back = try silent(backend)
    try back.start()
    #expect(backend.reports.all.contains(where: ConfigurationTests.isAssumption))
    #expect(try back.config(count: 60)[32] == 0)
    back.connection.close()
  }

  /// The firmware's driver has chosen nothing, and the one after it may count on what the frontend goes on telling it.
  @Test func aDriverThatCannotChooseDoesNotTellThatNobodyChose() throws {
    let backend = try Backend(try ImageFile(byteCount: 1 << 20), VolumeOptions(name: "firmware"))
    let firmware = try silent(backend, without: BlockFeatureBit.configWCE)
    try firmware.start()
    try BlockClient(firmware.queues[0]).write(sector: 0, pattern(512))
    #expect(!backend.reports.all.contains(where: ConfigurationTests.isAssumption))
    firmware.connection.close()
    let system = try silent(backend)
    try system.start()
    #expect(try system.config(count: 60)[32] == 0)
    system.connection.close()
  }

  /// `martlet inspect` asks for the configuration, and is not the frontend that comes back.
  @Test func aVisitorThatAsksTakesNobodysChoiceAway() throws {
    func visit(_ backend: Backend, finds wce: UInt8) throws {
      let visitor = try VhostUserDriver(
        try backend.connect(), ram: try GuestRAM(byteCount: 1 << 20), wishes: Disk.wishes)
      for _ in 0..<2 { #expect(try visitor.config(count: 60)[32] == wce) }
      visitor.connection.close()
    }
    let new = try Backend(try ImageFile(byteCount: 1 << 20), VolumeOptions(name: "new"))
    try visit(new, finds: 1)
    let back = try silent(new)
    try back.start()
    #expect(try back.config(count: 60)[32] == 0)
    back.connection.close()

    let disk = try Disk()
    try disk.driver.connection.setConfig(offset: 32, bytes: [0], needReply: true)
    disk.driver.connection.close()
    for _ in 0..<2 { try visit(disk.backend, finds: 1) }
    let same = try silent(disk.backend)
    try same.start()
    #expect(try same.config(count: 60)[32] == 0)
    same.connection.close()
  }

  /// User-Mode Linux starts its rings before it reads the configuration (virtblk_probe, since Linux 6.9), and has no
  /// area: through its ring nobody has answered anything, so it begins.
  @Test func whoBeginsWithAFreshRingAndAsksLaterWritesBack() throws {
    let backend = try Backend(try ImageFile(byteCount: 1 << 20), VolumeOptions(name: "fresh"))
    let driver = try VhostUserDriver(try backend.connect(), ram: try GuestRAM(byteCount: 1 << 20), wishes: Disk.wishes)
    try driver.start()
    #expect(try driver.config(count: 60)[32] == 1)
    try BlockClient(driver.queues[0]).write(sector: 0, pattern(512))
    try driver.stop()
    try driver.start()
    #expect(try driver.config(count: 60)[32] == 1)
    #expect(!backend.reports.all.contains(where: ConfigurationTests.isAssumption))
    driver.connection.close()
  }

  @Test func aDriverThatCannotFlushWritesThrough() throws {
    var features = Disk.everything
    features.remove(.device(BlockFeatureBit.flush))
    for (mode, wce) in [(CacheMode.writeback, UInt8(0)), (.lax, 1), (.writethrough, 0)] {
      let disk = try Disk(features: features) { $0.cache = mode }
      #expect(try disk.config().wce == wce)
    }
    let through = try Disk { $0.cache = .writethrough }
    #expect(!through.driver.offeredFeatures.contains(.device(BlockFeatureBit.configWCE)))
    try through.client.write(sector: 1, pattern(512))
    #expect(try through.image.bytes(at: 512, count: 512) == pattern(512))
  }
}
