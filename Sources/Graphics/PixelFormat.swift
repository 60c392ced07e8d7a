// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import GPUProtocol
internal import Wire

/// Where the colours are in a pixel's four bytes, which are loaded as one little-endian number. Displays get one
/// format whatever the guest uses: 0xAARRGGBB, which is B8G8R8A8 in memory and what Linux's driver uses anyway.
struct PixelFormat: Equatable, Sendable {
  static let bytesPerPixel = 4

  private let red: UInt32
  private let green: UInt32
  private let blue: UInt32
  /// Where the opacity is, or the byte that means nothing.
  private let alpha: UInt32

  private init(red: UInt32, green: UInt32, blue: UInt32, alpha: UInt32) {
    self.red = red
    self.green = green
    self.blue = blue
    self.alpha = alpha
  }

  /// What displays get.
  static let native = PixelFormat(red: 16, green: 8, blue: 0, alpha: 24)

  /// Nil for a number that names no format.
  init?(_ wire: GPUFormat) {
    switch wire {
    case .b8g8r8a8, .b8g8r8x8: self = .native
    case .a8r8g8b8, .x8r8g8b8: self.init(red: 8, green: 16, blue: 24, alpha: 0)
    case .r8g8b8a8, .r8g8b8x8: self.init(red: 0, green: 8, blue: 16, alpha: 24)
    case .x8b8g8r8, .a8b8g8r8: self.init(red: 24, green: 16, blue: 8, alpha: 0)
    default: return nil
    }
  }

  /// Turns a row of pixels of this format into the displays' one, in place.
  func makeNative(_ row: Segment) {
    if self == .native { return }
    var offset = 0
    while let pixel = row.load(UInt32.self, at: offset) {
      let colours = (pixel >> red & 0xff) << 16 | (pixel >> green & 0xff) << 8 | pixel >> blue & 0xff
      row.store(colours | (pixel >> alpha & 0xff) << 24, at: offset)
      offset += PixelFormat.bytesPerPixel
    }
  }
}
