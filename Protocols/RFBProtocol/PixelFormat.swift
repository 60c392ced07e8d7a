// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
/// PIXEL_FORMAT (7.4): how a viewer wants its pixels.
public struct RFBPixelFormat: Equatable, Sendable {
  public static let byteCount = 16

  /// 8, 16 or 32.
  public var bitsPerPixel: UInt8
  public var depth: UInt8
  public var bigEndian: Bool
  /// False: pixels are indices into a map of colours.
  public var trueColour: Bool
  public var redMax: UInt16
  public var greenMax: UInt16
  public var blueMax: UInt16
  public var redShift: UInt8
  public var greenShift: UInt8
  public var blueShift: UInt8

  /// 0xXXRRGGBB, little-endian: what screens have.
  public static let native = RFBPixelFormat(
    bitsPerPixel: 32, depth: 24, bigEndian: false, trueColour: true, redMax: 255, greenMax: 255, blueMax: 255,
    redShift: 16, greenShift: 8, blueShift: 0)
  /// What a viewer with a map of colours gets: a fixed map of 256, three bits of red and green and two of blue.
  public static let mapped = RFBPixelFormat(
    bitsPerPixel: 8, depth: 8, bigEndian: false, trueColour: false, redMax: 7, greenMax: 7, blueMax: 3,
    redShift: 5, greenShift: 2, blueShift: 0)

  public init(
    bitsPerPixel: UInt8, depth: UInt8, bigEndian: Bool, trueColour: Bool, redMax: UInt16, greenMax: UInt16,
    blueMax: UInt16, redShift: UInt8, greenShift: UInt8, blueShift: UInt8
  ) {
    self.bitsPerPixel = bitsPerPixel
    self.depth = depth
    self.bigEndian = bigEndian
    self.trueColour = trueColour
    self.redMax = redMax
    self.greenMax = greenMax
    self.blueMax = blueMax
    self.redShift = redShift
    self.greenShift = greenShift
    self.blueShift = blueShift
  }

  /// Nil for what cannot be served: other sizes, colours that do not fit into a pixel or lie over each other, a map of
  /// colours with pixels of more than 8 bits.
  public init?(_ bytes: ArraySlice<UInt8>) {
    var reader = RFBReader(bytes)
    guard let bits = reader.u8(), let depth = reader.u8(), let big = reader.u8(), let colour = reader.u8(),
      let red = reader.u16(), let green = reader.u16(), let blue = reader.u16(), let redShift = reader.u8(),
      let greenShift = reader.u8(), let blueShift = reader.u8(), [8, 16, 32].contains(bits)
    else { return nil }
    if colour == 0 {
      guard bits == 8 else { return nil }
      self = .mapped
      return
    }
    var taken: UInt64 = 0
    for (most, shift) in [(red, redShift), (green, greenShift), (blue, blueShift)] {
      // RFC 6143: 2^N - 1.
      guard most > 0, most & (most &+ 1) == 0, shift < bits else { return nil }
      let mask = UInt64(most) << UInt64(shift)
      guard mask >> UInt64(bits) == 0, taken & mask == 0 else { return nil }
      taken |= mask
    }
    self.init(
      bitsPerPixel: bits, depth: depth, bigEndian: big != 0, trueColour: true, redMax: red, greenMax: green,
      blueMax: blue, redShift: redShift, greenShift: greenShift, blueShift: blueShift)
  }

  public var bytesPerPixel: Int { Int(bitsPerPixel) / 8 }

  public var bytes: [UInt8] {
    var writer = RFBWriter()
    writer.u8(bitsPerPixel)
    writer.u8(depth)
    writer.u8(bigEndian ? 1 : 0)
    writer.u8(trueColour ? 1 : 0)
    for most in [redMax, greenMax, blueMax] { writer.u16(most) }
    for shift in [redShift, greenShift, blueShift] { writer.u8(shift) }
    writer.zeroes(3)
    return writer.bytes
  }

  /// The three bytes of a four-byte pixel that say something, for encodings that leave the fourth out (CPIXEL, 7.7.6);
  /// nil where all count. By place on the wire.
  public var compactBytes: Range<Int>? {
    guard trueColour, bitsPerPixel == 32, depth <= 24 else { return nil }
    let mask =
      UInt32(redMax) << UInt32(redShift) | UInt32(greenMax) << UInt32(greenShift)
      | UInt32(blueMax) << UInt32(blueShift)
    if mask & 0xff00_0000 == 0 { return bigEndian ? 1..<4 : 0..<3 }
    if mask & 0xff == 0 { return bigEndian ? 0..<3 : 1..<4 }
    return nil
  }
}
