// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Linux
import Testing

/// `--translate-uid` and `--translate-gid`: both directions of every rule, and which rules are refused.
@Suite struct IdentifierMapTests {
  private func map(_ rules: String...) throws -> IdentifierMap {
    try IdentifierMap(parsing: rules, kind: "uid")
  }

  @Test func withoutRulesNothingChanges() throws {
    let map = try map()
    #expect(map.isIdentity)
    for id: UInt32 in [0, 1, 1000, .max] {
      #expect(try map.toHost(id) == id)
      #expect(map.toGuest(id) == id)
    }
  }

  @Test func mapGoesBothWaysAndLeavesTheRest() throws {
    let map = try map("map:0:100000:1000")
    #expect(!map.isIdentity)
    #expect(try map.toHost(0) == 100_000)
    #expect(try map.toHost(999) == 100_999)
    #expect(try map.toHost(1000) == 1000)
    #expect(map.toGuest(100_999) == 999)
    #expect(map.toGuest(101_000) == 101_000)
    #expect(map.toGuest(0) == 0)
  }

  @Test func oneDirectionLeavesTheOther() throws {
    let guest = try map("guest:5:50:2")
    #expect(try guest.toHost(6) == 51)
    #expect(guest.toGuest(51) == 51)
    let host = try map("host:50:5:2")
    #expect(try host.toHost(6) == 6)
    #expect(host.toGuest(51) == 6)
  }

  @Test func squashingMakesManyOne() throws {
    let map = try map("squash-guest:0:1000:4000000000", "squash-host:0:65534:1000")
    #expect(try map.toHost(0) == 1000)
    #expect(try map.toHost(3_999_999_999) == 1000)
    #expect(try map.toHost(4_000_000_000) == 4_000_000_000)
    #expect(map.toGuest(999) == 65534)
    #expect(map.toGuest(1000) == 1000)
  }

  @Test func forbiddenIsNotPermitted() throws {
    let map = try map("forbid-guest:0:1", "map:1000:2000:1")
    #expect(throws: Errno.notPermitted) { try map.toHost(0) }
    #expect(try map.toHost(1) == 1)
    #expect(try map.toHost(1000) == 2000)
    #expect(map.toGuest(0) == 0)
  }

  @Test(arguments: ["map,0,7,1", "MAP/0/7/1", "map 0 7 1", "map·0·7·1"])
  func anyDelimiterWillDo(_ rule: String) throws {
    #expect(try IdentifierMap(parsing: [rule], kind: "gid").toHost(0) == 7)
  }

  @Test func theWholeRangeFits() throws {
    let map = try map("map:0:0:4294967295")
    #expect(try map.toHost(4_294_967_294) == 4_294_967_294)
  }

  static let wrong: [(rules: [String], sentence: String)] = [
    (["nothing"], "--translate-uid 'nothing' is no rule; write one like map:0:100000:65536"),
    ([""], "is no rule"),
    (["swap:0:1:1"], "unknown type"),
    (["map:0:1"], "needs 3 numbers; write map:from:to:count"),
    (["map:0:1:1:1"], "needs 3 numbers"),
    (["map:0:x:1"], "needs 3 numbers"),
    (["map:-1:0:1"], "needs 3 numbers"),
    (["map:0:1/1"], "needs 3 numbers"),
    (["forbid-guest:0:1:1"], "needs 2 numbers; write forbid-guest:first:count"),
    (["map:0:1:0"], "covers no ids"),
    (["map:0:4294967295:1"], "goes past the largest id"),
    (["guest:4294967290:0:6"], "goes past the largest id"),
    (["map:0:0:4294967296"], "needs 3 numbers"),
    (["guest:0:10:5", "forbid-guest:4:1"], "names the guest id 4 twice"),
    (["host:0:10:5", "map:100:4:1"], "names the host id 4 twice"),
  ]

  @Test(arguments: wrong)
  func isRefusedInOneSentence(_ row: (rules: [String], sentence: String)) {
    let error = #expect(throws: OptionError.self) { _ = try IdentifierMap(parsing: row.rules, kind: "uid") }
    #expect(error?.message.contains(row.sentence) == true, "\(error?.message ?? "")")
  }
}
