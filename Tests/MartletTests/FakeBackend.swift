// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What may listen on a socket instead of a good backend. It knows just enough of vhost-user to be wrong in the right
// place, and takes no descriptors: those that come are dropped by the kernel.

import Foundation
import Support
import Synchronization

final class FakeBackend: Sendable {
  enum Manner: String, Sendable, CaseIterable {
    /// Takes no connection, and has no room for one that waits.
    case takesNobody
    /// Takes connections and never answers.
    case silent
    case hangsUp
    /// Answers with bytes that mean nothing.
    case babbles
    /// Answers a question with the answer to another.
    case confused
    /// Answers the first question and hangs up at the second.
    case diesAtTheSecond
    /// Says that it has one queue.
    case hasOneQueue
    /// Says that it has no end of queues.
    case hasTooManyQueues
    /// Has everything but VERSION_1.
    case isOld
    /// Takes every message, and never looks into a ring.
    case servesNoRing
    /// The same, and hangs up soon after the rings were started.
    case diesWithItsRings

    /// A limit for the whole conversation, in seconds: short for those who keep it waiting, and for those who answer
    /// one that a busy machine does not reach.
    var patience: Int {
      switch self {
      case .takesNobody, .silent, .servesNoRing, .hasTooManyQueues: 1
      default: 50
      }
    }
  }

  let path: String
  private let manner: Manner
  private let listener: Int32
  /// Connections that fill the queue of `takesNobody`.
  private let fillers: [Int32]

  init(_ manner: Manner, at path: String) throws {
    self.path = path
    self.manner = manner
    listener = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue), 0)
    var address = sockaddr_un()
    address.sun_family = sa_family_t(AF_UNIX)
    unsafe withUnsafeMutableBytes(of: &address.sun_path) { unsafe $0.copyBytes(from: path.utf8) }
    let listener = listener
    let size = socklen_t(MemoryLayout<sockaddr_un>.size)
    let bound = unsafe withUnsafePointer(to: &address) {
      unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
        unsafe bind(listener, __CONST_SOCKADDR_ARG(__sockaddr__: $0), size)
      }
    }
    guard bound == 0, listen(listener, manner == .takesNobody ? 0 : 8) == 0 else { throw Trouble("no fake backend") }
    guard manner == .takesNobody else {
      fillers = []
      let thread = Thread { [manner] in FakeBackend.serve(listener, manner) }
      thread.start()
      return
    }
    fillers = (0..<4).map { _ in
      let filler = socket(AF_UNIX, Int32(SOCK_STREAM.rawValue) | Int32(SOCK_NONBLOCK.rawValue), 0)
      _ = unsafe withUnsafePointer(to: &address) {
        unsafe $0.withMemoryRebound(to: sockaddr.self, capacity: 1) {
          unsafe connect(filler, __CONST_SOCKADDR_ARG(__sockaddr__: $0), size)
        }
      }
      return filler
    }
  }

  deinit {
    for filler in fillers { close(filler) }
    // Wakes the thread, which closes it.
    shutdown(listener, Int32(SHUT_RDWR))
    if manner == .takesNobody { close(listener) }
  }

  private static func serve(_ listener: Int32, _ manner: Manner) {
    while true {
      let peer = unsafe accept(listener, __SOCKADDR_ARG(__sockaddr__: nil), nil)
      if peer < 0 { break }
      talk(peer, manner)
      close(peer)
    }
    close(listener)
  }

  private static func talk(_ peer: Int32, _ manner: Manner) {
    if manner == .hangsUp { return }
    var count = 0
    while let header = read(peer, 12) {
      let request = header[0]
      let payload = read(peer, Int(header[8]) | Int(header[9]) << 8)
      count += 1
      switch manner {
      case .silent: continue
      case .babbles: write(peer, Array("HTTP/1.1 400 Bad Request\r\n\r\n and more of it".utf8))
      case .confused: answer(peer, request + 1, 0)
      case .diesAtTheSecond where request != 3 && count > 2: return
      // Its last ring is enabled: nothing more of the set-up comes.
      case .diesWithItsRings where request == 18 && payload?.first == 1:
        usleep(200_000)
        return
      default:
        guard let value = value(request, manner) else { continue }
        answer(peer, request, value)
      }
    }
  }

  /// The answers of a backend that offers as little as possible.
  private static func value(_ request: UInt8, _ manner: Manner) -> UInt64? {
    switch request {
    // VERSION_1, PROTOCOL_FEATURES, EVENT_IDX, INDIRECT_DESC
    case 1: manner == .isOld ? 1 << 30 : 1 << 32 | 1 << 30 | 1 << 29 | 1 << 28
    // MQ
    case 15: 1
    case 17: manner == .hasOneQueue ? 1 : manner == .hasTooManyQueues ? .max : 2
    default: nil
    }
  }

  private static func answer(_ peer: Int32, _ request: UInt8, _ value: UInt64) {
    let payload = (0..<8).map { UInt8(truncatingIfNeeded: value >> (8 * $0)) }
    write(peer, [request, 0, 0, 0, 5, 0, 0, 0, 8, 0, 0, 0] + payload)
  }

  private static func read(_ peer: Int32, _ count: Int) -> [UInt8]? {
    var bytes = [UInt8](repeating: 0, count: count)
    var done = 0
    while done < count {
      let got = unsafe bytes.withUnsafeMutableBytes { unsafe recv(peer, $0.baseAddress! + done, count - done, 0) }
      if got <= 0 { return nil }
      done += got
    }
    return bytes
  }

  private static func write(_ peer: Int32, _ bytes: [UInt8]) {
    _ = unsafe bytes.withUnsafeBytes { unsafe send(peer, $0.baseAddress, $0.count, Int32(MSG_NOSIGNAL)) }
  }
}
