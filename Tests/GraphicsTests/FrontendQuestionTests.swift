// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Frontend
import GPUProtocol
import Graphics
import Testing
import Wire

/// What the guest asks and the frontend answers on its display socket. Invariants: the guest gets the frontend's answer
/// under its own fence, or ours when there is none in time; nothing else waits meanwhile, least of all a queue that has
/// to stop.
@Suite(.timeLimit(.minutes(30)))
struct FrontendQuestionTests {
  /// - Parameter patienceNanoseconds: a minute, or next to nothing where the frontend is silent.
  private static func bench(
    patienceNanoseconds: Int64 = 60_000_000_000, _ change: (inout FakeQEMU.State) -> Void = { _ in }
  ) throws -> (Bench, FakeQEMU) {
    var options = GraphicsOptions()
    options.scanoutCount = 2
    options.frontendPatienceNanoseconds = patienceNanoseconds
    let bench = try Bench(options)
    var state = FakeQEMU.State()
    change(&state)
    let qemu = try FakeQEMU(state)
    try qemu.attach(bench.driver.connection)
    return (bench, qemu)
  }

  private static func info(_ bench: Bench) throws -> GPUDisplayInfo {
    try #require(try bench.client.get(GPUControlHeader(.getDisplayInfo), for: GPUDisplayInfo.self))
  }

  private static func edid(_ bench: Bench, _ scanout: UInt32) throws -> [UInt8] {
    let request = GPUGetEDID(header: GPUControlHeader(.getEDID), scanoutID: scanout)
    let response = try #require(try bench.client.get(request, for: GPUEDIDResponse.self))
    return (0..<Int(response.size)).map { response.edid[$0] }
  }

  private static func bytes(of response: GPUEDIDResponse) -> [UInt8] { (0..<1024).map { response.edid[$0] } }

  @Test func theFrontendSaysHowLargeItsScreensAre() throws {
    let (bench, qemu) = try Self.bench { $0.info = FakeQEMU.info([(1000, 700), (640, 480), (800, 600)]) }
    let header = GPUControlHeader(.getDisplayInfo, flags: .fence, fenceID: 77)
    let info = try #require(try bench.client.get(header, for: GPUDisplayInfo.self))
    #expect(info.header.type == .okDisplayInfo && info.header.flags == .fence && info.header.fenceID == 77)
    for index in 0..<16 {
      let (ours, theirs) = (info.modes[index], FakeQEMU.info([(1000, 700), (640, 480), (800, 600)]).modes[index])
      #expect(ours.bytes == theirs.bytes, "screen \(index)")
    }
    #expect(bench.device.scanouts.map(\.width) == [1000, 640, 800])
    // Another size is another answer.
    qemu.set { $0.info = FakeQEMU.info([(1024, 768)]) }
    #expect(try Self.info(bench).modes[0].rectangle.width == 1024)
    #expect(bench.device.scanouts.map(\.width) == [1024, 1280])
    #expect(!bench.device.resize(0, width: 640, height: 480), "the frontend decides")
  }

  @Test func theFrontendIdentifiesItsScreens() throws {
    let (bench, qemu) = try Self.bench()
    #expect(try Self.edid(bench, 1) == Self.bytes(of: FakeQEMU.edid(of: 1)))
    #expect(try Self.edid(bench, 15) == Self.bytes(of: FakeQEMU.edid(of: 15)))
    let request = GPUGetEDID(header: GPUControlHeader(.getEDID), scanoutID: 16)
    #expect(try bench.client.send(request) == .errorInvalidScanout)
    #expect(
      qemu.messages == [
        .question(.getProtocolFeatures, scanout: nil), .features(.edid), .question(.getEDID, scanout: 1),
        .question(.getEDID, scanout: 15),
      ])
  }

  /// QEMU before 8.0 knows no EDID there.
  @Test func withoutItsEDIDScreensHaveOurs() throws {
    let (bench, qemu) = try Self.bench { $0.features = [] }
    #expect(try Self.info(bench).modes[0].rectangle.width == 640)
    let edid = try Self.edid(bench, 0)
    #expect(edid.count == 128 && edid.reduce(0, &+) == 0)
    #expect(Int(edid[56]) | (Int(edid[58]) >> 4) << 8 == 640, "of the frontend's size")
    #expect(!qemu.messages.contains(.question(.getEDID, scanout: 0)) && qemu.messages.contains(.features([])))
  }

  @Test func aSilentFrontendIsNotWaitedForLong() throws {
    let (bench, qemu) = try Self.bench(patienceNanoseconds: 50_000_000) { $0.answers = false }
    #expect(try Self.info(bench).modes[0].rectangle.width == 1280)
    #expect(try Self.info(bench).modes[1].enabled == 1)
    #expect(try Self.edid(bench, 0).count == 128)
    // It was asked once and owes that answer; others are not worth asking.
    #expect(eventually { !qemu.messages.isEmpty })
    #expect(qemu.messages == [.question(.getProtocolFeatures, scanout: nil)])
  }

  /// Also where the frontend does not even read, and a picture is stuck on its way.
  @Test func nothingWaitsBehindAQuestion() throws {
    let (bench, qemu) = try Self.bench { $0.isReading = false }
    _ = try bench.show(Picture.noise(width: 700, height: 700), id: 1)
    let queue = bench.driver.queues[0]
    let question = try bench.ram.allocate(GPUControlHeader.byteCount)
    question.segment.store(GPUControlHeader(.getDisplayInfo))
    let answer = try bench.ram.allocate(GPUDisplayInfo.byteCount)
    try queue.add(readable: [question], writable: [answer], token: 5)
    queue.submit()
    let flush = try bench.ram.allocate(GPUResourceFlush.byteCount)
    flush.segment.store(
      GPUResourceFlush(header: GPUControlHeader(.resourceFlush), rectangle: rectangle(0, 0, 1, 1), resourceID: 1))
    let other = try bench.ram.allocate(GPUControlHeader.byteCount)
    try queue.add(readable: [flush], writable: [other], token: 6)
    queue.submit()
    #expect(try queue.takeNext(timeoutNanoseconds: 60_000_000_000).token == 6)
    #expect(other.segment.load(GPUControlHeader.self)?.type == .okNoData)
    // QEMU waits in GET_VRING_BASE and reads nothing meanwhile.
    try bench.driver.stop()
    let used = try queue.takeNext(timeoutNanoseconds: 60_000_000_000)
    #expect(used.token == 5 && Int(used.length) == GPUDisplayInfo.byteCount)
    #expect(answer.segment.load(GPUDisplayInfo.self)?.modes[0].rectangle.width == 1280)
    try bench.driver.start()
    qemu.set { $0.isReading = true }
    #expect(eventually { qemu.shown(0)?.width == 700 })
    #expect(eventually { (try? Self.info(bench))?.modes[0].rectangle.width == 640 })
  }

  @Test func aQuestionOfManyIsAnsweredWhoeverAsks() throws {
    let (bench, qemu) = try Self.bench()
    let queue = bench.driver.queues[0]
    var answers: [GuestBuffer] = []
    for index in 0..<30 {
      let question = try bench.ram.allocate(GPUGetEDID.byteCount)
      question.segment.store(GPUGetEDID(header: GPUControlHeader(.getEDID), scanoutID: UInt32(index % 16)))
      answers.append(try bench.ram.allocate(GPUEDIDResponse.byteCount))
      try queue.add(readable: [question], writable: [answers[index]], token: UInt64(index))
    }
    queue.submit()
    for _ in 0..<30 {
      #expect(
        Int(try queue.takeNext(timeoutNanoseconds: 60_000_000_000).length) == GPUEDIDResponse.byteCount)
    }
    // As many as a driver has screens wait for their answers; those beyond get what is known.
    for index in 0..<16 {
      let answer = try #require(answers[index].segment.load(GPUEDIDResponse.self))
      #expect(Self.bytes(of: answer) == Self.bytes(of: FakeQEMU.edid(of: index)), "screen \(index)")
    }
    #expect(qemu.faults.isEmpty)
  }

  @Test func questionsEndWithTheDisplay() throws {
    let (bench, qemu) = try Self.bench { $0.answers = false }
    let queue = bench.driver.queues[0]
    let question = try bench.ram.allocate(GPUControlHeader.byteCount)
    question.segment.store(GPUControlHeader(.getDisplayInfo))
    let answer = try bench.ram.allocate(GPUDisplayInfo.byteCount)
    try queue.add(readable: [question], writable: [answer])
    queue.submit()
    qemu.close()
    _ = try queue.takeNext(timeoutNanoseconds: 60_000_000_000)
    #expect(answer.segment.load(GPUDisplayInfo.self)?.modes[1].rectangle.width == 1280)
  }
}
