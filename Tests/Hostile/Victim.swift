// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The backend under attack, and the honest driver that must be served all the same.

import Foundation
import Frontend
import Linux
import Synchronization
import Testing
import VhostUser
import VhostUserProtocol
import Virtio
import VirtioProtocol
import Wire

/// A device that writes back what it reads, with configuration and state so that every message has something to do.
final class VictimDevice: Device {
  let description = DeviceDescription(
    id: .block, name: "victim", features: [], queueCount: 3, maximumQueueSize: 1024, configurationByteCount: 32)
  private let configuration = Mutex([UInt8](repeating: 7, count: 32))
  let host = Mutex<(any DeviceHost)?>(nil)

  func readConfiguration(offset: Int, byteCount: Int) -> [UInt8] {
    configuration.withLock { offset < $0.count ? Array($0[offset..<min(offset + byteCount, $0.count)]) : [] }
  }

  func writeConfiguration(offset: Int, bytes: [UInt8]) -> Bool {
    configuration.withLock { current in
      guard offset >= 0, bytes.count <= current.count, offset <= current.count - bytes.count else { return false }
      current.replaceSubrange(offset..<offset + bytes.count, with: bytes)
      return true
    }
  }

  func reset() {}

  func process(_ queue: inout Virtqueue, at index: Int) throws(GuestFault) -> Int {
    var chain = Chain()
    let buffer = Scratch(byteCount: 4096)
    var served = 0
    defer { queue.flush() }
    while served < 64, try queue.pop(into: &chain) {
      served += 1
      let count = chain.readable.gather(into: buffer.segment)
      queue.complete(chain, written: chain.writable.scatter(buffer.segment.prefix(count)))
    }
    return served
  }

  var transfersState: Bool { true }

  func saveState(_ write: ([UInt8]) -> Bool) -> Bool { write(configuration.withLock { $0 }) }

  func loadState(_ read: () -> [UInt8]) -> Bool {
    var total = 0
    while true {
      let piece = read()
      if piece.isEmpty { return total == 32 }
      total += piece.count
      if total > 32 { return false }
    }
  }
}

/// An endpoint on a socket of its own.
final class Victim {
  let endpoint: Endpoint
  let path: String
  private var thread: Linux.Thread?
  private static let counter = Atomic<Int>(0)

  init(_ device: any Device) throws {
    let number = Victim.counter.add(1, ordering: .relaxed).newValue
    path = "/tmp/martlet-hostile-\(getpid())-\(number).sock"
    try? FileManager.default.removeItem(atPath: path)
    let endpoint = Endpoint(
      listener: try ListeningSocket(path: path, mode: 0o700), device: device,
      options: Endpoint.Options(offersInBandNotifications: true))
    self.endpoint = endpoint
    thread = try Linux.Thread(name: "victim") { _ = endpoint.run() }
  }

  /// Ends the endpoint and waits for it.
  func close() {
    endpoint.stop()
    if let thread = thread.take() { thread.join() }
    try? FileManager.default.removeItem(atPath: path)
  }

  deinit {
    close()
  }

  func connect() throws -> FrontendConnection {
    // Sending is bounded too: a backend that was told to wait for another's state reads nothing meanwhile.
    FrontendConnection(try UnixSocket.connect(to: path, withinMilliseconds: 10_000))
  }

  /// An honest driver comes, is served, and goes.
  func expectServes(sourceLocation: SourceLocation = #_sourceLocation) throws {
    var wishes = DriverWishes()
    wishes.queueCount = 2
    wishes.queueSize = 64
    let driver = try VhostUserDriver(try connect(), ram: try GuestRAM(byteCount: 1 << 20), wishes: wishes)
    try driver.start()
    for queue in driver.queues { try Victim.echo(queue, sourceLocation: sourceLocation) }
    try driver.stop()
    driver.connection.close()
  }

  /// One request through a ring, and its answer.
  static func echo(_ queue: DriverQueue, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let question = try queue.ram.allocate(100)
    let answer = try queue.ram.allocate(100)
    question.segment.copy((0..<100).map { UInt8($0) })
    try queue.add(readable: [question], writable: [answer])
    queue.submit()
    #expect(try queue.takeNext().length == 100, sourceLocation: sourceLocation)
    #expect(answer.segment.bytes() == question.segment.bytes(), sourceLocation: sourceLocation)
    queue.ram.free(question)
    queue.ram.free(answer)
  }
}
