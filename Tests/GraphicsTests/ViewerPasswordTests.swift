// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Graphics
import Support
import Testing

@testable import Displays

/// Who is let in. Invariants: with a password nobody gets in without it, in any version of the protocol; the cipher is
/// the one that openssl(1) has; what makes no sense ends a connection and nothing else.
@Suite(.timeLimit(.minutes(30)))
struct ViewerPasswordTests {
  /// Key, block and result, by `openssl enc -des-ecb`; the first is the worked example of every textbook, the last one
  /// of NIST's variable-key set.
  @Test(arguments: [
    (0x1334_5779_9bbc_dff1 as UInt64, 0x0123_4567_89ab_cdef as UInt64, 0x85e8_1354_0f0a_b405 as UInt64),
    (0x1334_5779_9bbc_dff1, 0x8787_8787_8787_8787, 0x1270_10f3_ccc8_1da4),
    (0x0123_4567_89ab_cdef, 0x0123_4567_89ab_cdef, 0x56cc_09e7_cfdc_4cef),
    (0x0123_4567_89ab_cdef, 0x8787_8787_8787_8787, 0xe9da_b572_53d1_2fe3),
    (0xfedc_ba98_7654_3210, 0x0123_4567_89ab_cdef, 0xed39_d950_fa74_bcc4),
    (0x0e32_9232_ea6d_0d73, 0x0123_4567_89ab_cdef, 0x31aa_59fe_b643_86a6),
    (0x0e32_9232_ea6d_0d73, 0x8787_8787_8787_8787, 0),
  ])
  func theCipherIsDES(key: UInt64, block: UInt64, result: UInt64) {
    #expect(ChallengeCipher.encrypt(block, key: key) == result)
  }

  /// VNC takes the bits of each byte of the password in reverse; this is `printf 'sesame' | vncpasswd`'s key.
  @Test func thePasswordsBitsAreTurnedRound() {
    let challenge = [UInt8](0..<16)
    let response = ChallengeCipher.response(to: challenge, password: Array("sesame".utf8))
    let key: UInt64 = 0xcea6_ce86_b6a6_0000
    let blocks: [UInt64] = [0x0001_0203_0405_0607, 0x0809_0a0b_0c0d_0e0f]
    let expected = blocks.flatMap { block in
      let cipher = ChallengeCipher.encrypt(block, key: key)
      return stride(from: 56, through: 0, by: -8).map { UInt8(truncatingIfNeeded: cipher >> UInt64($0)) }
    }
    #expect(response == expected)
    #expect(
      ChallengeCipher.response(to: challenge, password: Array("password and more".utf8))
        == ChallengeCipher.response(to: challenge, password: Array("password".utf8)))
  }

  private func answer(_ viewer: TestViewer, _ version: String, _ password: String) throws {
    _ = try viewer.read(12)
    try viewer.send(Array("RFB \(version)\n".utf8))
    if version == "003.003" {
      #expect(try viewer.number(4) == 2)
    } else {
      #expect(try viewer.read(2) == [1, 2])
      try viewer.send([2])
    }
    let challenge = try viewer.read(16)
    try viewer.send(ChallengeCipher.response(to: challenge, password: Array(password.utf8)))
  }

  @Test(arguments: ["003.003", "003.007", "003.008"])
  func thePasswordLetsIn(version: String) throws {
    let bench = try ViewerBench(password: "sesame")
    let picture = Picture.noise(width: 64, height: 64)
    _ = try bench.bench.showBlob(picture, id: 1)
    let viewer = try TestViewer(bench.path)
    try answer(viewer, version, "sesame")
    #expect(try viewer.number(4) == 0)
    try viewer.initialize()
    try viewer.expectSees(picture)
  }

  @Test(arguments: ["003.003", "003.007", "003.008"])
  func anotherOneDoesNot(version: String) throws {
    let bench = try ViewerBench(password: "sesame")
    let viewer = try TestViewer(bench.path)
    try answer(viewer, version, "sesam")
    #expect(try viewer.number(4) == 1)
    if version == "003.008" { #expect(try viewer.read(try viewer.number(4)) == Array("wrong password".utf8)) }
    #expect(try !viewer.more())
  }

  @Test func twoChallengesAreNeverTheSame() throws {
    let bench = try ViewerBench(password: "sesame")
    let challenges = try (0..<4).map { _ in
      let viewer = try TestViewer(bench.path)
      _ = try viewer.read(12)
      try viewer.send(Array("RFB 003.003\n".utf8))
      return try viewer.read(20)
    }
    #expect(Set(challenges).count == 4)
  }

  /// What comes before a viewer is in, and what the server does: close.
  @Test(arguments: [
    "GET / HTTP/1.1\r\n", "RFB 004.001\n", "RFB 003.00x\n", "RFB 003.008\n\u{1}", "RFB 003.008\n\u{7}",
  ])
  func nonsenseEndsTheConnection(text: String) throws {
    let bench = try ViewerBench(password: "sesame")
    let viewer = try TestViewer(bench.path)
    _ = try viewer.read(12)
    try viewer.send(Array(text.utf8))
    // What it still says of the way in, and then the end.
    while try viewer.more() {}
  }
}
