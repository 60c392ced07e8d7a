// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import InputProtocol
import Testing
import Wire

/// Room InputProtocol says what <linux/virtio_input.h> and <linux/input-event-codes.h> say.
///
/// - Every struct has the size and every field the offset of the C struct, without implicit padding.
/// - Every constant has the header's value.
/// - The oracle and the tables of this suite name the same things, so nothing is left out on either side.
@Suite struct InputHeaderTests {
  static let layouts: [Layout] = [
    layout(
      InputAbsoluteInformation.self, "virtio_input_absinfo",
      ["min": \.minimum, "max": \.maximum, "fuzz": \.fuzz, "flat": \.flat, "res": \.resolution]),
    layout(
      InputDeviceIDs.self, "virtio_input_devids",
      ["bustype": \.busType, "vendor": \.vendor, "product": \.product, "version": \.version]),
    layout(
      InputConfiguration.self, "virtio_input_config",
      ["select": \.select, "subsel": \.subselect, "size": \.size, "reserved": \.reserved, "u": \.answer]),
    layout(InputEvent.self, "virtio_input_event", ["type": \.type, "code": \.code, "value": \.value]),
  ]

  static let constants: [(name: String, ours: UInt32)] = [
    ("VIRTIO_INPUT_CFG_UNSET", UInt32(InputSelect.unset)),
    ("VIRTIO_INPUT_CFG_ID_NAME", UInt32(InputSelect.name)),
    ("VIRTIO_INPUT_CFG_ID_SERIAL", UInt32(InputSelect.serial)),
    ("VIRTIO_INPUT_CFG_ID_DEVIDS", UInt32(InputSelect.deviceIDs)),
    ("VIRTIO_INPUT_CFG_PROP_BITS", UInt32(InputSelect.propertyBits)),
    ("VIRTIO_INPUT_CFG_EV_BITS", UInt32(InputSelect.eventBits)),
    ("VIRTIO_INPUT_CFG_ABS_INFO", UInt32(InputSelect.absoluteInformation)),
    ("EV_SYN", UInt32(InputEventType.synchronize)),
    ("EV_KEY", UInt32(InputEventType.key)),
    ("EV_REL", UInt32(InputEventType.relative)),
    ("EV_ABS", UInt32(InputEventType.absolute)),
    ("EV_LED", UInt32(InputEventType.led)),
    ("EV_REP", UInt32(InputEventType.repeat)),
    ("REL_HWHEEL", UInt32(InputRelativeAxis.horizontalWheel)),
    ("REL_WHEEL", UInt32(InputRelativeAxis.wheel)),
    ("ABS_X", UInt32(InputAbsoluteAxis.x)),
    ("ABS_Y", UInt32(InputAbsoluteAxis.y)),
    ("BTN_LEFT", UInt32(InputKey.left)),
    ("BTN_RIGHT", UInt32(InputKey.right)),
    ("BTN_MIDDLE", UInt32(InputKey.middle)),
    ("BTN_SIDE", UInt32(InputKey.side)),
    ("BTN_EXTRA", UInt32(InputKey.extra)),
    ("KEY_MAX", UInt32(InputKey.last)),
    ("LED_NUML", UInt32(InputLED.numLock)),
    ("LED_CAPSL", UInt32(InputLED.capsLock)),
    ("LED_SCROLLL", UInt32(InputLED.scrollLock)),
  ]

  @Test(arguments: layouts)
  func structLiesInMemoryAsTheKernelSays(layout: Layout) throws {
    #expect(Oracle.values["sizeof \(layout.cName)"] == UInt64(layout.size))
    for (name, offset) in layout.offsets {
      #expect(Oracle.values["\(layout.cName).\(name)"] == offset.map(UInt64.init), "\(name)")
    }
    expectExplicitPadding(layout)
  }

  @Test func constantsHaveTheValuesOfTheHeader() {
    for constant in Self.constants {
      #expect(Oracle.values[constant.name] == UInt64(constant.ours), "\(constant.name)")
    }
  }

  @Test func oracleAndLayoutsNameTheSameThings() {
    var ours = Set(Self.constants.map(\.name))
    for layout in Self.layouts {
      ours.insert("sizeof \(layout.cName)")
      for field in layout.offsets { ours.insert("\(layout.cName).\(field.name)") }
    }
    let starts = ["EV_", "REL_", "ABS_", "BTN_", "KEY_", "LED_", "VIRTIO_INPUT_"]
    let theirs = Oracle.values.keys.filter { name in
      name.contains("virtio_input") || starts.contains { name.hasPrefix($0) }
    }
    #expect(Set(theirs) == ours)
  }

  @Test func aKeyAsTheGuestReadsIt() throws {
    // EV_KEY, KEY_A, pressed: little-endian.
    #expect(encoded(InputEvent.key(30, isDown: true)) == hex("0100 1e00 01000000"))
    #expect(encoded(InputEvent.relative(8, -1)) == hex("0200 0800 ffffffff"))
    #expect(encoded(InputEvent.report) == hex("0000 0000 00000000"))
  }
}
