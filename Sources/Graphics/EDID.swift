// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a screen tells about itself (VESA E-EDID 1.4, DisplayID 1.3). Linux takes its preferred mode from here; without
// a valid one it falls back to a list of modes, the largest of which programs then choose.

/// A display's identification: 128 bytes, or 256 where the size needs a DisplayID extension.
enum EDID {
  /// A mode at 60 Hz with reduced blanking (VESA CVT 1.2, section 5.4).
  struct Timing {
    let width: Int
    let height: Int
    let horizontalBlank = 160
    let horizontalFront = 48
    let horizontalSync = 32
    let verticalBlank: Int
    let verticalFront = 3
    let verticalSync = 10
    /// In units of 10 kHz.
    let clock: Int

    static let refresh = 60

    init(width: Int, height: Int) {
      self.width = width
      self.height = height
      // At least 460 us without picture, and front, sync and 6 lines behind them.
      let lines = 460 * height * EDID.Timing.refresh / (1_000_000 - 460 * EDID.Timing.refresh) + 1
      verticalBlank = max(lines, verticalFront + verticalSync + 6)
      clock = ((width + horizontalBlank) * (height + verticalBlank) * EDID.Timing.refresh + 5000) / 10_000
    }

    /// What the 18 bytes of EDID can say: 12 bits per length, 16 for the clock.
    var fitsBaseBlock: Bool {
      width <= 4095 && height <= 4095 && verticalBlank <= 4095 && clock <= 65535
    }
  }

  private static let blockByteCount = 128
  /// Dots per inch: decides the size in millimetres, from which desktops choose their scale.
  private static let density = 96

  static func bytes(width: Int, height: Int, serial: UInt32) -> [UInt8] {
    let timing = Timing(width: width, height: height)
    if timing.fitsBaseBlock { return baseBlock(timing, of: timing, serial, extensions: 0) }
    // The base block must have a mode: one that every driver can show.
    let fallback = Timing(width: 1920, height: 1080)
    return baseBlock(fallback, of: timing, serial, extensions: 1) + displayID(timing)
  }

  private static func millimetres(_ pixels: Int) -> Int { pixels * 254 / (density * 10) }

  private static func low(_ value: Int) -> UInt8 { UInt8(truncatingIfNeeded: value) }

  private static func nibbles(_ high: Int, _ low: Int) -> UInt8 {
    UInt8(truncatingIfNeeded: (high & 15) << 4 | low & 15)
  }

  /// The last byte makes the sum of all 0.
  private static func checksum(_ bytes: ArraySlice<UInt8>) -> UInt8 {
    0 &- bytes.reduce(0, &+)
  }

  /// - Parameter screen: the mode from which the size of the glass follows.
  private static func baseBlock(
    _ timing: Timing, of screen: Timing, _ serial: UInt32, extensions: UInt8
  ) -> [UInt8] {
    var block: [UInt8] = [0x00, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0x00]
    // "MLT" in five bits a letter, product 1, the scanout's number as serial number.
    let maker = (13 << 10) | (12 << 5) | 20
    block += [low(maker >> 8), low(maker), 1, 0]
    block += (0..<4).map { low(Int(serial >> UInt32(8 * $0))) }
    // Week 1 of 2026, EDID 1.4; digital, 8 bits a colour, DisplayPort.
    block += [1, 36, 1, 4, 0xa5]
    block += [low(min(millimetres(screen.width) / 10, 255)), low(min(millimetres(screen.height) / 10, 255))]
    // Gamma 2.2; sRGB, the first mode is the native one, any mode goes.
    block += [120, 0x07]
    // sRGB's colours.
    block += [0xee, 0x91, 0xa3, 0x54, 0x4c, 0x99, 0x26, 0x0f, 0x50, 0x54]
    // Established: 640x480, 800x600 and 1024x768 at 60 Hz; no standard timings.
    block += [0x21, 0x08, 0x00]
    block += [UInt8](repeating: 1, count: 16)
    block += detailed(timing, of: screen)
    // Range limits: 50 to 125 Hz, 30 to 160 kHz, the clock in steps of 10 MHz, nothing else.
    let clock = min((screen.clock + 999) / 1000, 255)
    block += [0, 0, 0, 0xfd, 0, 50, 125, 30, 160, low(clock), 1, 10, 32, 32, 32, 32, 32, 32]
    block += [0, 0, 0, 0xfc, 0] + Array("Martlet\n     ".utf8)
    // A dummy.
    block += [0, 0, 0, 0x10, 0] + [UInt8](repeating: 0, count: 13)
    block.append(extensions)
    block.append(checksum(block[...]))
    return block
  }

  /// A detailed timing of 18 bytes (E-EDID 1.4, section 3.10.2).
  private static func detailed(_ timing: Timing, of screen: Timing) -> [UInt8] {
    let width = min(millimetres(screen.width), 4095)
    let height = min(millimetres(screen.height), 4095)
    return [
      low(timing.clock), low(timing.clock >> 8),
      low(timing.width), low(timing.horizontalBlank), nibbles(timing.width >> 8, timing.horizontalBlank >> 8),
      low(timing.height), low(timing.verticalBlank), nibbles(timing.height >> 8, timing.verticalBlank >> 8),
      low(timing.horizontalFront), low(timing.horizontalSync), nibbles(timing.verticalFront, timing.verticalSync),
      // The high bits of the four before: none, with reduced blanking.
      0,
      low(width), low(height), nibbles(width >> 8, height >> 8), 0, 0,
      // Digital separate sync, horizontal positive: reduced blanking.
      0x1a,
    ]
  }

  /// A DisplayID extension with one detailed timing of type I (DisplayID 1.3, sections 2 and 4.4.1): 16 bits per
  /// length, 24 for the clock. All are stored less 1.
  private static func displayID(_ timing: Timing) -> [UInt8] {
    func word(_ value: Int) -> [UInt8] { [low(value), low(value >> 8)] }
    let clock = timing.clock - 1
    // Version 1.3, 23 bytes of data blocks, a stand-alone display, no more sections.
    var section: [UInt8] = [0x13, 23, 0x03, 0]
    section += [0x03, 0, 20]
    // Preferred, progressive, no aspect ratio.
    section += [low(clock), low(clock >> 8), low(clock >> 16), 0x88]
    section += word(timing.width - 1) + word(timing.horizontalBlank - 1)
    section += word((timing.horizontalFront - 1) | 0x8000) + word(timing.horizontalSync - 1)
    section += word(timing.height - 1) + word(timing.verticalBlank - 1)
    section += word(timing.verticalFront - 1) + word(timing.verticalSync - 1)
    section.append(checksum(section[...]))
    var block = [0x70] + section
    block += [UInt8](repeating: 0, count: blockByteCount - 1 - block.count)
    block.append(checksum(block[...]))
    return block
  }
}
