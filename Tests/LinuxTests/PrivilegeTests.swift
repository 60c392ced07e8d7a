// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Linux
import Testing

/// Names of privileges and what a sandbox refuses before anything is done. What they do to a process is tested from
/// outside, in DaemonTests.
@Suite struct PrivilegeTests {
  @Test(arguments: [("chown", 0), ("SYS_ADMIN", 21), ("cap_mknod", 27), ("dac_read_search", 2)])
  func capabilitiesHaveNames(_ name: String, _ number: Int32) {
    #expect(CapabilitySet.number(named: name) == number)
  }

  @Test(arguments: ["", "cap_", "nonsense"])
  func whatIsNoCapabilityHasNoNumber(_ name: String) {
    #expect(CapabilitySet.number(named: name) == nil)
  }

  @Test func aSetListsItsNamesInOrder() {
    var set = CapabilitySet([.setuid, .chown])
    #expect(set.description == "chown,setuid")
    set.insert(21)
    set.remove(0)
    #expect(set.contains(.sysAdmin) && !set.contains(.chown))
    #expect(set.description == "setuid,sys_admin")
  }

  @Test func groupsAreFoundByNameAndByNumber() throws {
    #expect(try Groups.identifier(of: "root") == 0)
    #expect(try Groups.identifier(of: "12345") == 12345)
    #expect(throws: Errno.noEntry) { try Groups.identifier(of: "nobody-has-this-group") }
  }

  @Test func limitsAreKnown() throws {
    let limit = try DescriptorLimit.current()
    #expect(limit.soft <= limit.hard)
    #expect(DescriptorLimit.ofKernel >= 1024)
  }

  @Test func aSandboxChecksItsSourcesFirst() {
    let missing = Sandbox(mode: .none, sources: ["/usr", "/nowhere/at/all"])
    let error = #expect(throws: SandboxError.self) { try missing.check() }
    #expect(error?.message == "the shared directory '/nowhere/at/all' does not exist; give an existing directory")
    let device = Sandbox(mode: .none, sources: ["/dev/null"])
    #expect(throws: SandboxError.self) { try device.check() }
    let two = Sandbox(mode: .chroot, sources: ["/usr", "/etc"])
    #expect(throws: SandboxError.self) { try two.check() }
    let file = Sandbox(mode: .namespace, sources: ["/etc/passwd"])
    #expect(throws: Never.self) { try file.check() }
  }

  @Test func mapsOfAUserNamespaceNeedOne() {
    let range = IdentifierRange(inside: 0, outside: 100_000, count: 1)
    let none = Sandbox(mode: .none, sources: [], userMap: [range])
    #expect(throws: SandboxError.self) { try none.check() }
  }
}
