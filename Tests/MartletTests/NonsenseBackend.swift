// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A backend that speaks vhost-user as it should, opens the share, and then goes wrong: its rings are those of a real
// backend, what it puts into them is not. (FakeBackend is wrong before there are rings.)

import FuseProtocol
import Linux
import Support
import Synchronization
import VhostUser
import Virtio
import VirtioProtocol
import Wire

final class NonsenseBackend {
  /// What comes instead of the answer to everything but INIT.
  enum Manner: String, Sendable, CaseIterable {
    case random
    /// The answer to a request that nobody made.
    case anothersNumber
    case longerThanItsRoom
    case shorterThanAHeader
    /// Says that all is well and does not say what was asked for.
    case withoutItsBody
    case noSuchError
    case positiveError
    /// The chain comes back with nothing in it.
    case empty
    /// The chain does not come back.
    case none
  }

  let socket: String
  private let device: NonsenseDevice
  private let endpoint: Endpoint
  private var thread: Linux.Thread?

  /// Requests that were taken and not answered.
  var heldCount: Int { device.held.load(ordering: .relaxed) }

  init(_ manner: Manner, at path: String) throws {
    socket = path
    device = NonsenseDevice(manner)
    let endpoint = Endpoint(listener: try ListeningSocket(path: path, mode: 0o700), device: device)
    self.endpoint = endpoint
    thread = try Linux.Thread(name: "nonsense") { _ = endpoint.run() }
  }

  deinit {
    endpoint.stop()
    if let thread = thread.take() { thread.join() }
  }
}

private final class NonsenseDevice: Device {
  let description = DeviceDescription(
    id: DeviceID(rawValue: 26), name: "nonsense", features: [], queueCount: 2, maximumQueueSize: 1024)
  let held = Atomic<Int>(0)
  private let manner: NonsenseBackend.Manner
  private let noise = Atomic<UInt32>(1)

  init(_ manner: NonsenseBackend.Manner) {
    self.manner = manner
  }

  func reset() {}

  func process(_ queue: inout Virtqueue, at index: Int) throws(GuestFault) -> Int {
    var chain = Chain()
    let request = Scratch(byteCount: FuseInHeader.byteCount)
    let answer = Scratch(byteCount: 4096)
    var served = 0
    defer { queue.flush() }
    while served < 64, try queue.pop(into: &chain) {
      served += 1
      _ = chain.readable.gather(into: request.segment)
      let header: FuseInHeader = request.segment.load() ?? FuseInHeader()
      if chain.writable.byteCount == 0 {
        queue.complete(chain, written: 0)
      } else if header.opcode == FuseOpcode.initialize.rawValue {
        let count = welcome(header, answer.segment)
        queue.complete(chain, written: chain.writable.scatter(answer.segment.prefix(count)))
      } else if manner == .none {
        held.add(1, ordering: .relaxed)
      } else {
        let count = nonsense(header, answer.segment)
        queue.complete(chain, written: chain.writable.scatter(answer.segment.prefix(count)))
      }
    }
    return served
  }

  private func welcome(_ header: FuseInHeader, _ answer: Segment) -> Int {
    var opening = FuseInitOut()
    opening.major = 7
    opening.minor = 38
    opening.maxWrite = 128 << 10
    let count = FuseOutHeader.byteCount + FuseInitOut.byteCount
    answer.store(FuseOutHeader(len: UInt32(count), error: 0, unique: header.unique))
    answer.store(opening, at: FuseOutHeader.byteCount)
    return count
  }

  private func nonsense(_ header: FuseInHeader, _ answer: Segment) -> Int {
    var out = FuseOutHeader(len: 120, error: 0, unique: header.unique)
    answer.prefix(4096).zero()
    switch manner {
    case .random:
      for place in stride(from: 0, to: 128, by: 4) {
        let number = noise.load(ordering: .relaxed) &* 1_664_525 &+ 1_013_904_223
        noise.store(number, ordering: .relaxed)
        answer.store(number, at: place)
      }
      return 128
    case .anothersNumber: out.unique = header.unique &+ 1_000_000
    case .longerThanItsRoom: out.len = 0x7fff_ffff
    case .shorterThanAHeader: out.len = 3
    case .withoutItsBody: out.len = UInt32(FuseOutHeader.byteCount)
    case .noSuchError: out.error = -100_000
    case .positiveError: out.error = 5
    case .empty, .none: return 0
    }
    answer.store(out)
    return min(Int(out.len), 120)
  }
}
