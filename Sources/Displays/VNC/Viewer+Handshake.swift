// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Up to the moment at which a viewer is in (RFC 6143 sections 7.1 to 7.3). Each step depends on the version, of which
// three are spoken.

internal import Linux
internal import RFBProtocol

extension Viewer {
  func takeVersion(_ bytes: ArraySlice<UInt8>) -> Taken {
    guard bytes.count >= RFBVersion.byteCount else { return .more }
    guard let version = RFBVersion(Array(bytes.prefix(RFBVersion.byteCount))) else { return .end }
    self.version = version
    let type = settings.password == nil ? RFBSecurity.none : RFBSecurity.vnc
    if version == .v3_3 {
      // The server decides.
      output.append([0, 0, 0, type])
      begin(type)
    } else {
      output.append([1, type])
      phase = .security
    }
    return .done(RFBVersion.byteCount)
  }

  func takeSecurity(_ bytes: ArraySlice<UInt8>) -> Taken {
    guard let type = bytes.first else { return .more }
    guard type == (settings.password == nil ? RFBSecurity.none : RFBSecurity.vnc) else { return .end }
    begin(type)
    return .done(1)
  }

  private func begin(_ type: UInt8) {
    guard type == RFBSecurity.vnc else {
      // Only 3.8 says that nothing went well (7.2.1).
      if version >= .v3_8 { output.append([0, 0, 0, 0]) }
      phase = .initialization
      return
    }
    var random = SystemRandomNumberGenerator()
    let challenge = (0..<RFBSecurity.challengeByteCount).map { _ in UInt8.random(in: .min ... .max, using: &random) }
    output.append(challenge)
    phase = .challenge(challenge)
  }

  func takeResponse(_ bytes: ArraySlice<UInt8>, to challenge: [UInt8]) -> Taken {
    guard bytes.count >= challenge.count else { return .more }
    let expected = ChallengeCipher.response(to: challenge, password: settings.password ?? [])
    // All of it is compared, wherever the first difference is.
    let difference = zip(bytes, expected).reduce(UInt8(0)) { $0 | $1.0 ^ $1.1 }
    if difference == 0 {
      output.append([0, 0, 0, 0])
      phase = .initialization
    } else {
      phase = .refusal
      deadline = Clock.monotonic + Viewer.refusalNanoseconds
    }
    return .done(challenge.count)
  }

  /// The answer to a wrong password.
  func refuse() {
    output.append([0, 0, 0, 1])
    if version >= .v3_8 {
      var writer = RFBWriter()
      writer.text("wrong password")
      output.append(writer.bytes)
    }
    phase = .ending
    deadline = Clock.monotonic + Viewer.handshakeNanoseconds
  }

  /// ClientInit says whether other viewers shall go (7.3.1): they stay, whatever it says.
  func takeInitialization(_ bytes: ArraySlice<UInt8>) -> Taken {
    guard !bytes.isEmpty else { return .more }
    output.append(RFBWriter.serverInit(width: tiles.width, height: tiles.height, name: settings.name))
    phase = .running
    deadline = nil
    return .done(1)
  }
}
