// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the server says, as bytes. Pixels are not among it: they are written straight to where they are sent from.

extension RFBWriter {
  /// ServerInit (7.3.2).
  public static func serverInit(width: Int, height: Int, name: String) -> [UInt8] {
    var writer = RFBWriter()
    writer.u16(UInt16(clamping: width))
    writer.u16(UInt16(clamping: height))
    for byte in RFBPixelFormat.native.bytes { writer.u8(byte) }
    writer.text(name)
    return writer.bytes
  }

  /// Begins a FramebufferUpdate (7.6.1).
  public mutating func updateHeader(rectangleCount: Int) {
    u8(RFBServerMessage.framebufferUpdate)
    u8(0)
    u16(UInt16(clamping: rectangleCount))
  }

  public static let rectangleHeaderByteCount = 12

  public mutating func rectangleHeader(x: Int, y: Int, width: Int, height: Int, encoding: Int32) {
    for number in [x, y, width, height] { u16(UInt16(clamping: number)) }
    s32(encoding)
  }

  /// An ExtendedDesktopSize rectangle with its one screen.
  public mutating func extendedDesktopSize(width: Int, height: Int, reason: UInt16, status: UInt16) {
    rectangleHeader(
      x: Int(reason), y: Int(status), width: width, height: height, encoding: RFBEncoding.extendedDesktopSize)
    u8(1)
    zeroes(3)
    // Screen 0 at the top left, without flags.
    u32(0)
    for number in [0, 0, width, height] { u16(UInt16(clamping: number)) }
    u32(0)
  }

  /// SetColourMapEntries (7.6.2) for `RFBPixelFormat.mapped`: all 256.
  public static var colourMap: [UInt8] {
    var writer = RFBWriter()
    writer.u8(RFBServerMessage.setColourMapEntries)
    writer.u8(0)
    writer.u16(0)
    writer.u16(256)
    for index in UInt32(0)..<256 {
      writer.u16(UInt16((index >> 5) * 65535 / 7))
      writer.u16(UInt16((index >> 2 & 7) * 65535 / 7))
      writer.u16(UInt16((index & 3) * 65535 / 3))
    }
    return writer.bytes
  }
}
