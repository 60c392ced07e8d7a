// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import RFBProtocol
internal import Wire

/// Turns a screen's pixels into those of one viewer, by one table per colour, made when the viewer says what it wants.
struct PixelTranslation {
  let format: RFBPixelFormat
  /// Four-byte pixels of the viewer are those of the screen: rows are copied as they are.
  let isNative: Bool
  /// Bytes of a pixel in encodings that leave out what says nothing.
  let compactByteCount: Int
  /// Bits to shift a pixel by for those.
  private let compactShift: UInt32
  private let red: [UInt32]
  private let green: [UInt32]
  private let blue: [UInt32]

  init(_ format: RFBPixelFormat) {
    self.format = format
    // The depth is the viewer's own affair: it changes no byte.
    var native = RFBPixelFormat.native
    native.depth = format.depth
    isNative = format == native
    let compact = format.compactBytes
    compactByteCount = compact?.count ?? format.bytesPerPixel
    compactShift = UInt32(8 * (compact?.lowerBound ?? 0))
    red = PixelTranslation.table(format, format.redMax, format.redShift)
    green = PixelTranslation.table(format, format.greenMax, format.greenShift)
    blue = PixelTranslation.table(format, format.blueMax, format.blueShift)
  }

  /// What each of 256 shades adds to a pixel. The number's bytes, the lowest first, are those on the wire: a pixel's
  /// colours may lie across bytes, but turning bytes round and putting colours together can change places.
  private static func table(_ format: RFBPixelFormat, _ most: UInt16, _ shift: UInt8) -> [UInt32] {
    (0..<256).map { shade in
      let value = ((UInt32(shade) * UInt32(most) + 127) / 255) << UInt32(shift)
      guard format.bigEndian else { return value }
      return value.byteSwapped >> UInt32(32 - format.bytesPerPixel * 8)
    }
  }

  /// A pixel as it goes out: the low `bytesPerPixel` bytes.
  @inline(__always)
  func full(_ pixel: UInt32) -> UInt32 {
    red[Int(pixel >> 16 & 0xff)] | green[Int(pixel >> 8 & 0xff)] | blue[Int(pixel & 0xff)]
  }

  /// A pixel without what says nothing: the low `compactByteCount` bytes.
  @inline(__always)
  func compact(_ pixel: UInt32) -> UInt32 { full(pixel) >> compactShift }
}

extension ByteWriter {
  /// Appends the low `byteCount` bytes of a number, 1 to 4.
  @inline(__always)
  mutating func append(_ value: UInt32, byteCount: Int) {
    switch byteCount {
    case 1: append(UInt8(truncatingIfNeeded: value))
    case 2: append(UInt16(truncatingIfNeeded: value))
    case 3:
      append(UInt16(truncatingIfNeeded: value))
      append(UInt8(truncatingIfNeeded: value >> 16))
    default: append(value)
    }
  }
}
