// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Linux
import Testing
import Wire

@testable import FileSystem

/// `--xattrmap`: which attribute of the guest is which on the host, and which rules are refused.
@Suite struct XattrMapTests {
  /// "name" for a name, "!EPERM" for a refusal.
  private func toHost(_ map: XattrMap, _ name: StaticString) -> String {
    let scratch = Scratch(byteCount: 300)
    switch map.toHost(CName(name), scratch: scratch.segment) {
    case .name(let mapped):
      #expect(mapped[mapped.count] == 0, "the kernel needs the NUL")
      return mapped.description
    case .refused(.notPermitted): return "!EPERM"
    case .refused(.notSupported): return "!ENOTSUP"
    case .refused(let error): return "!\(error.rawValue)"
    }
  }

  private func toGuest(_ map: XattrMap, _ name: StaticString) -> String {
    switch map.toGuest(CName(name)) {
    case .visible(let visible): visible.description
    case .hidden: "-"
    }
  }

  @Test func mapOfEverythingKeepsItUnderThePrefix() throws {
    let map = try XattrMap(parsing: ":map::user.virtiofs.:")
    #expect(toHost(map, "security.selinux") == "user.virtiofs.security.selinux")
    #expect(toHost(map, "user.x") == "user.virtiofs.user.x")
    #expect(toGuest(map, "user.virtiofs.trusted.a") == "trusted.a")
    #expect(toGuest(map, "security.selinux") == "-")
    #expect(map.remapsCapability)
  }

  @Test func mapOfOneKeyLeavesTheRest() throws {
    let map = try XattrMap(parsing: "/map/trusted./user.vm./")
    #expect(toHost(map, "trusted.overlay.opaque") == "user.vm.trusted.overlay.opaque")
    #expect(toHost(map, "user.plain") == "user.plain")
    #expect(toHost(map, "user.vm.trusted.overlay.opaque") == "!EPERM", "the host's spelling is not the guest's to use")
    #expect(toGuest(map, "user.vm.trusted.overlay.opaque") == "trusted.overlay.opaque")
    #expect(toGuest(map, "trusted.real") == "-")
    #expect(toGuest(map, "user.plain") == "user.plain")
    #expect(!map.remapsCapability)
  }

  @Test func theFirstRuleThatMatchesWins() throws {
    let map = try XattrMap(
      parsing: """
          :ok:all:user.:user.:
          :unsupported:client:system.posix_acl:system.posix_acl:
          :prefix:all:security.:user.vm.:
        \t:bad:all:::
        """)
    #expect(toHost(map, "user.a") == "user.a")
    #expect(toHost(map, "system.posix_acl_access") == "!ENOTSUP")
    #expect(toHost(map, "security.capability") == "user.vm.security.capability")
    #expect(toHost(map, "trusted.a") == "!EPERM")
    #expect(toGuest(map, "user.vm.security.capability") == "user.vm.security.capability", "the first rule passed it")
    #expect(toGuest(map, "system.posix_acl_access") == "-")
    #expect(map.remapsCapability)
  }

  @Test func directionsAreSeparate() throws {
    let map = try XattrMap(parsing: ":bad:client:trusted.::,ok,server,,trusted.,:ok:all:::")
    #expect(toHost(map, "trusted.a") == "!EPERM")
    #expect(toGuest(map, "trusted.a") == "trusted.a")
    let hidden = try XattrMap(parsing: ":unsupported:server::security.::ok:all:::")
    #expect(toHost(hidden, "security.selinux") == "security.selinux")
    #expect(toGuest(hidden, "security.selinux") == "-")
  }

  @Test func rulesNeedNothingBetweenThem() throws {
    let map = try XattrMap(parsing: ":prefix:all:a.:b.::ok:all:::")
    #expect(toHost(map, "a.x") == "b.a.x")
    #expect(toHost(map, "c") == "c")
  }

  @Test func aNameThatBecomesTooLongForTheScratchIsRefused() throws {
    let map = try XattrMap(parsing: ":map::\(String(repeating: "p", count: 298)):")
    #expect(toHost(map, "ab") == "!34")
    #expect(toHost(map, "a") == String(repeating: "p", count: 298) + "a")
  }

  static let wrong: [(rules: String, sentence: String)] = [
    ("", "is empty"),
    ("   ", "is empty"),
    (":ok:all:", "rule 1 of --xattrmap ends in its key; close it with ':'"),
    (":ok:all::", "ends in its prefix"),
    (":ok", "ends in its type"),
    (":swap:all:::", "unknown type 'swap'"),
    (":ok:guest:::", "unknown scope 'guest'"),
    (":ok:all::: /prefix/host/x/y/", "rule 2 of --xattrmap has the unknown scope 'host'"),
    (":map:a:b::ok:all:::", "has rules after ':map:'"),
    (":ok:client:::", "does not say what happens to every name"),
    (":ok:server:::", "does not say what happens to every name"),
    (":prefix:all:user.:x.:", "end it with a rule like ':bad:all:::'"),
  ]

  @Test(arguments: wrong)
  func isRefusedInOneSentence(_ row: (rules: String, sentence: String)) {
    let error = #expect(throws: OptionError.self) { _ = try XattrMap(parsing: row.rules) }
    #expect(error?.message.contains(row.sentence) == true, "\(error?.message ?? "")")
    #expect(error?.message.contains("\n") == false)
  }
}
