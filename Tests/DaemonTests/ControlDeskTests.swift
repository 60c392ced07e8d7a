// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Linux
import Synchronization
import Testing
import VhostUser
import Virtio
import VirtioProtocol

@testable import Daemon

/// Verbs that a device brings along. Invariants: nothing in room Daemon knows their names; with one endpoint its name
/// may be left out, with several it may not; what a verb throws is told in one sentence.
@Suite struct ControlDeskTests {
  private final class Volume: Device {
    let description = DeviceDescription(id: .block, name: "volume", features: [], queueCount: 1)
    let size = Atomic<Int>(10)

    func reset() {}
    func process(_ queue: inout Virtqueue, at index: Int) throws(GuestFault) -> Int { 0 }

    var verbs: [ControlVerb] {
      [
        ControlVerb("resize", usage: "SIZE", summary: "changes the size") { [self] request throws(HumanError) in
          guard let size = Int(try request.onlyWord("a size")) else { throw .failure("a size is a number") }
          self.size.store(size, ordering: .relaxed)
          return request.wantsJSON ? .json(.object(["size": .number(Int64(size))])) : .text("\(size)")
        },
        ControlVerb("picture", summary: "bytes as they are") { _ in .bytes([0, 255, 10, 13]) },
      ]
    }
  }

  private let volumes: [Volume]

  init() {
    volumes = [Volume(), Volume()]
  }

  private func desk(_ names: String...) throws -> ControlDesk {
    let services = try zip(names, volumes).map { name, volume in
      let pair = try UnixSocket.pair()
      return RunningService(
        name: name, socket: "/run/\(name)", endpoint: Endpoint(connection: pair.first, device: volume),
        served: ServedDevice(volume, verbs: volume.verbs), log: DaemonLog(program: "t", threshold: .off, syslog: false))
    }
    return ControlDesk(
      program: Program(name: "martlet-t", version: "1", deviceType: "t", features: []), process: 7,
      services: services, log: DaemonLog(program: "t", threshold: .off, syslog: false))
  }

  private func text(_ answer: ControlAnswer) -> String { String(decoding: answer.bytes, as: UTF8.self) }

  @Test func aDevicesVerbRuns() throws {
    let desk = try desk("root")
    #expect(text(desk.answer("resize 20")) == "20\n")
    #expect(volumes[0].size.load(ordering: .relaxed) == 20)
    #expect(text(desk.answer("resize root 30")) == "30\n")
    #expect(text(desk.answer("resize 40 json")) == "{\n  \"size\": 40\n}\n")
    #expect(desk.answer("picture").bytes == [0, 255, 10, 13])
    #expect(text(desk.answer("help")).contains("resize SIZE"))
    #expect(text(desk.answer("resize")) == "error: a size is needed, and nothing else\n")
    #expect(text(desk.answer("resize big")) == "error: a size is a number\n")
  }

  @Test func withSeveralEndpointsItsNameIsNeeded() throws {
    let desk = try desk("root", "my data")
    #expect(text(desk.answer("resize \"my data\" 20")) == "20\n")
    #expect(text(desk.answer("resize 0 30")) == "30\n")
    #expect(volumes.map { $0.size.load(ordering: .relaxed) } == [30, 20])
    #expect(text(desk.answer("resize 50")) == "error: there is no endpoint '50'; ask for 'list'\n")
    #expect(text(desk.answer("resize")) == "error: 'resize' needs the name of an endpoint; ask for 'list'\n")
    #expect(text(desk.answer("help")).contains("resize ENDPOINT SIZE"))
    let help = try JSONSerialization.jsonObject(with: Data(desk.answer("help json").bytes)) as? [[String: String]]
    #expect(help?.contains { $0["verb"] == "resize" && $0["usage"] == "ENDPOINT SIZE" } == true)
  }

  @Test(
    arguments: [
      ("a b  c", ["a", "b", "c"]), ("", []), ("   ", []), ("a \"b c\" d", ["a", "b c", "d"]), ("\"\"", [""]),
      ("a\tb\r", ["a", "b"]), ("x\"y z\"", ["xy z"]),
    ] as [(String, [String])])
  func wordsOfALine(_ line: String, _ words: [String]) throws {
    #expect(try ControlDesk.words(of: line) == words)
  }

  @Test func durationsAreForPeople() {
    let texts = [5, 119, 7199, 7200, 200_000].map { ControlDesk.duration($0) }
    #expect(texts == ["5 s", "119 s", "119 min", "2 h 0 min", "2 days 7 h"])
  }
}
