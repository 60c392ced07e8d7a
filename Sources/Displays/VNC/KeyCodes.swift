// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Which key of <linux/input-event-codes.h> a viewer means: by the key's own code where it tells that (then the guest's
// layout decides what it writes), else by the symbol, as on a US keyboard.

enum KeyCodes {
  /// From a PC keyboard's code of set 1, with bit 7 set for what has the prefix E0. Below that the kernel's numbers are
  /// the same up to 0x58.
  static func code(keyCode: UInt32) -> UInt16? {
    guard keyCode > 0, keyCode <= 0xff else { return nil }
    if let special = extended[UInt8(keyCode)] { return special }
    // 0x54 to 0x56: SysRq, nothing, the key beside the left shift.
    return keyCode <= 0x53 || (0x56...0x58).contains(keyCode) ? UInt16(keyCode) : nil
  }

  private static let extended: [UInt8: UInt16] = [
    0x54: 99, 0x59: 117, 0x70: 93, 0x73: 89, 0x79: 92, 0x7b: 94, 0x7d: 124, 0x7e: 121, 0x90: 165, 0x99: 163, 0x9c: 96,
    0x9d: 97, 0xa0: 113, 0xa2: 164, 0xa4: 166, 0xae: 114, 0xb0: 115, 0xb5: 98, 0xb7: 99, 0xb8: 100, 0xc6: 119,
    0xc7: 102, 0xc8: 103, 0xc9: 104, 0xcb: 105, 0xcd: 106, 0xcf: 107, 0xd0: 108, 0xd1: 109, 0xd2: 110, 0xd3: 111,
    0xdb: 125, 0xdc: 126, 0xdd: 127,
  ]

  /// From a symbol of X11 (X11/keysymdef.h).
  static func code(symbol: UInt32) -> UInt16? { bySymbol[symbol] }

  private static let bySymbol: [UInt32: UInt16] = {
    var codes = others
    // Each row from its first key on, without shift and with it.
    let rows: [(first: UInt16, plain: String, shifted: String)] = [
      (2, "1234567890-=", "!@#$%^&*()_+"), (16, "qwertyuiop[]", "QWERTYUIOP{}"), (30, "asdfghjkl;'`", "ASDFGHJKL:\"~"),
      (43, "\\zxcvbnm,./", "|ZXCVBNM<>?"),
    ]
    for row in rows {
      for line in [row.plain, row.shifted] {
        for (index, symbol) in line.unicodeScalars.enumerated() { codes[symbol.value] = row.first + UInt16(index) }
      }
    }
    // Function keys: ten in a row, two that came later, twelve more.
    for index in UInt32(0)..<10 { codes[0xffbe + index] = UInt16(59 + index) }
    for index in UInt32(0)..<2 { codes[0xffc8 + index] = UInt16(87 + index) }
    for index in UInt32(0)..<12 { codes[0xffca + index] = UInt16(183 + index) }
    return codes
  }()

  private static let others: [UInt32: UInt16] = [
    0x20: 57, 0xff08: 14, 0xff09: 15, 0xff0d: 28, 0xff13: 119, 0xff14: 70, 0xff15: 99, 0xff1b: 1, 0xff50: 102,
    0xff51: 105, 0xff52: 103, 0xff53: 106, 0xff54: 108, 0xff55: 104, 0xff56: 109, 0xff57: 107, 0xff61: 99, 0xff63: 110,
    0xff67: 127, 0xff6b: 119, 0xff7f: 69, 0xffff: 111,
    // ISO_Left_Tab, ISO_Level3_Shift, Mode_switch.
    0xfe20: 15, 0xfe03: 100, 0xff7e: 100,
    // The block of digits: Enter, and what the keys are without Num Lock and with it.
    0xff8d: 96, 0xff95: 71, 0xff96: 75, 0xff97: 72, 0xff98: 77, 0xff99: 80, 0xff9a: 73, 0xff9b: 81, 0xff9c: 79,
    0xff9d: 76, 0xff9e: 82, 0xff9f: 83, 0xffaa: 55, 0xffab: 78, 0xffac: 121, 0xffad: 74, 0xffae: 83, 0xffaf: 98,
    0xffb0: 82, 0xffb1: 79, 0xffb2: 80, 0xffb3: 81, 0xffb4: 75, 0xffb5: 76, 0xffb6: 77, 0xffb7: 71, 0xffb8: 72,
    0xffb9: 73, 0xffbd: 117,
    // Shift, Control, Caps Lock, Meta, Alt, Super, Hyper.
    0xffe1: 42, 0xffe2: 54, 0xffe3: 29, 0xffe4: 97, 0xffe5: 58, 0xffe7: 56, 0xffe8: 100, 0xffe9: 56, 0xffea: 100,
    0xffeb: 125, 0xffec: 126,
  ]
}
