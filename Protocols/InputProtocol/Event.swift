// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

public import Wire

/// struct virtio_input_event: the numbers are those of <linux/input-event-codes.h>.
@frozen
public struct InputEvent: WireValue, Equatable {
  public var type: UInt16 = 0
  public var code: UInt16 = 0
  /// For axes a signed number.
  public var value: UInt32 = 0

  @inlinable
  public init() {}

  @inlinable
  public init(type: UInt16, code: UInt16, value: UInt32) {
    self.type = type
    self.code = code
    self.value = value
  }

  /// Ends what belongs together.
  public static var report: InputEvent { InputEvent() }

  public static func key(_ code: UInt16, isDown: Bool) -> InputEvent {
    InputEvent(type: InputEventType.key, code: code, value: isDown ? 1 : 0)
  }

  public static func absolute(_ axis: UInt16, _ value: Int) -> InputEvent {
    InputEvent(type: InputEventType.absolute, code: axis, value: UInt32(clamping: value))
  }

  public static func relative(_ axis: UInt16, _ value: Int32) -> InputEvent {
    InputEvent(type: InputEventType.relative, code: axis, value: UInt32(bitPattern: value))
  }
}

/// EV_*
public enum InputEventType {
  public static let synchronize: UInt16 = 0x00
  public static let key: UInt16 = 0x01
  public static let relative: UInt16 = 0x02
  public static let absolute: UInt16 = 0x03
  public static let led: UInt16 = 0x11
  public static let `repeat`: UInt16 = 0x14
}

/// REL_*
public enum InputRelativeAxis {
  public static let horizontalWheel: UInt16 = 0x06
  public static let wheel: UInt16 = 0x08
}

/// ABS_*
public enum InputAbsoluteAxis {
  public static let x: UInt16 = 0x00
  public static let y: UInt16 = 0x01
  /// Screens are of any size, so pointers tell a place in this range whatever the size is.
  public static let maximum = 0x7fff
}

/// BTN_*, and where keys begin and end.
public enum InputKey {
  public static let left: UInt16 = 0x110
  public static let right: UInt16 = 0x111
  public static let middle: UInt16 = 0x112
  public static let side: UInt16 = 0x113
  public static let extra: UInt16 = 0x114
  /// Most that the kernel's table holds (KEY_CNT is one more).
  public static let last: UInt16 = 0x2ff
}

/// LED_*
public enum InputLED {
  public static let numLock: UInt16 = 0x00
  public static let capsLock: UInt16 = 0x01
  public static let scrollLock: UInt16 = 0x02
}
