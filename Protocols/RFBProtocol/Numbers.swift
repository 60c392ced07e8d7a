// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The remote framebuffer protocol as VNC viewers speak it: RFC 6143 (versions 3.3, 3.7 and 3.8), and those extensions
// of the rfbproto community document that viewers of today use. All numbers on the wire are big-endian.

/// What the two sides agree to speak.
public enum RFBVersion: Int, Comparable, Sendable {
  case v3_3 = 3
  case v3_7 = 7
  case v3_8 = 8

  public static let byteCount = 12
  /// What the server says first (7.1.1).
  public static let greeting = Array("RFB 003.008\n".utf8)

  /// From the client's answer; nil for what is no RFB 3. Minor numbers that were never published mean 3.3, those of
  /// later dialects (Apple's 889) 3.8.
  public init?(_ answer: [UInt8]) {
    guard answer.count == RFBVersion.byteCount, answer.starts(with: Array("RFB 003.".utf8)), answer[11] == 10 else {
      return nil
    }
    var minor = 0
    for byte in answer[8..<11] {
      guard (48...57).contains(byte) else { return nil }
      minor = minor * 10 + Int(byte) - 48
    }
    self = minor >= 8 ? .v3_8 : minor == 7 ? .v3_7 : .v3_3
  }

  public static func < (left: RFBVersion, right: RFBVersion) -> Bool { left.rawValue < right.rawValue }
}

/// 7.1.2
public enum RFBSecurity {
  public static let none: UInt8 = 1
  /// A challenge that is encrypted with the password (7.2.2).
  public static let vnc: UInt8 = 2
  public static let challengeByteCount = 16
}

/// How the pixels of a rectangle are written down, and what a viewer says that it understands (7.7, 7.8).
public enum RFBEncoding {
  public static let raw: Int32 = 0
  public static let zrle: Int32 = 16
  /// The cursor's picture instead of a part of the screen.
  public static let cursor: Int32 = -239
  /// Another size of the screen.
  public static let desktopSize: Int32 = -223
  /// The same, and the viewer may ask for one.
  public static let extendedDesktopSize: Int32 = -308
  /// Keys come with the code of the key beside what is written on it (QEMU).
  public static let extendedKeys: Int32 = -258
}

/// First bytes of the server's messages (7.6).
public enum RFBServerMessage {
  public static let framebufferUpdate: UInt8 = 0
  public static let setColourMapEntries: UInt8 = 1
}

/// Why the size is told, and how a wish for one went (ExtendedDesktopSize).
public enum RFBSizeReason {
  public static let server: UInt16 = 0
  public static let thisClient: UInt16 = 1
}

public enum RFBSizeStatus {
  public static let done: UInt16 = 0
  public static let prohibited: UInt16 = 1
  public static let invalidLayout: UInt16 = 3
  /// It is the guest who decides.
  public static let forwarded: UInt16 = 4
}
