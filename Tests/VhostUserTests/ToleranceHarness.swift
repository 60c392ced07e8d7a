// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A frontend of no particular make, whose steps the tolerance tests rearrange.

import Frontend
import Linux
import Testing
import VhostUser
import VhostUserProtocol
import VirtioProtocol
import Wire

/// A connection with memory and two rings, none of which the backend knows yet.
final class PlainFrontend {
  let connection: FrontendConnection
  let ram: GuestRAM
  let queues: [DriverQueue]
  let features: VirtioFeatures

  static let usual: VirtioFeatures = [.version1, .eventIndex, .indirectDescriptors]

  init(
    _ connection: FrontendConnection, features: VirtioFeatures = usual, ram: GuestRAM? = nil, size: Int = 128
  ) throws {
    self.connection = connection
    self.ram = try ram ?? GuestRAM(byteCount: 4 << 20)
    self.features = features
    queues = try makeQueues(2, size: size, self.ram, features)
  }

  convenience init(_ backend: TestBackend, features: VirtioFeatures = usual) throws {
    try self.init(try backend.connect(), features: features)
  }

  /// What most frontends say first.
  func negotiate(_ protocolFeatures: ProtocolFeatures = [.mq, .replyAck, .config, .configureMemSlots]) throws {
    try connection.setOwner()
    _ = try connection.getFeatures()
    try connection.setProtocolFeatures(try connection.getProtocolFeatures().intersection(protocolFeatures))
    try connection.setFeatures(features.union(.vhostUserProtocolFeatures))
  }

  func addMemory() throws {
    for region in ram.regions { try connection.addMemory(region, needReply: true) }
  }

  func describe(_ queue: DriverQueue) throws {
    try connection.describe(queue)
    try connection.setCall(queue.index, queue.callEvent.file)
    try connection.setError(queue.index, queue.errorEvent.file)
    try connection.setKick(queue.index, queue.kickEvent.file)
  }

  func enable(_ enabled: Bool = true) throws {
    for queue in queues { try connection.setRingEnabled(queue.index, enabled, needReply: true) }
  }

  /// Everything, in a usual order.
  func start() throws {
    try negotiate()
    try addMemory()
    for queue in queues { try describe(queue) }
    try enable()
  }

  func traffic(_ traffic: Traffic = Traffic()) throws {
    for queue in queues { try traffic.run(on: queue) }
  }
}

/// Descriptors that this process has open.
func openDescriptorCount() throws -> Int {
  let directory = try File.currentDirectory.open(CName("/proc/self/fd"), flags: OpenFlags.directory)
  let buffer = Scratch(byteCount: 1 << 16)
  var count = 0
  while true {
    let bytes = try directory.file.readDirectory(into: buffer.segment)
    if bytes == 0 { return count }
    var offset = 0
    while offset < bytes {
      // struct linux_dirent64: ino 8, off 8, reclen 2, type 1, name.
      let record: UInt16 = try #require(buffer.segment.load(at: offset + 16))
      let first: UInt8 = try #require(buffer.segment.load(at: offset + 19))
      if first != UInt8(ascii: ".") { count += 1 }
      offset += Int(record)
    }
  }
}

/// Waits until `condition` holds; false after a minute.
func eventually(_ condition: () throws -> Bool) rethrows -> Bool {
  let deadline = Clock.monotonic + 60_000_000_000
  while Clock.monotonic < deadline {
    if try condition() { return true }
    _ = Poll.wait([], timeoutNanoseconds: 2_000_000)
  }
  return try condition()
}
