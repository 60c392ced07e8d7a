// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

public import InputProtocol
internal import Wire

/// What an input device says it is and can do: the answers of its configuration space.
public struct InputIdentity: Equatable, Sendable {
  public var name: String
  public var serial = ""
  public var ids = InputDeviceIDs()
  /// INPUT_PROP_*, as a bitmap.
  public var properties: [UInt8] = []
  /// By type of event, a bitmap of its codes.
  public var events: [UInt8: [UInt8]] = [:]
  /// By axis.
  public var axes: [UInt8: InputAbsoluteInformation] = [:]

  public init(name: String) {
    self.name = name
  }

  /// A keyboard, and a pointer that knows where on the screen it is: one device for all that a viewer does. Guests tell
  /// the two halves apart by what they can do.
  public static let keyboardAndTablet: InputIdentity = {
    var identity = InputIdentity(name: "Martlet keyboard and tablet")
    // BUS_VIRTUAL.
    identity.ids = InputDeviceIDs(busType: 6, vendor: 0, product: 1, version: 1)
    // Keys up to F24, and five buttons.
    identity.allow(InputEventType.key, Array(1...194) + Array(InputKey.left...InputKey.extra))
    identity.allow(InputEventType.relative, [InputRelativeAxis.wheel, InputRelativeAxis.horizontalWheel])
    identity.allow(InputEventType.absolute, [InputAbsoluteAxis.x, InputAbsoluteAxis.y])
    identity.allow(InputEventType.led, [InputLED.numLock, InputLED.capsLock, InputLED.scrollLock])
    // Linux repeats keys by itself if there is an answer to this, whatever it says.
    identity.events[UInt8(InputEventType.repeat)] = [0]
    let range = InputAbsoluteInformation(minimum: 0, maximum: UInt32(InputAbsoluteAxis.maximum))
    identity.axes = [UInt8(InputAbsoluteAxis.x): range, UInt8(InputAbsoluteAxis.y): range]
    return identity
  }()

  private mutating func allow(_ type: UInt16, _ codes: [UInt16]) {
    var bitmap = [UInt8](repeating: 0, count: Int(codes.max() ?? 0) / 8 + 1)
    for code in codes { bitmap[Int(code) / 8] |= 1 << UInt8(code % 8) }
    events[UInt8(type)] = bitmap
  }

  /// What the driver reads after it has selected something; empty where there is nothing to say.
  func answer(_ select: UInt8, _ subselect: UInt8) -> [UInt8] {
    let answer: [UInt8] =
      switch select {
      case InputSelect.name where subselect == 0: Array(name.utf8)
      case InputSelect.serial where subselect == 0: Array(serial.utf8)
      case InputSelect.deviceIDs where subselect == 0: ids.bytes
      case InputSelect.propertyBits where subselect == 0: properties
      case InputSelect.eventBits: events[subselect] ?? []
      case InputSelect.absoluteInformation: axes[subselect]?.bytes ?? []
      default: []
      }
    return Array(answer.prefix(InputConfiguration.longestAnswer))
  }
}
