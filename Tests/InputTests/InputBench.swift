// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// An input device behind a real socket, and a guest's driver in front of it, which hands out room for events and reads
// what comes back.

import Foundation
import Frontend
import Input
import InputProtocol
import Linux
import Synchronization
import VhostUser
import Virtio
import VirtioProtocol
import Wire

final class InputBench {
  let device: InputDevice
  let counted: Counted
  private let path: String
  private let endpoint: Endpoint
  private var thread: Linux.Thread?
  private(set) var driver: VhostUserDriver
  private var buffers: [GuestBuffer] = []
  private static let counter = Atomic<Int>(0)

  final class Lights: Sendable {
    private let events = Mutex<[InputEvent]>([])
    func add(_ event: InputEvent) { events.withLock { $0.append(event) } }
    var all: [InputEvent] { events.withLock { $0 } }
  }
  let lights = Lights()

  init(_ identity: InputIdentity = .keyboardAndTablet, queueSize: Int = 64) throws {
    path = "/tmp/martlet-input-\(getpid())-\(InputBench.counter.add(1, ordering: .relaxed).newValue).sock"
    try? FileManager.default.removeItem(atPath: path)
    let lights = lights
    device = try InputDevice(identity) { lights.add($0) }
    counted = Counted(device)
    let endpoint = Endpoint(listener: try ListeningSocket(path: path, mode: 0o700), device: counted)
    self.endpoint = endpoint
    thread = try Linux.Thread(name: "backend") { _ = endpoint.run() }
    driver = try InputBench.attach(path, queueSize)
    try waitUntilRunning(starts: 2)
  }

  /// Events that come before the rings run go nowhere: a test that is to see one waits for both of them.
  func waitUntilRunning(starts: Int) throws {
    guard eventually({ counted.starts.load(ordering: .sequentiallyConsistent) >= starts }) else {
      throw FrontendError.timedOut
    }
  }

  private static func attach(_ path: String, _ queueSize: Int) throws -> VhostUserDriver {
    var wishes = DriverWishes()
    wishes.queueCount = 2
    wishes.queueSize = queueSize
    let connection = try FrontendConnection(path: path, timeoutNanoseconds: 60_000_000_000)
    let driver = try VhostUserDriver(connection, ram: try GuestRAM(byteCount: 8 << 20), wishes: wishes)
    try driver.start()
    return driver
  }

  deinit {
    driver.connection.close()
    endpoint.stop()
    if let thread = thread.take() { thread.join() }
    try? FileManager.default.removeItem(atPath: path)
  }

  // MARK: Events

  /// Hands out room for so many events.
  func offer(_ count: Int) throws {
    for _ in 0..<count {
      let buffer = try driver.ram.allocate(InputEvent.byteCount)
      buffer.segment.store(InputEvent(type: 99, code: 99, value: 99))
      try driver.queues[0].add(readable: [], writable: [buffer], token: UInt64(buffers.count))
      buffers.append(buffer)
    }
    driver.queues[0].submit()
  }

  /// The next event that the device has written.
  func next() throws -> InputEvent {
    let used = try driver.queues[0].takeNext(timeoutNanoseconds: 60_000_000_000)
    guard used.length == UInt32(InputEvent.byteCount),
      let event = buffers[Int(used.token)].segment.load(InputEvent.self)
    else { throw FrontendError.deviceFault("an event of \(used.length) bytes") }
    return event
  }

  func next(_ count: Int) throws -> [InputEvent] { try (0..<count).map { _ in try next() } }

  /// What the configuration space answers; the size and so many bytes.
  func ask(_ select: UInt8, _ subselect: UInt8 = 0) throws -> [UInt8] {
    try driver.connection.setConfig(offset: 0, bytes: [select, subselect])
    let all = try driver.config(count: 136)
    guard all[0] == select, all[1] == subselect else { return [] }
    return Array(all[8..<8 + Int(all[2])])
  }

  /// The frontend goes, and another one comes.
  func reconnect() throws {
    driver.connection.close()
    buffers = []
    let before = counted.starts.load(ordering: .sequentiallyConsistent)
    driver = try InputBench.attach(path, 64)
    try waitUntilRunning(starts: before + 2)
  }
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

/// The device, and how often its queues were looked at.
final class Counted: Device {
  private let inner: InputDevice
  let processCalls = Atomic<Int>(0)
  let starts = Atomic<Int>(0)

  init(_ inner: InputDevice) { self.inner = inner }

  var description: DeviceDescription { inner.description }
  func readConfiguration(offset: Int, byteCount: Int) -> [UInt8] {
    inner.readConfiguration(offset: offset, byteCount: byteCount)
  }
  func writeConfiguration(offset: Int, bytes: [UInt8]) -> Bool {
    inner.writeConfiguration(offset: offset, bytes: bytes)
  }
  func reset() { inner.reset() }
  func start(_ queue: inout Virtqueue, at index: Int, host: any DeviceHost) {
    inner.start(&queue, at: index, host: host)
    starts.add(1, ordering: .sequentiallyConsistent)
  }
  func stop(_ queue: inout Virtqueue, at index: Int) { inner.stop(&queue, at: index) }
  func wantsChains(at index: Int) -> Bool { inner.wantsChains(at: index) }
  func completionDescriptor(at index: Int) -> Int32? { inner.completionDescriptor(at: index) }
  func process(_ queue: inout Virtqueue, at index: Int) throws(GuestFault) -> Int {
    processCalls.add(1, ordering: .relaxed)
    return try inner.process(&queue, at: index)
  }
}
