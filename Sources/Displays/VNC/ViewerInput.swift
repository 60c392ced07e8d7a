// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import Graphics
internal import InputProtocol

/// One viewer's keyboard and pointer: turns what it says into events, and lets go of everything when it leaves.
struct ViewerInput {
  private var heldKeys: Set<UInt16> = []
  private var buttons: UInt8 = 0

  /// A key that is held sends itself again and again: the guest makes repeats of its own.
  mutating func key(symbol: UInt32, keyCode: UInt32, isDown: Bool) -> [InputEvent] {
    guard let code = KeyCodes.code(keyCode: keyCode) ?? KeyCodes.code(symbol: symbol) else { return [] }
    if isDown {
      return heldKeys.insert(code).inserted ? [.key(code, isDown: true)] : []
    }
    return heldKeys.remove(code) == nil ? [] : [.key(code, isDown: false)]
  }

  /// Buttons by their bits, as RFC 6143 section 7.5.5 and viewers of today have them.
  private static let buttonCodes: [(bit: UInt8, code: UInt16)] = [
    (0x01, InputKey.left), (0x02, InputKey.middle), (0x04, InputKey.right), (0x80, InputKey.side),
  ]
  /// Wheels are buttons that are pressed for a moment.
  private static let wheels: [(bit: UInt8, axis: UInt16, step: Int32)] = [
    (0x08, InputRelativeAxis.wheel, 1), (0x10, InputRelativeAxis.wheel, -1),
    (0x20, InputRelativeAxis.horizontalWheel, -1), (0x40, InputRelativeAxis.horizontalWheel, 1),
  ]

  mutating func pointer(x: Int, y: Int, buttons now: UInt8, on desktop: DesktopPart) -> [InputEvent] {
    // Also where this viewer's pointer has not moved: another's may have.
    var events = PointerPlace.events(x: x, y: y, on: desktop)
    for (bit, code) in ViewerInput.buttonCodes where (now ^ buttons) & bit != 0 {
      events.append(.key(code, isDown: now & bit != 0))
    }
    for (bit, axis, step) in ViewerInput.wheels where now & ~buttons & bit != 0 {
      events.append(.relative(axis, step))
    }
    buttons = now
    return events
  }

  /// Nobody holds anything any more.
  mutating func release() -> [InputEvent] {
    let keys = heldKeys.sorted().map { InputEvent.key($0, isDown: false) }
    let pressed = ViewerInput.buttonCodes.filter { buttons & $0.bit != 0 }.map {
      InputEvent.key($0.code, isDown: false)
    }
    heldKeys = []
    buttons = 0
    return keys + pressed
  }
}
