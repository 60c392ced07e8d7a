// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Linux
import Synchronization
import Testing
import VhostUser

/// Who is served, and when it ends. Invariants: only a message makes a session; one frontend at a time; nothing of one
/// frontend is left for the next; `stop` ends everything at once.
@Suite(.timeLimit(.minutes(30)))
struct EndpointTests {
  private final class House {
    let path: String
    let device = EchoDevice()
    let endpoint: Endpoint
    let ending = EndingBox()
    private var thread: Thread?

    init(_ options: Endpoint.Options = Endpoint.Options()) throws {
      path = "/tmp/martlet-endpoint-\(UInt64.random(in: 0 ... .max)).sock"
      endpoint = Endpoint(listener: try ListeningSocket(path: path, mode: 0o700), device: device, options: options)
      let (endpoint, ending) = (endpoint, ending)
      thread = try Thread(name: "endpoint") { ending.value.withLock { $0 = endpoint.run() } }
    }

    /// Waits for `run` to return.
    func join() -> Endpoint.Ending? {
      if let thread = thread.take() { thread.join() }
      return ending.value.withLock { $0 }
    }

    deinit {
      endpoint.stop()
      _ = join()
      try? Path(path).remove()
    }

    func connect() throws -> RawFrontend {
      try RawFrontend(try UnixSocket.connect(to: path))
    }
  }

  private final class EndingBox: Sendable {
    let value = Mutex<Endpoint.Ending?>(nil)
  }

  @Test func silentProbesDoNotKeepTheFrontendOut() throws {
    let house = try House()
    var probes: [RawFrontend] = []
    for _ in 0..<20 { probes.append(try house.connect()) }
    _ = try house.connect()
    let frontend = try house.connect()
    try frontend.barrier()
    #expect(house.endpoint.statistics.sessions == 1)
    #expect(house.device.resets.load(ordering: .relaxed) == 0)
  }

  @Test func aProbeIsNoSessionForTheExitPolicyEither() throws {
    let house = try House(Endpoint.Options(onDisconnect: .exit))
    _ = try house.connect()
    let noise = try house.connect()
    try noise.socket.send(Array("GET / HTTP/1.1\r\n\r\n".utf8))
    #expect(noise.isClosed)
    do {
      let frontend = try house.connect()
      try frontend.barrier()
    }
    #expect(house.join() == .disconnected)
    #expect(house.device.resets.load(ordering: .relaxed) == 1)
  }

  @Test func aSecondFrontendIsTurnedAwayWhileTheFirstStays() throws {
    let house = try House()
    let first = try house.connect()
    try first.barrier()
    let second = try house.connect()
    #expect(second.isQuietFor(milliseconds: 20), "a silent one may stay")
    try second.send(1)
    #expect(second.isClosed)
    try first.barrier()
  }

  @Test func theNextFrontendFindsADeviceThatForgotTheLast() throws {
    let house = try House()
    for round in 1...3 {
      do {
        let frontend = try house.connect()
        #expect(u64(try frontend.ask(40).payload) == 0)
        #expect(try frontend.acknowledge(39, bytes(UInt64(0xf))) == 0)
        let ring = try GuestRing()
        #expect(try frontend.acknowledge(2, SessionTests.noFeatures) == 0)
        #expect(try frontend.acknowledge(5, ring.memoryTable, files: [ring.file.file]) == 0)
        #expect(try frontend.acknowledge(8, bytes(UInt32(0), UInt32(16))) == 0)
        #expect(try frontend.acknowledge(9, ring.addresses) == 0)
        #expect(try frontend.acknowledge(12, bytes(UInt64(0)), files: [ring.kick.file]) == 0)
        ring.submit("round")
        #expect(ring.waitUsed(1))
      }
      let next = try house.connect()
      try next.barrier()
      #expect(house.device.resets.load(ordering: .relaxed) == 2 * round - 1)
    }
    #expect(house.device.stops.load(ordering: .relaxed) == 3)
  }

  @Test func stopEndsARunningSessionAndARunningRing() throws {
    let house = try House()
    let frontend = try house.connect()
    let ring = try GuestRing()
    #expect(try frontend.acknowledge(2, SessionTests.noFeatures) == 0)
    #expect(try frontend.acknowledge(5, ring.memoryTable, files: [ring.file.file]) == 0)
    #expect(try frontend.acknowledge(8, bytes(UInt32(0), UInt32(16))) == 0)
    #expect(try frontend.acknowledge(9, ring.addresses) == 0)
    #expect(try frontend.acknowledge(12, bytes(UInt64(0x100))) == 0)
    // Half a message: the control thread waits inside it.
    try frontend.socket.send([1, 0, 0])
    // Nothing else would end the wait: the frontend stays and says no more.
    house.endpoint.stop()
    #expect(house.join() == .stopped)
    #expect(frontend.isClosed)
    #expect(house.device.stops.load(ordering: .relaxed) == 1)
  }

  @Test func stopBeforeRunIsKept() throws {
    let pair = try UnixSocket.pair()
    let ours = pair.first
    let theirs = pair.second
    let endpoint = Endpoint(connection: ours, device: EchoDevice())
    endpoint.stop()
    #expect(endpoint.run() == .stopped)
    theirs.shutDown()
  }
}

extension RawFrontend {
  fileprivate func isQuietFor(milliseconds: Int64) -> Bool {
    Poll.wait(socket.file, nil, timeoutNanoseconds: milliseconds * 1_000_000).first.isEmpty
  }
}
