// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The control socket's thread: connections, bytes and time-outs; what a request means is the desk's business. It is
// bound before the sandbox and served inside of it. Whoever may connect is the daemon's own user, but a script that
// hangs or asks without end must cost neither the guest nor the other clients anything: all sockets are non-blocking,
// every client has a deadline, there are few of them, and there is a pause after each.

internal import Linux

struct ControlServer: ~Copyable {
  /// Further ones wait in the listener's queue.
  static let mostClients = 8
  static let longestRequest = 4096
  /// How long a client may take to say what it wants, and to take the answer.
  private static let requestNanoseconds: Int64 = 5_000_000_000
  private static let answerNanoseconds: Int64 = 30_000_000_000
  private static let mostDiscards = 16
  /// After each client: bounds what one that asks without end, or connects and leaves without end, can cost.
  private static let pauseNanoseconds: Int64 = 2_000_000
  /// How long to leave the listener alone when the host has no descriptor left.
  private static let retryNanoseconds: Int64 = 100_000_000

  private final class Client {
    let socket: UnixSocket
    var request: [UInt8] = []
    var answer: [UInt8]?
    var sentCount = 0
    var deadline: Int64

    init(_ socket: consuming UnixSocket, deadline: Int64) {
      self.socket = socket
      self.deadline = deadline
    }
  }

  private let listener: ListeningSocket
  private let desk: ControlDesk
  private let stopped: File
  private var clients: [Client] = []

  /// - Parameter stopped: readable when `run` shall return; nil runs as long as the process.
  init(_ listener: consuming ListeningSocket, desk: ControlDesk, stopped: File? = nil) throws(Errno) {
    try listener.file.setNonBlocking(true)
    self.listener = listener
    self.desk = desk
    self.stopped = stopped ?? File(raw: -1)
  }

  mutating func run() {
    while true {
      let now = Clock.monotonic
      clients.removeAll { $0.deadline <= now }
      let mayAccept = clients.count < ControlServer.mostClients
      let wishes = [.input(stopped), .input(mayAccept ? listener.file : File(raw: -1))] + clients.map { wish(of: $0) }
      let timeout = clients.map { $0.deadline - now }.min() ?? -1
      let ready = Poll.wait(for: wishes, timeoutNanoseconds: timeout)
      if ready[0] { return }
      var staying: [Client] = []
      for (client, isReady) in zip(clients, ready.dropFirst(2)) {
        if !isReady || serve(client) {
          staying.append(client)
        } else {
          _ = Poll.wait(nil, nil, timeoutNanoseconds: ControlServer.pauseNanoseconds)
        }
      }
      clients = staying
      if ready[1] { accept() }
    }
  }

  private func wish(of client: Client) -> Poll.Wish {
    client.answer == nil ? .input(client.socket.file) : .output(client.socket.file)
  }

  private mutating func accept() {
    do {
      let socket = try listener.accept()
      try socket.file.setNonBlocking(true)
      clients.append(Client(socket, deadline: Clock.monotonic + ControlServer.requestNanoseconds))
    } catch .tryAgain {
      return
    } catch {
      _ = Poll.wait(nil, nil, timeoutNanoseconds: ControlServer.retryNanoseconds)
    }
  }

  /// Takes or gives what can be had now; false when the client is done with.
  private func serve(_ client: Client) -> Bool {
    do throws(Errno) {
      return client.answer == nil ? try receive(client) : try send(client)
    } catch .tryAgain {
      return true
    } catch {
      return false
    }
  }

  private func receive(_ client: Client) throws(Errno) -> Bool {
    // Descriptors that come along are closed.
    var descriptors = ReceivedDescriptors()
    let room = ControlServer.longestRequest + 1 - client.request.count
    let more = try client.socket.receiveOnce(atMost: room, descriptors: &descriptors)
    client.request += more ?? []
    let end = client.request.firstIndex(of: UInt8(ascii: "\n"))
    if end == nil {
      // Closed: what came is the request, if anything did.
      if more == nil, client.request.isEmpty { return false }
      if more != nil, client.request.count <= ControlServer.longestRequest { return true }
    }
    let line = client.request[..<(end ?? client.request.endIndex)]
    client.answer = desk.answer(String(decoding: line, as: UTF8.self)).bytes
    client.deadline = Clock.monotonic + ControlServer.answerNanoseconds
    return try send(client)
  }

  /// False when the answer is out: the end of the connection is the end of the answer.
  private func send(_ client: Client) throws(Errno) -> Bool {
    let answer = client.answer ?? []
    while client.sentCount < answer.count {
      client.sentCount += try client.socket.sendOnce(answer, from: client.sentCount)
    }
    discardInput(of: client)
    return false
  }

  /// What was said beyond the request, as far as it is there: closing a socket with unread bytes resets the connection,
  /// and whoever was still writing would not see the answer.
  private func discardInput(of client: Client) {
    for _ in 0..<ControlServer.mostDiscards {
      var descriptors = ReceivedDescriptors()
      guard let more = try? client.socket.receiveOnce(atMost: 1 << 16, descriptors: &descriptors), !more.isEmpty else {
        return
      }
    }
  }
}
