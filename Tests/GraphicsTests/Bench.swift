// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A graphics device behind a real socket, and a guest's driver in front of it, in the plain dialect: no display socket,
// no shared-memory window.

import Foundation
import Frontend
import GPUProtocol
import Graphics
import Linux
import Synchronization
import Testing
import VhostUser
import VirtioProtocol
import Wire

final class Bench {
  let device: GraphicsDevice
  private let path: String
  private let endpoint: Endpoint
  private var thread: Linux.Thread?
  private(set) var client: GPUClient
  private static let counter = Atomic<Int>(0)

  init(
    _ options: GraphicsOptions = GraphicsOptions(), ram: GuestRAM? = nil, deviceFeatures: VirtioFeatures? = nil
  ) throws {
    let number = Bench.counter.add(1, ordering: .relaxed).newValue
    path = "/tmp/martlet-graphics-\(getpid())-\(number).sock"
    try? FileManager.default.removeItem(atPath: path)
    device = GraphicsDevice(options)
    let endpoint = Endpoint(listener: try ListeningSocket(path: path, mode: 0o700), device: device)
    self.endpoint = endpoint
    thread = try Linux.Thread(name: "backend") { _ = endpoint.run() }
    client = try Bench.attach(path, try ram ?? GuestRAM(byteCount: 64 << 20), deviceFeatures)
  }

  var driver: VhostUserDriver { client.driver }
  var ram: GuestRAM { driver.ram }

  static func attach(_ path: String, _ ram: GuestRAM, _ features: VirtioFeatures?) throws -> GPUClient {
    var wishes = DriverWishes()
    wishes.queueCount = 2
    wishes.queueSize = 64
    wishes.features.formUnion(
      features ?? [
        .device(GPUFeatureBit.edid), .device(GPUFeatureBit.resourceUUID), .device(GPUFeatureBit.resourceBlob),
      ])
    let connection = try FrontendConnection(path: path, timeoutNanoseconds: 60_000_000_000)
    let driver = try VhostUserDriver(connection, ram: ram, wishes: wishes)
    try driver.start()
    return try GPUClient(driver)
  }

  /// The frontend goes, and another one comes with memory of its own.
  func reconnect() throws {
    driver.connection.close()
    client = try Bench.attach(path, try GuestRAM(byteCount: 64 << 20), nil)
  }

  deinit {
    driver.connection.close()
    endpoint.stop()
    if let thread = thread.take() { thread.join() }
    try? FileManager.default.removeItem(atPath: path)
  }

  // MARK: Pictures

  /// A resource with a picture in guest memory behind it, transferred, shown and flushed.
  func show(_ picture: Picture, id: UInt32, scanout: UInt32 = 0, pieces: Int = 1) throws -> [GuestBuffer] {
    let buffers = try allocate(picture, pieces: pieces)
    let part = GPURectangle(x: 0, y: 0, width: UInt32(picture.width), height: UInt32(picture.height))
    #expect(try client.createResource(id, width: picture.width, height: picture.height) == .okNoData)
    #expect(try client.attach(id, buffers) == .okNoData)
    #expect(try client.transfer(id, part, stride: picture.width * 4) == .okNoData)
    #expect(try client.setScanout(scanout, id, part) == .okNoData)
    #expect(try client.flush(id, part) == .okNoData)
    return buffers
  }

  /// Guest memory with the picture in it, scattered: no two pieces touch, and they lie in reverse order.
  func allocate(_ picture: Picture, pieces: Int = 1) throws -> [GuestBuffer] {
    let bytes = picture.bytes
    let size = (bytes.count + pieces - 1) / pieces
    var buffers: [GuestBuffer] = []
    for index in (0..<pieces).reversed() {
      let piece = bytes.dropFirst(index * size).prefix(size)
      if piece.isEmpty { continue }
      _ = try ram.allocate(16)
      let buffer = try ram.allocate(piece.count)
      buffer.segment.copy(Array(piece))
      buffers.insert(buffer, at: 0)
    }
    return buffers
  }

  /// A picture in a blob of guest memory, shown and flushed.
  func showBlob(
    _ picture: Picture, id: UInt32, scanout: UInt32 = 0, pieces: Int = 1
  ) throws -> [GuestBuffer] {
    let buffers = try allocate(picture, pieces: pieces)
    let (width, height) = (UInt32(picture.width), UInt32(picture.height))
    #expect(try client.createBlob(id, byteCount: UInt64(picture.bytes.count), buffers) == .okNoData)
    #expect(
      try client.setScanoutBlob(scanout, id, width: width, height: height, stride: width * 4) == .okNoData)
    #expect(try client.flush(id, GPURectangle(x: 0, y: 0, width: width, height: height)) == .okNoData)
    return buffers
  }
}

/// Pixels by a rule, as 0xXXRRGGBB: what a screenshot must hold.
struct Picture: Equatable {
  let width: Int
  let height: Int
  var pixels: [UInt32]

  init(width: Int, height: Int, _ rule: (_ x: Int, _ y: Int) -> UInt32) {
    self.width = width
    self.height = height
    pixels = (0..<height).flatMap { y in (0..<width).map { x in rule(x, y) } }
  }

  /// Every pixel another one, with all bytes in use.
  static func noise(width: Int, height: Int, seed: UInt32 = 1) -> Picture {
    Picture(width: width, height: height) { x, y in
      (UInt32(truncatingIfNeeded: x &* 0x9e37 &+ y &* 0x85eb_ca6b) &+ seed) &* 0xc2b2_ae35 >> 3 & 0xff_ffff
    }
  }

  /// As B8G8R8X8 lies in memory.
  var bytes: [UInt8] {
    pixels.flatMap { pixel in (0..<4).map { UInt8(truncatingIfNeeded: pixel >> UInt32(8 * $0)) } }
  }

  subscript(x: Int, y: Int) -> UInt32 {
    get { pixels[y * width + x] }
    set { pixels[y * width + x] = newValue }
  }

  func part(_ rectangle: Rectangle) -> Picture {
    Picture(width: rectangle.width, height: rectangle.height) { self[rectangle.x + $0, rectangle.y + $1] }
  }
}

extension Picture {
  /// What a frame shows; the byte that means nothing does not count.
  init(_ frame: Frame) {
    // Once: each look at them copies them all.
    let pixels = frame.pixels
    self.init(width: frame.width, height: frame.height) { x, y in
      let start = (y * frame.width + x) * 4
      return UInt32(pixels[start]) | UInt32(pixels[start + 1]) << 8 | UInt32(pixels[start + 2]) << 16
    }
  }
}

/// Expects that a scanout shows a picture; says where the first difference is.
func expectShown(
  _ device: GraphicsDevice, _ expected: Picture, on scanout: Int = 0, sourceLocation: SourceLocation = #_sourceLocation
) throws {
  let frame = try #require(device.screenshot(scanout), "the scanout is off", sourceLocation: sourceLocation)
  expectSame(Picture(frame), expected, sourceLocation: sourceLocation)
}

func expectSame(
  _ picture: Picture, _ expected: Picture, sourceLocation: SourceLocation = #_sourceLocation
) {
  #expect(picture.width == expected.width && picture.height == expected.height, sourceLocation: sourceLocation)
  guard picture.pixels.count == expected.pixels.count else { return }
  let wrong = picture.pixels.indices.first { picture.pixels[$0] != expected.pixels[$0] }
  guard let wrong else { return }
  Issue.record(
    """
    pixel (\(wrong % expected.width), \(wrong / expected.width)) is \(String(picture.pixels[wrong], radix: 16)), not \
    \(String(expected.pixels[wrong], radix: 16))
    """, sourceLocation: sourceLocation)
}

/// Waits until `condition` holds; false after a minute.
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
  let deadline = Date().addingTimeInterval(60)
  while Date() < deadline {
    if try condition() { return true }
    Foundation.Thread.sleep(forTimeInterval: 0.002)
  }
  return try condition()
}

func rectangle(_ x: Int, _ y: Int, _ width: Int, _ height: Int) -> GPURectangle {
  GPURectangle(x: UInt32(x), y: UInt32(y), width: UInt32(width), height: UInt32(height))
}
