// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// martlet-gpu as a process, inside its walls, with a guest's driver in front of it and people at its other sockets:
// the control socket and VNC.

import Foundation
import Frontend
import GPUProtocol
import Linux
import Support
import Testing
import VirtioProtocol
import Wire

final class GraphicsFaultBench {
  let process: DaemonProcess
  private let place: TemporaryDirectory
  private(set) var client: GPUClient

  /// A call that the daemon may not make ends it at once.
  init(_ options: [String] = []) throws {
    place = try TemporaryDirectory()
    process = try DaemonProcess(
      [
        "--socket-path", place.file("gpu.sock"), "--control-socket", place.file("control.sock"),
        "--vnc", "unix:\(place.file("vnc.sock"))", "--scanouts=2", "--seccomp=kill", "--on-disconnect=relisten",
      ] + options, in: place, binary: GraphicsDaemonTests.screens)
    try process.waitUntilServing()
    client = try GraphicsFaultBench.attach(place.file("gpu.sock"))
  }

  private static func attach(_ path: String) throws -> GPUClient {
    var wishes = DriverWishes()
    wishes.queueCount = 2
    wishes.queueSize = 64
    wishes.features.formUnion([.device(GPUFeatureBit.resourceBlob), .device(GPUFeatureBit.edid)])
    let connection = try FrontendConnection(path: path, timeoutNanoseconds: 60_000_000_000)
    let driver = try VhostUserDriver(connection, ram: try GuestRAM(byteCount: 64 << 20), wishes: wishes)
    try driver.start()
    return try GPUClient(driver)
  }

  var driver: VhostUserDriver { client.driver }
  var ram: GuestRAM { driver.ram }

  /// What one request on the control socket brings, to the end of the connection.
  func control(_ line: String) throws -> [UInt8] {
    let socket = try UnixSocket.connect(to: place.file("control.sock"))
    try socket.send(Array("\(line)\n".utf8))
    var answer: [UInt8] = []
    var none = ReceivedDescriptors()
    while true {
      if Poll.wait(socket.file, nil, timeoutNanoseconds: 60_000_000_000).first.isEmpty {
        throw Trouble("the control socket says nothing")
      }
      guard let bytes = try socket.receiveOnce(atMost: 1 << 20, descriptors: &none) else { return answer }
      answer += bytes
    }
  }

  /// Colours of a screenshot; nil while the screen is off.
  func screenshot(_ scanout: Int = 0) throws -> [UInt8]? {
    let answer = try control("screenshot \(scanout) ppm")
    return answer.starts(with: Array("P6\n".utf8)) ? answer : nil
  }

  func viewer() throws -> FaultViewer { try FaultViewer(place.file("vnc.sock")) }

  /// Resident memory that is the process's own. Guest memory and untouched pages do not count.
  func privateMiB() throws -> Int {
    let text = try DaemonProcess.status(try process.server(), "RssAnon")
    return (Int(text.split(separator: " ").first ?? "") ?? 0) / 1024
  }

  // MARK: An honest guest

  static func rectangle(_ width: Int, _ height: Int) -> GPURectangle {
    GPURectangle(x: 0, y: 0, width: UInt32(width), height: UInt32(height))
  }

  /// A picture of one colour in a buffer of the guest's.
  func buffer(_ width: Int, _ height: Int, _ colour: UInt32) throws -> GuestBuffer {
    let buffer = try ram.allocate(width * height * 4, clearing: false)
    for pixel in 0..<width * height { buffer.segment.store(colour, at: 4 * pixel) }
    return buffer
  }

  /// Such a picture as blob 1, on the first screen.
  @discardableResult
  func showBlob(
    _ width: Int, _ height: Int, _ colour: UInt32, sourceLocation: SourceLocation = #_sourceLocation
  ) throws -> GuestBuffer {
    let buffer = try buffer(width, height, colour)
    let made = try client.createBlob(1, byteCount: UInt64(buffer.count), [buffer])
    #expect(made == .okNoData, sourceLocation: sourceLocation)
    let shown = try client.setScanoutBlob(
      0, 1, width: UInt32(width), height: UInt32(height), stride: UInt32(width * 4))
    #expect(shown == .okNoData, sourceLocation: sourceLocation)
    return buffer
  }

  /// The file that a screenshot of it is.
  static func picture(_ width: Int, _ height: Int, _ colour: UInt32) -> [UInt8] {
    let pixel = [16, 8, 0].map { UInt8(truncatingIfNeeded: colour >> $0) }
    return Array("P6\n\(width) \(height)\n255\n".utf8) + (0..<width * height).flatMap { _ in pixel }
  }

  /// The guest draws as every guest does, and what it draws is seen: whatever came before has done no harm.
  func expectServes(_ id: UInt32 = 0x7fff_0001, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let (width, height, colour) = (48, 32, UInt32(0x20_4060))
    let whole = Self.rectangle(width, height)
    let buffer = try buffer(width, height, colour)
    let answers = [
      try client.createResource(id, width: width, height: height), try client.attach(id, [buffer]),
      try client.transfer(id, whole, stride: width * 4), try client.setScanout(0, id, whole),
      try client.flush(id, whole),
    ]
    #expect(answers.allSatisfy { $0 == .okNoData }, "\(answers)", sourceLocation: sourceLocation)
    let shot = try screenshot()
    #expect(shot == Self.picture(width, height, colour), sourceLocation: sourceLocation)
    let last = try client.unreference(id)
    #expect(last == .okNoData, sourceLocation: sourceLocation)
    ram.free(buffer)
    #expect(process.child.isRunning, "\(process.log)", sourceLocation: sourceLocation)
  }

  /// The frontend goes; the daemon has nothing to complain of and ends when it is told to.
  func expectEndsWell(sourceLocation: SourceLocation = #_sourceLocation) throws {
    driver.connection.close()
    let outcome = try process.end()
    #expect(outcome.status == .code(0), "\(outcome.standardError)", sourceLocation: sourceLocation)
  }
}

/// A VNC viewer that takes raw pixels, or does not.
final class FaultViewer {
  let socket: UnixSocket

  /// Up to ServerInit.
  init(_ path: String) throws {
    socket = try UnixSocket.connect(to: path)
    #expect(try read(12) == Array("RFB 003.008\n".utf8))
    try socket.send(Array("RFB 003.008\n".utf8) + [1, 1])
    #expect(try read(6) == [1, 1, 0, 0, 0, 0])
    _ = try read(20)
    _ = try read(number(4))
    // Raw, and the guest's size, whatever it is.
    try socket.send([2, 0, 0, 2, 0, 0, 0, 0] + [0xff, 0xff, 0xff, 0x21])
  }

  deinit {
    socket.shutDown()
  }

  private func read(_ count: Int) throws -> [UInt8] {
    var bytes: [UInt8] = []
    var none = ReceivedDescriptors()
    while bytes.count < count {
      if Poll.wait(socket.file, nil, timeoutNanoseconds: 60_000_000_000).first.isEmpty { throw Trouble("nothing came") }
      guard let more = try socket.receiveOnce(atMost: count - bytes.count, descriptors: &none) else {
        throw Trouble("the server closed")
      }
      bytes += more
    }
    return bytes
  }

  private func number(_ count: Int) throws -> Int { try read(count).reduce(0) { $0 << 8 | Int($1) } }

  func request() throws {
    try socket.send([3, 0, 0, 0, 0, 0, 0x20, 0, 0x20, 0])
  }

  /// The colour of a picture's pixels when they are all the same: of the first update that has pixels.
  func colour() throws -> UInt32? {
    while true {
      try request()
      #expect(try number(1) == 0)
      _ = try read(1)
      var colours = Set<UInt32>()
      for _ in 0..<(try number(2)) {
        _ = try read(4)
        let (width, height, encoding) = (try number(2), try number(2), try number(4))
        if encoding != 0 { continue }
        let bytes = try read(width * height * 4)
        for pixel in 0..<width * height { colours.insert((bytes.load(UInt32.self, at: 4 * pixel) ?? 0) & 0xff_ffff) }
      }
      if !colours.isEmpty { return colours.count == 1 ? colours.first : nil }
    }
  }
}
