// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import Linux
internal import WaylandProtocol

/// Why there is nothing more to be had from a compositor, as the end of a sentence about it.
struct WaylandEnd: Error {
  let reason: String
}

/// A connection to a compositor: requests and events, and which number is which object. Nothing here waits. The
/// compositor is the user's own program and not the user: what it says is checked, and what it costs is bounded.
final class WaylandConnection {
  /// What it leaves unread before it is given up.
  private static let mostOutgoing = 65536
  /// Of one turn.
  private static let readByteCount = 16384
  /// Objects that it never says are gone: far more than windows have.
  private static let mostNumbers: UInt32 = 16384
  /// What libwayland takes with one message (MAX_FDS_OUT).
  private static let mostFiles = 28

  private struct Entry {
    let interface: WaylandInterface
    /// It is destroyed; events that were on their way may still come.
    var isDead = false
  }

  private let socket: UnixSocket
  private var outgoing: [UInt8] = []
  /// Descriptors that go with what is outgoing, in order, and where in it their requests end.
  private var files: [(file: SharedDescriptor, end: Int)] = []
  private var incoming: [UInt8] = []
  private var objects = [WaylandObject.display: Entry(interface: .display)]
  private var freeNumbers: [UInt32] = []
  private var nextNumber = WaylandObject.display + 1

  init(_ socket: consuming UnixSocket) throws(Errno) {
    try socket.file.setNonBlocking(true)
    self.socket = socket
  }

  var file: File { socket.file }

  /// All requests are with the compositor.
  var isFlushed: Bool { outgoing.isEmpty }

  // MARK: Objects

  /// The number of an object that the next request makes.
  func make(_ interface: WaylandInterface) -> UInt32 {
    let number: UInt32
    if let old = freeNumbers.popLast() {
      number = old
    } else {
      // A compositor takes no number before the ones below it.
      number = nextNumber
      nextNumber += 1
    }
    objects[number] = Entry(interface: interface)
    return number
  }

  /// It is destroyed; the number is free again when the compositor says so.
  func bury(_ object: UInt32) {
    objects[object]?.isDead = true
  }

  private func delete(_ object: UInt32) throws(WaylandEnd) {
    // Callbacks go by themselves.
    guard let entry = objects[object], entry.isDead || entry.interface == .callback else {
      throw WaylandEnd(reason: "takes away an object that is in use")
    }
    objects[object] = nil
    freeNumbers.append(object)
  }

  // MARK: Out

  func send(_ request: WaylandRequest, file: SharedDescriptor? = nil) {
    outgoing += request.bytes
    if let file { files.append((file, outgoing.count)) }
  }

  /// Sends what the socket takes.
  func flush() throws(WaylandEnd) {
    var sent = 0
    do throws(Errno) {
      while sent < outgoing.count {
        let batch = files.prefix(WaylandConnection.mostFiles)
        // A request never comes before its descriptor; one that comes early waits with the compositor.
        let end = files.count > batch.count ? batch.last?.end ?? sent : outgoing.count
        sent += try socket.sendOnce(Array(outgoing[sent..<end]), from: 0, files: batch.map { $0.file.file })
        files.removeFirst(batch.count)
      }
    } catch .tryAgain {
      // Room is waited for.
    } catch {
      throw WaylandEnd(reason: "is gone (\(error.message))")
    }
    outgoing.removeFirst(sent)
    for index in files.indices { files[index].end -= sent }
    if outgoing.count > WaylandConnection.mostOutgoing { throw WaylandEnd(reason: "does not read what it is sent") }
    if nextNumber > WaylandConnection.mostNumbers { throw WaylandEnd(reason: "never lets go of objects") }
  }

  // MARK: In

  /// Takes what came; descriptors among it (keymaps) are closed.
  func receive() throws(WaylandEnd) {
    do throws(Errno) {
      var descriptors = ReceivedDescriptors()
      guard let bytes = try socket.receiveOnce(atMost: WaylandConnection.readByteCount, descriptors: &descriptors)
      else { throw .connectionReset }
      incoming += bytes
    } catch .tryAgain {
      return
    } catch {
      throw WaylandEnd(reason: "is gone (\(error.message))")
    }
  }

  /// Calls `body` for each whole event that has come.
  func drain(_ body: (UInt32, WaylandEvent) throws(WaylandEnd) -> Void) throws(WaylandEnd) {
    var rest = incoming[...]
    parsing: while true {
      switch WaylandMessage.parse(rest) {
      case .incomplete: break parsing
      case .nonsense: throw WaylandEnd(reason: "sends what is no message")
      case .message(let message, let byteCount):
        rest = rest.dropFirst(byteCount)
        try handle(message, body)
      }
    }
    incoming = Array(rest)
  }

  private func handle(
    _ message: WaylandMessage, _ body: (UInt32, WaylandEvent) throws(WaylandEnd) -> Void
  ) throws(WaylandEnd) {
    guard let entry = objects[message.object] else {
      throw WaylandEnd(reason: "speaks of object \(message.object), which there is not")
    }
    guard let event = WaylandEvent.parse(message, of: entry.interface) else {
      throw WaylandEnd(reason: "sends event \(message.opcode) of \(entry.interface), which there is not")
    }
    if case .deleteID(let object) = event {
      try delete(object)
    } else if !entry.isDead {
      try body(message.object, event)
    }
  }
}
