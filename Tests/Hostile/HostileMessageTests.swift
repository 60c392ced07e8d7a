// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Frontend
import Linux
import Testing
import VhostUser
import VhostUserProtocol
import VirtioProtocol
import Wire

/// A frontend that has lost its mind. Invariants, after 100,000 messages over many connections:
/// - the backend lives and serves an honest frontend, between the attacks and after them;
/// - it has closed every descriptor that was thrown at it;
/// - its private memory has not grown by more than 32 MiB.
@Suite(.serialized, .timeLimit(.minutes(30)))
struct HostileMessageTests {
  private static let messages = 100_000
  private static let perConnection = 250

  @Test("100,000 random messages: known ones out of order, wrong sizes, wrong descriptors, garbage")
  func randomMessages() async throws {
    let seed = Campaign.seed
    await #expect(processExitsWith: .success) { [seed = seed as UInt64] in
      reporting {
        var dice = Campaign.dice("messages", seed: seed)
        let victim = try Victim(VictimDevice())
        try victim.expectServes()
        let mailbag = try Mailbag()
        let before = try Footprint.now()
        var sent = 0
        while sent < HostileMessageTests.messages * Campaign.scale {
          let connection = try victim.connect()
          if dice.hits(2) { try mailbag.warmUp(connection) }
          for _ in 0..<1 + dice.roll(HostileMessageTests.perConnection * 2) {
            sent += 1
            if try !mailbag.sendOne(on: connection.socket, &dice) { break }
            connection.socket.discardInput()
          }
          connection.close()
          if dice.hits(20) { try victim.expectServes() }
        }
        try victim.expectServes()
        try Footprint.expectSame(as: before, growthMiB: 32)
        victim.close()
      }
    }
  }

  @Test("messages cut off at every byte", arguments: [FrontendRequest.setMemTable, .getConfig, .setVringKick])
  func truncatedMessages(_ request: FrontendRequest) async throws {
    let seed = Campaign.seed
    let number = Int(request.rawValue)
    await #expect(processExitsWith: .success) { [seed = seed as UInt64, number = number as Int] in
      reporting {
        let request = try #require(FrontendRequest(rawValue: UInt32(number)))
        let victim = try Victim(VictimDevice())
        let mailbag = try Mailbag()
        var dice = Campaign.dice("truncated", number, seed: seed)
        let before = try Footprint.now()
        let payload = mailbag.payload(of: request, &dice)
        let bytes = [UInt8](wire: MessageHeader(request, size: UInt32(payload.count), needReply: true)) + payload
        for count in 0..<bytes.count {
          let connection = try victim.connect()
          try connection.socket.send(raw: Array(bytes.prefix(count)), files: count > 0 ? [mailbag.anyFile(&dice)] : [])
          connection.close()
        }
        try victim.expectServes()
        try Footprint.expectSame(as: before, growthMiB: 32)
      }
    }
  }

  @Test("headers that announce far more than comes", arguments: [4097, 65536, 1 << 20, UInt32.max])
  func hugePayloads(size: UInt32) async throws {
    await #expect(processExitsWith: .success) { [size] in
      reporting {
        let victim = try Victim(VictimDevice())
        let before = try Footprint.now()
        for number in FrontendRequest.allCases {
          let connection = try victim.connect()
          try connection.socket.send(raw: [UInt8](wire: MessageHeader(number, size: size)))
          try? connection.socket.send(raw: [UInt8](repeating: 1, count: 5000))
          connection.close()
        }
        try victim.expectServes()
        try Footprint.expectSame(as: before, growthMiB: 32)
      }
    }
  }

  @Test("a frontend that dies while the backend waits for its state does not keep the next one out")
  func abandonedStateTransfer() async throws {
    await #expect(processExitsWith: .success) {
      reporting {
        let victim = try Victim(VictimDevice())
        let pair = try UnixSocket.pair()
        let connection = try victim.connect()
        _ = try connection.setDeviceState(DeviceStateDirection.load, file: pair.second.file)
        // Nothing is ever written, and the other end stays open.
        try connection.send(.checkDeviceState)
        connection.close()
        try victim.expectServes()
        _ = pair.first.file
      }
    }
  }
}
