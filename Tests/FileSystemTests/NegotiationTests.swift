// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import FileSystem
import Foundation
import Frontend
import FuseProtocol
import Linux
import Testing
import Virtio
import Wire

/// What INIT settles. Invariants: the guest never gets a flag that it did not offer, nor one that the share's options
/// do not allow; a guest that lacks what an option demands gets no mount; before INIT and after DESTROY nothing is
/// served; a new INIT starts from nothing.
@Suite(.timeLimit(.minutes(30)))
struct NegotiationTests {
  /// An INIT with any version and length.
  private func initialize(
    _ mount: Mount, major: UInt32 = 7, minor: UInt32 = 45, features: FuseInitFlags = Mount.linux, byteCount: Int = 64
  ) throws -> FuseInitOut {
    var arguments = FuseInitIn()
    arguments.major = major
    arguments.minor = minor
    arguments.maxReadahead = 4096
    arguments.features = features
    var request = FuseRequest(.initialize, node: 0)
    request.append(arguments)
    request.arguments[0] = Array(request.arguments[0].prefix(byteCount))
    request.replyByteCount = FuseInitOut.byteCount
    return try mount.client.perform(request).value()
  }

  @Test(arguments: [26, 12, 0] as [UInt32]) func minorVersionsBelow27AreRefused(minor: UInt32) throws {
    let mount = try Mount(guest: nil)
    expectRefused(.protocolError) { try initialize(mount, minor: minor) }
    expectRefused(.inputOutput) { try mount.client.getattr(Fuse.rootID) }
  }

  @Test func version727IsServed() throws {
    let mount = try Mount(guest: nil)
    #expect(try initialize(mount, minor: 27).major == 7)
    #expect(try mount.client.getattr(Fuse.rootID).attr.ino == Host.status(mount.directory).st_ino)
  }

  @Test func majorVersion6IsRefused() throws {
    let mount = try Mount(guest: nil)
    expectRefused(.protocolError) { try initialize(mount, major: 6) }
  }

  @Test func majorVersion8IsToldOursAndMayAskAgain() throws {
    let mount = try Mount(guest: nil)
    let answer = try initialize(mount, major: 8, minor: 1)
    #expect(answer.major == 7)
    expectRefused(.inputOutput) { try mount.client.getattr(Fuse.rootID) }
    _ = try initialize(mount)
    _ = try mount.client.getattr(Fuse.rootID)
  }

  @Test func aShortINITOfAKernelBefore736IsServedWithoutTheUpperFlags() throws {
    let mount = try Mount(guest: nil)
    let features = try initialize(mount, minor: 35, byteCount: 16).features
    #expect(features.contains([.asyncRead, .parallelDirops, .maxPages]))
    #expect(features.high == 0)
    _ = try mount.client.getattr(Fuse.rootID)
  }

  @Test(arguments: [0, 8, 15]) func aTruncatedINITIsRefused(byteCount: Int) throws {
    let mount = try Mount(guest: nil)
    expectRefused(.invalid) { try initialize(mount, byteCount: byteCount) }
  }

  @Test func requestsBeforeINITAreRefusedAndForgetsAreSwallowed() throws {
    let mount = try Mount(guest: nil)
    expectRefused(.inputOutput) { try mount.client.lookup(Fuse.rootID, "x") }
    expectRefused(.inputOutput) { try mount.client.opendir(Fuse.rootID) }
    try mount.client.forget(17)
    try mount.client.forget([(node: 17, count: 1)])
    _ = try initialize(mount)
    expectRefused(.noEntry) { try mount.client.lookup(Fuse.rootID, "x") }
  }

  @Test func aSecondINITForgetsInodesAndOpenFiles() throws {
    let mount = try Mount()
    let file = try mount.open("file", containing: "old")
    #expect(mount.device.population == (1, 1))
    try mount.client.initialize(Mount.linux)
    #expect(mount.device.population == (0, 0))
    #expect(Host.descriptors(below: mount.path("file")).isEmpty)
    expectRefused(.badDescriptor) { try mount.client.read(file.node, file.handle, offset: 0, count: 3) }
    expectRefused(.noEntry) { try mount.client.getattr(file.node) }
    _ = try mount.node("file")
  }

  @Test func afterDESTROYNothingIsServedUntilTheNextINIT() throws {
    let mount = try Mount()
    _ = try mount.open("file")
    try mount.client.destroy()
    #expect(mount.device.population == (0, 0))
    expectRefused(.inputOutput) { try mount.client.getattr(Fuse.rootID) }
    try mount.client.forget(12)
    try mount.client.initialize(Mount.linux)
    _ = try mount.open("file")
  }

  @Test func aGuestGetsOnlyWhatItOffers() throws {
    let offer: FuseInitFlags = [.asyncRead, .maxPages]
    let mount = try Mount(guest: nil) {
      $0.xattr = true
      $0.posixACL = .auto
      $0.writeback = true
    }
    #expect(try initialize(mount, features: offer).features == offer)
    #expect(try initialize(mount, features: []).features == [])
  }

  @Test func theReplyNamesSizesThatAGuestCanUse() throws {
    let mount = try Mount()
    let server = mount.client.server
    #expect(server.maxWrite == 1 << 20)
    #expect(server.maxPages == 256)
    #expect(server.timeGran == 1)
    #expect(server.maxReadahead == 128 << 10)
    #expect(server.maxBackground > server.congestionThreshold)
  }

  /// An option, and the flags that are on and off because of it.
  struct Choice: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let on: FuseInitFlags
    let off: FuseInitFlags
    let configure: @Sendable (inout ShareOptions) -> Void

    init(
      _ name: String, on: FuseInitFlags = [], off: FuseInitFlags = [],
      _ configure: @escaping @Sendable (inout ShareOptions) -> Void = { _ in }
    ) {
      testDescription = name
      (self.on, self.off, self.configure) = (on, off, configure)
    }
  }

  private static let choices = [
    Choice(
      "defaults",
      on: [
        .asyncRead, .parallelDirops, .bigWrites, .maxPages, .submounts, .doReaddirplus, .createSuppGroup, .allowIdmap,
      ],
      off: [
        .posixLocks, .flockLocks, .writebackCache, .posixACL, .dontMask, .securityCtx, .handleKillprivV2,
        .handleKillpriv, .cacheSymlinks, .noOpenSupport, .exportSupport, .hasResend, .requestTimeout,
        .directIOAllowMmap, .hasExpireOnly,
      ]),
    Choice("cache=never", off: [.doReaddirplus, .readdirplusAuto, .cacheSymlinks]) { $0.cache = .never },
    Choice("cache=metadata", on: [.doReaddirplus, .cacheSymlinks]) { $0.cache = .metadata },
    Choice("cache=always", on: [.doReaddirplus, .cacheSymlinks]) { $0.cache = .always },
    Choice("no readdirplus", off: [.doReaddirplus, .readdirplusAuto]) { $0.readdirplus = false },
    Choice("no submounts", off: .submounts) { $0.announceSubmounts = false },
    Choice("writeback", on: .writebackCache) { $0.writeback = true },
    Choice("xattr on a local disk", on: .handleKillprivV2) { $0.xattr = true },
    Choice("xattr without killpriv", off: .handleKillprivV2) {
      $0.xattr = true
      $0.killPrivV2 = false
    },
    Choice("killpriv without xattr", on: .handleKillprivV2) { $0.killPrivV2 = true },
    Choice("ACL auto", on: [.posixACL, .dontMask, .setxattrExt]) { $0.posixACL = .auto },
    Choice("ACL always", on: [.posixACL, .dontMask, .setxattrExt]) { $0.posixACL = .always },
    Choice("labels", on: .securityCtx) { $0.securityLabel = .auto },
    Choice("mmap", on: .directIOAllowMmap) { $0.allowMmap = true },
    Choice("locks", on: [.posixLocks, .flockLocks]) {
      $0.posixLocks = true
      $0.flock = true
    },
  ]

  @Test(arguments: choices) func flagsFollowTheOptions(choice: Choice) throws {
    let mount = try Mount(choice.configure)
    let features = mount.client.features
    #expect(features.isSuperset(of: choice.on))
    #expect(features.isDisjoint(with: choice.off))
  }

  @Test(arguments: [FuseInitFlags.posixACL, .dontMask, .setxattrExt])
  func aGuestWithoutOnePartOfACLsIsRefusedWhereTheyAreDemanded(missing: FuseInitFlags) throws {
    let mount = try Mount(guest: nil) {
      $0.xattr = true
      $0.posixACL = .always
    }
    expectRefused(.protocolError) { try initialize(mount, features: Mount.linux.subtracting(missing)) }
    expectRefused(.inputOutput) { try mount.client.getattr(Fuse.rootID) }
    #expect(try initialize(mount).features.contains(.posixACL))
  }

  @Test func aGuestWithoutLabelsIsRefusedWhereTheyAreDemanded() throws {
    let mount = try Mount(guest: nil) { $0.securityLabel = .always }
    expectRefused(.protocolError) { try initialize(mount, features: Mount.linux.subtracting(.securityCtx)) }
  }

  @Test func aGuestWithHalfOfTheACLFlagsGetsNoneWhereTheyAreWished() throws {
    let mount = try Mount(guest: Mount.linux.subtracting(.dontMask)) {
      $0.xattr = true
      $0.posixACL = .auto
    }
    #expect(!mount.client.features.contains(.posixACL), "ACLs without the umask in our hands lose the default ACL")
    #expect(!mount.client.features.contains(.dontMask))
  }

  @Test func theConfigurationSpaceHasTagAndQueues() throws {
    var options = ShareOptions(name: "tagged")
    options.tag = "café"
    options.requestQueues = 3
    let device = try Mount.device(options, sharing: "/var/tmp")
    let config = device.readConfiguration(offset: 0, byteCount: 40)
    #expect(Array(config.prefix(6)) == Array("café".utf8) + [0])
    #expect(Array(config.suffix(4)) == [3, 0, 0, 0])
    #expect(device.description.queueCount == 4)
    options.tag = String(repeating: "x", count: 37)
    #expect(throws: ShareError.self) { try Mount.device(options, sharing: "/var/tmp") }
  }
}
