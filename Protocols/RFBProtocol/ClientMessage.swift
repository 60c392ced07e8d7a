// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a viewer says once it is let in (7.5), and how much of what it said is a whole message.

public struct RFBRectangle: Equatable, Sendable {
  public var x: UInt16
  public var y: UInt16
  public var width: UInt16
  public var height: UInt16

  public init(x: UInt16, y: UInt16, width: UInt16, height: UInt16) {
    self.x = x
    self.y = y
    self.width = width
    self.height = height
  }
}

public enum RFBClientMessage: Equatable, Sendable {
  case setPixelFormat(RFBPixelFormat)
  case setEncodings([Int32])
  case updateRequest(incremental: Bool, RFBRectangle)
  /// `keyCode` is that of the key on a PC's keyboard ("XT", 0x80 set for what comes with a prefix); 0 where the viewer
  /// does not say.
  case key(isDown: Bool, symbol: UInt32, keyCode: UInt32)
  case pointer(buttons: UInt8, x: UInt16, y: UInt16)
  case setDesktopSize(width: UInt16, height: UInt16, screenCount: Int)
  /// A text of so many bytes follows, which nobody wants.
  case cutText(byteCount: Int)
}

/// What begins a run of bytes.
public enum RFBParse: Equatable, Sendable {
  case message(RFBClientMessage, byteCount: Int)
  /// Not all of it is there.
  case incomplete
  /// Nothing that can be understood, or more than anybody sends.
  case nonsense
}

extension RFBClientMessage {
  /// Viewers list about twenty.
  public static let mostEncodings = 1024
  /// The longest message that is parsed as a whole.
  public static let mostBytes = 4 + 4 * mostEncodings

  public static func parse(_ bytes: ArraySlice<UInt8>) -> RFBParse {
    guard let type = bytes.first else { return .incomplete }
    var reader = RFBReader(bytes.dropFirst())
    switch type {
    case 0: return setPixelFormat(bytes)
    case 2: return setEncodings(bytes)
    case 3:
      guard bytes.count >= 10, let incremental = reader.u8(), let x = reader.u16(), let y = reader.u16(),
        let width = reader.u16(), let height = reader.u16()
      else { return .incomplete }
      let area = RFBRectangle(x: x, y: y, width: width, height: height)
      return .message(.updateRequest(incremental: incremental != 0, area), byteCount: 10)
    case 4:
      guard bytes.count >= 8, let isDown = reader.u8() else { return .incomplete }
      reader.skip(2)
      guard let symbol = reader.u32() else { return .incomplete }
      return .message(.key(isDown: isDown != 0, symbol: symbol, keyCode: 0), byteCount: 8)
    case 5:
      guard let buttons = reader.u8(), let x = reader.u16(), let y = reader.u16() else { return .incomplete }
      return .message(.pointer(buttons: buttons, x: x, y: y), byteCount: 6)
    case 6:
      reader.skip(3)
      guard let count = reader.u32() else { return .incomplete }
      // Negative lengths belong to an extension that was not offered.
      guard let length = Int32(exactly: count) else { return .nonsense }
      return .message(.cutText(byteCount: Int(length)), byteCount: 8)
    case 251: return setDesktopSize(bytes)
    case 255: return extendedKey(bytes)
    default: return .nonsense
    }
  }

  private static func setPixelFormat(_ bytes: ArraySlice<UInt8>) -> RFBParse {
    let byteCount = 4 + RFBPixelFormat.byteCount
    guard bytes.count >= byteCount else { return .incomplete }
    guard let format = RFBPixelFormat(bytes.dropFirst(4)) else { return .nonsense }
    return .message(.setPixelFormat(format), byteCount: byteCount)
  }

  private static func setEncodings(_ bytes: ArraySlice<UInt8>) -> RFBParse {
    var reader = RFBReader(bytes.dropFirst(2))
    guard let count = reader.u16() else { return .incomplete }
    guard count <= mostEncodings else { return .nonsense }
    let byteCount = 4 + 4 * Int(count)
    guard bytes.count >= byteCount else { return .incomplete }
    let list = (0..<count).compactMap { _ in reader.u32().map { Int32(bitPattern: $0) } }
    return .message(.setEncodings(list), byteCount: byteCount)
  }

  /// rfbproto, SetDesktopSize: a size, and where the screens lie in it (16 bytes each).
  private static func setDesktopSize(_ bytes: ArraySlice<UInt8>) -> RFBParse {
    var reader = RFBReader(bytes.dropFirst(2))
    guard let width = reader.u16(), let height = reader.u16(), let screens = reader.u8() else { return .incomplete }
    let byteCount = 8 + 16 * Int(screens)
    guard bytes.count >= byteCount else { return .incomplete }
    return .message(
      .setDesktopSize(width: width, height: height, screenCount: Int(screens)), byteCount: byteCount)
  }

  /// rfbproto, QEMU Extended Key Event: the only one of QEMU's own messages that is offered.
  private static func extendedKey(_ bytes: ArraySlice<UInt8>) -> RFBParse {
    var reader = RFBReader(bytes.dropFirst())
    guard let kind = reader.u8() else { return .incomplete }
    guard kind == 0 else { return .nonsense }
    guard let isDown = reader.u16(), let symbol = reader.u32(), let code = reader.u32() else { return .incomplete }
    return .message(.key(isDown: isDown != 0, symbol: symbol, keyCode: code), byteCount: 12)
  }
}
