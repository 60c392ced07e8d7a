// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Frontend
import GPUProtocol
import Graphics
import Linux
import Testing
import VhostUserProtocol
import VirtioProtocol
import Wire

/// What the device says of itself: features, configuration, modes, EDID, fences, UUIDs, and the event of a resize.
@Suite(.timeLimit(.minutes(30)))
struct InformationTests {
  private static func bench(_ change: (inout GraphicsOptions) -> Void = { _ in }) throws -> Bench {
    var options = GraphicsOptions()
    change(&options)
    return try Bench(options)
  }

  private static func edid(_ bench: Bench, _ scanout: UInt32 = 0) throws -> [UInt8]? {
    let request = GPUGetEDID(header: GPUControlHeader(.getEDID), scanoutID: scanout)
    guard let answer = try bench.client.get(request, for: GPUEDIDResponse.self) else { return nil }
    return (0..<Int(answer.size)).map { answer.edid[$0] }
  }

  @Test func itWorksWithoutDisplaySocketAndWindow() throws {
    let bench = try Self.bench()
    let driver = bench.driver
    #expect(driver.offeredFeatures.rawValue & 0xff_ffff == 0b1110, "EDID, RESOURCE_UUID, RESOURCE_BLOB")
    #expect(!driver.offeredProtocolFeatures.contains(.shmem))
    #expect(driver.offeredProtocolFeatures.contains(.config))
    #expect(driver.backendQueueCount == 2)
    #expect(
      try Self.bench { $0.edid = false }.driver.offeredFeatures.rawValue & 0xff_ffff == 0b1100)
  }

  @Test func itWorksWhereNoFeatureOfTheDeviceGetsThrough() throws {
    let bench = try Bench(deviceFeatures: [])
    let picture = Picture.noise(width: 50, height: 20)
    _ = try bench.show(picture, id: 1, pieces: 9)
    try expectShown(bench.device, picture)
  }

  @Test func displayInfoNamesEveryScreen() throws {
    let bench = try Self.bench {
      $0.scanoutCount = 3
      $0.width = 800
      $0.height = 600
    }
    let info = try #require(
      try bench.client.get(GPUControlHeader(.getDisplayInfo), for: GPUDisplayInfo.self))
    #expect(info.header.type == .okDisplayInfo)
    for index in 0..<16 {
      let mode = info.modes[index]
      #expect(mode.enabled == (index < 3 ? 1 : 0))
      #expect(mode.rectangle.width == (index < 3 ? 800 : 0) && mode.rectangle.height == (index < 3 ? 600 : 0))
      #expect(mode.rectangle.x == (index < 3 ? UInt32(800 * index) : 0))
    }
  }

  @Test func fencesComeBackInOrderWithTheirCommands() throws {
    let bench = try Self.bench()
    let queue = bench.driver.queues[0]
    let count = 48
    let answers = try bench.ram.allocate(24 * count)
    for index in 0..<count {
      let request = try bench.ram.allocate(24)
      let flags: GPUFlags = index % 3 == 0 ? [] : index % 3 == 1 ? .fence : [.fence, .infoRingIndex]
      request.segment.store(
        GPUControlHeader(
          GPUMessageType(rawValue: 0x777), flags: flags, fenceID: 1 << 40 + UInt64(index), contextID: 5, ringIndex: 6))
      try queue.add(
        readable: [request], writable: [answers.part(from: 24 * index, count: 24)], token: UInt64(index))
    }
    queue.submit()
    for index in 0..<count {
      let used = try queue.takeNext(timeoutNanoseconds: 60_000_000_000)
      #expect(used.token == UInt64(index) && used.length == 24)
      let header = try #require(answers.segment.load(GPUControlHeader.self, at: 24 * index))
      #expect(header.type == .errorUnspecified)
      let isFenced = index % 3 != 0
      #expect(header.flags == (index % 3 == 0 ? [] : index % 3 == 1 ? .fence : [.fence, .infoRingIndex]))
      #expect(header.fenceID == (isFenced ? 1 << 40 + UInt64(index) : 0))
      #expect(header.contextID == (isFenced ? 5 : 0) && header.ringIndex == (index % 3 == 2 ? 6 : 0))
    }
  }

  @Test func uuidsAreOfOneResourceEach() throws {
    let bench = try Self.bench()
    var uuids: Set<[UInt8]> = []
    for id: UInt32 in [1, 2, 0xffff_ffff] {
      #expect(try bench.client.createResource(id, width: 1, height: 1) == .okNoData)
      let request = GPUResourceReference(header: GPUControlHeader(.resourceAssignUUID), resourceID: id)
      var both: [[UInt8]] = []
      for _ in 0..<2 {
        let answer = try #require(try bench.client.get(request, for: GPUResourceUUID.self))
        #expect(answer.header.type == .okResourceUUID)
        both.append((0..<16).map { answer.uuid[$0] })
      }
      #expect(both[0] == both[1])
      uuids.insert(both[0])
    }
    #expect(uuids.count == 3)
  }

  // MARK: EDID

  /// Sizes, and whether they fit into the 12 bits of a base block.
  static let sizes = [
    (640, 480, true), (1024, 768, true), (1280, 800, true), (1920, 1080, true), (3840, 2160, true), (4095, 1000, true),
    (32, 32, true), (4096, 2160, false), (5120, 2880, false), (7680, 4320, false), (1000, 5000, false),
    (16384, 16384, false),
  ]

  @Test(arguments: sizes.indices)
  func theEDIDIsValidAndPrefersTheConfiguredSize(index: Int) throws {
    let (width, height, fits) = Self.sizes[index]
    let bench = try Self.bench {
      $0.width = width
      $0.height = height
    }
    let edid = try #require(try Self.edid(bench))
    #expect(edid.count == (fits ? 128 : 256))
    #expect(Array(edid.prefix(8)) == [0, 255, 255, 255, 255, 255, 255, 0])
    #expect(edid[18] == 1 && edid[19] == 4 && edid[126] == (fits ? 0 : 1))
    for block in 0..<edid.count / 128 {
      #expect(edid[block * 128..<block * 128 + 128].reduce(0, &+) == 0, "checksum of block \(block)")
    }
    // The first detailed timing (E-EDID 1.4, section 3.10.2), or the one of DisplayID.
    let mode = fits ? Self.detailed(Array(edid[54..<72])) : Self.displayID(Array(edid[128...]))
    #expect(mode.width == width && mode.height == height)
    #expect(abs(mode.refresh - 60) < 0.5, "\(mode.refresh) Hz")
    #expect(mode.sync > 0 && mode.sync < mode.blank)
    // A base block never lacks a mode.
    #expect(Self.detailed(Array(edid[54..<72])).width > 0)
  }

  struct Mode {
    var width: Int
    var height: Int
    var refresh: Double
    /// Horizontal front porch and sync together, and the whole gap.
    var sync: Int
    var blank: Int
  }

  private static func detailed(_ bytes: [UInt8]) -> Mode {
    let value = bytes.map { Int($0) }
    let width = value[2] | (value[4] >> 4) << 8
    let horizontalBlank = value[3] | (value[4] & 15) << 8
    let height = value[5] | (value[7] >> 4) << 8
    let verticalBlank = value[6] | (value[7] & 15) << 8
    let clock = Double(value[0] | value[1] << 8) * 10_000
    return Mode(
      width: width, height: height,
      refresh: clock / Double((width + horizontalBlank) * (height + verticalBlank)), sync: value[8] + value[9],
      blank: horizontalBlank)
  }

  /// As drm_edid.c of Linux reads it: every length is one less, a type I clock is in 10 kHz.
  private static func displayID(_ bytes: [UInt8]) -> Mode {
    let value = bytes.map { Int($0) }
    #expect(value[0] == 0x70 && value[1] == 0x13 && value[2] == 23 && value[5] == 3 && value[7] == 20)
    #expect(bytes[1...28].reduce(0, &+) == 0, "checksum of the section")
    #expect(value[11] & 0x80 != 0, "preferred")
    func word(_ index: Int) -> Int { (value[index] | value[index + 1] << 8) & 0x7fff + 1 }
    let width = (value[12] | value[13] << 8) + 1
    let height = (value[20] | value[21] << 8) + 1
    let clock = Double(value[8] | value[9] << 8 | value[10] << 16) + 1
    return Mode(
      width: width, height: height,
      refresh: clock * 10_000 / Double((width + word(14)) * (height + word(22))), sync: word(16) + word(18),
      blank: word(14))
  }

  @Test func screensHaveDifferentSerialNumbers() throws {
    let bench = try Self.bench { $0.scanoutCount = 2 }
    #expect(try Self.edid(bench, 0) != Self.edid(bench, 1))
    #expect(try Self.edid(try Self.bench { $0.edid = false }) == nil)
  }

  // MARK: Configuration and resize

  @Test func aResizeIsAnEventThatTheDriverClears() throws {
    let bench = try Self.bench { $0.scanoutCount = 2 }
    let driver = bench.driver
    #expect(
      try driver.config(count: 24) == [UInt8](wire: UInt64(0)) + [UInt8](wire: UInt64(2)) + [0, 0, 0, 0, 0, 0, 0, 0])
    #expect(bench.device.resize(1, width: 1600, height: 900))
    let channel = try #require(driver.channel)
    let message = try channel.receive(timeoutNanoseconds: 60_000_000_000)
    #expect(message.header.request == BackendRequest.configChangeMsg.rawValue)
    #expect(try driver.config(count: 4) == [1, 0, 0, 0])
    let info = try #require(
      try bench.client.get(GPUControlHeader(.getDisplayInfo), for: GPUDisplayInfo.self))
    #expect(info.modes[1].rectangle.width == 1600 && info.modes[1].rectangle.height == 900)
    #expect(info.modes[0].rectangle.width == 1280)
    let edid = try #require(try Self.edid(bench, 1))
    #expect(Self.detailed(Array(edid[54..<72])).width == 1600)
    try driver.connection.setConfig(offset: 4, bytes: [1, 0, 0, 0], needReply: true)
    #expect(try driver.config(count: 8) == [0, 0, 0, 0, 0, 0, 0, 0])
    for (offset, count) in [(0, 4), (8, 4), (3, 2), (6, 4), (20, 4)] {
      #expect(throws: FrontendError.self) {
        try driver.connection.setConfig(offset: offset, bytes: [UInt8](repeating: 1, count: count), needReply: true)
      }
    }
  }

  @Test func sizesThatNoScreenHas() throws {
    let bench = try Self.bench()
    for (scanout, width, height) in [(1, 800, 600), (-1, 800, 600), (0, 31, 600), (0, 800, 16385), (0, 0, 0)] {
      #expect(!bench.device.resize(scanout, width: width, height: height))
    }
    #expect(bench.device.scanouts.map(\.width) == [1280])
    #expect(bench.device.source(of: 7) == nil && bench.device.screenshot(-1) == nil)
  }
}
