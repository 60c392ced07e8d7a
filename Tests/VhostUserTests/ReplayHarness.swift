// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the replays stand on: a backend in a thread of its own behind a real socket, and traffic that is checked byte
// for byte. The replays themselves say only what their hypervisor says, in its order.

import Frontend
import Glibc
import Linux
import Synchronization
import Testing
import VhostUser
import VhostUserProtocol
import Virtio
import VirtioProtocol
import Wire

/// An endpoint that serves `device` on a socket until the value goes away.
final class TestBackend {
  let device: any Device
  let endpoint: Endpoint
  let path: String
  private var thread: Linux.Thread?

  private static let counter = Atomic<Int>(0)

  init(_ device: any Device = EchoDevice(), options: Endpoint.Options = Endpoint.Options()) throws {
    self.device = device
    let number = TestBackend.counter.add(1, ordering: .relaxed).newValue
    path = "/tmp/martlet-replay-\(getpid())-\(number).sock"
    _ = unsafe unlink(path)
    let endpoint = Endpoint(listener: try ListeningSocket(path: path, mode: 0o700), device: device, options: options)
    self.endpoint = endpoint
    thread = try Linux.Thread(name: "endpoint") { _ = endpoint.run() }
  }

  deinit {
    close()
  }

  /// Ends the backend and waits until it is gone: from now on nobody touches the rings.
  func close() {
    endpoint.stop()
    if let thread = thread.take() { thread.join() }
    _ = unsafe unlink(path)
  }

  func connect(readStyle: ReadStyle = .headerThenPayload) throws -> FrontendConnection {
    try FrontendConnection(path: path, readStyle: readStyle)
  }
}

/// Requests and answers through a ring, with everything that comes back compared with what was sent.
struct Traffic {
  var chains = 8
  /// Bytes of one request; the last chain of a round has one byte.
  var byteCount = 700
  /// Buffers that a request and its room for the answer are cut into.
  var pieces = 3
  /// How the device learns of new chains; nil publishes and kicks if the device wants it.
  var notify: ((DriverQueue) throws -> Void)?

  init(chains: Int = 8, byteCount: Int = 700, pieces: Int = 3, notify: ((DriverQueue) throws -> Void)? = nil) {
    self.chains = chains
    self.byteCount = byteCount
    self.pieces = pieces
    self.notify = notify
  }

  /// A chain on its way.
  struct Sent {
    let question: [UInt8]
    let readable: [GuestBuffer]
    let writable: [GuestBuffer]
  }

  /// Sends `chains` requests at once and takes the answers.
  func run(on queue: DriverQueue, sourceLocation: SourceLocation = #_sourceLocation) throws {
    let sent = try send(on: queue)
    try receive(sent, on: queue, sourceLocation: sourceLocation)
  }

  /// Adds the requests and tells the device.
  func send(on queue: DriverQueue) throws -> [Sent] {
    var sent: [Sent] = []
    for number in 0..<chains {
      let count = number == chains - 1 ? 1 : byteCount
      let question = (0..<count).map { UInt8(truncatingIfNeeded: $0 &* 7 &+ number &* 31 &+ queue.index) }
      let request = try buffers(queue.ram, count)
      let room = try buffers(queue.ram, count + number % 2 * 16)
      var offset = 0
      for buffer in request {
        buffer.segment.copy(Array(question[offset..<offset + buffer.count]))
        offset += buffer.count
      }
      let item = Sent(question: question, readable: request, writable: room)
      try queue.add(readable: item.readable, writable: item.writable, token: UInt64(number))
      sent.append(item)
    }
    if let notify { try notify(queue) } else { queue.submit() }
    return sent
  }

  /// Takes all answers, in any order, and checks them.
  func receive(_ sent: [Sent], on queue: DriverQueue, sourceLocation: SourceLocation = #_sourceLocation) throws {
    var seen = Set<UInt64>()
    for _ in 0..<sent.count {
      let used = try queue.takeNext()
      let item = sent[Int(used.token)]
      let inserted = seen.insert(used.token).inserted
      #expect(inserted, "a chain was used twice", sourceLocation: sourceLocation)
      let answer = item.writable.flatMap { $0.segment.bytes() }
      #expect(Int(used.length) == item.question.count, sourceLocation: sourceLocation)
      #expect(Array(answer.prefix(item.question.count)) == item.question, sourceLocation: sourceLocation)
      for buffer in item.readable + item.writable { queue.ram.free(buffer) }
    }
    #expect(queue.outstandingCount == 0, sourceLocation: sourceLocation)
  }

  private func buffers(_ ram: GuestRAM, _ count: Int) throws -> [GuestBuffer] {
    var buffers: [GuestBuffer] = []
    var left = count
    for piece in 0..<pieces where left > 0 {
      let size = piece == pieces - 1 ? left : max(left / 2, 1)
      buffers.append(try ram.allocate(size))
      left -= size
    }
    return buffers
  }
}

extension FrontendConnection {
  /// Hands over size, base and addresses of a ring, in the order that most frontends use.
  func describe(_ queue: DriverQueue, needReply: Bool = false, flags: VringAddressFlags = []) throws {
    try setRingSize(queue.index, queue.size, needReply: needReply)
    try setRingBase(queue.index, queue.resumeBase, needReply: needReply)
    try setRingAddress(queue.addresses(flags: flags), needReply: needReply)
  }

  /// Asks for something with an answer: everything sent before has been handled when it comes.
  func barrier() throws {
    _ = try getFeatures()
  }
}

/// Makes `count` rings of `size` descriptors each.
func makeQueues(_ count: Int, size: Int, _ ram: GuestRAM, _ features: VirtioFeatures) throws -> [DriverQueue] {
  var queues: [DriverQueue] = []
  for index in 0..<count {
    queues.append(try DriverQueue(index: index, size: size, ram: ram, features: features))
  }
  return queues
}
