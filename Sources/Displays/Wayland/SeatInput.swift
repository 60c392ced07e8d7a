// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import Graphics
internal import InputProtocol
internal import WaylandProtocol

/// A seat's keyboard and pointer: turns what it says into events, and lets go of everything when it looks elsewhere.
/// Keys and buttons have the kernel's numbers already.
struct SeatInput {
  private static let keys: ClosedRange<UInt32> = 1...0xff
  private static let buttons = UInt32(InputKey.left)...UInt32(InputKey.extra)
  /// What one step of a wheel is for devices that know no steps (libinput's 10, with 8 bits behind the point).
  private static let stepLength = 2560
  /// A report of the pointer that a compositor never ends is cut here.
  private static let mostPending = 64

  private var held: Set<UInt16> = []
  /// What the pointer did since its last frame event.
  private var pending: [InputEvent] = []
  private var steps: [WaylandAxis: Int32] = [:]
  private var lengths: [WaylandAxis: Int] = [:]

  mutating func key(_ code: UInt32, isDown: Bool) -> [InputEvent] {
    SeatInput.keys.contains(code) ? change(UInt16(code), isDown: isDown) : []
  }

  private mutating func change(_ code: UInt16, isDown: Bool) -> [InputEvent] {
    if isDown { return held.insert(code).inserted ? [.key(code, isDown: true)] : [] }
    return held.remove(code) == nil ? [] : [.key(code, isDown: false)]
  }

  mutating func motion(to pixel: (x: Int, y: Int), on desktop: DesktopPart) {
    // The last place of a frame counts.
    pending.removeAll { $0.type == InputEventType.absolute }
    pending += PointerPlace.events(x: pixel.x, y: pixel.y, on: desktop)
  }

  mutating func button(_ code: UInt32, isDown: Bool) {
    guard SeatInput.buttons.contains(code), pending.count < SeatInput.mostPending else { return }
    pending += change(UInt16(code), isDown: isDown)
  }

  mutating func axis(_ axis: WaylandAxis, _ length: WaylandFixed) {
    // Bounded before it is added up: nobody turns a wheel a thousand steps at once.
    let most = 1000 * SeatInput.stepLength
    lengths[axis] = min(max(lengths[axis, default: 0] + Int(length.raw), -most), most)
  }

  mutating func axis(_ axis: WaylandAxis, steps count: Int32) {
    steps[axis] = min(max(count, -1000), 1000)
  }

  /// The pointer's events that belong together.
  mutating func frame() -> [InputEvent] {
    for (axis, code, sign) in [
      (WaylandAxis.vertical, InputRelativeAxis.wheel, Int32(-1)), (.horizontal, InputRelativeAxis.horizontalWheel, 1),
    ] {
      var count = Int(steps[axis] ?? 0)
      if steps[axis] == nil, let length = lengths[axis] {
        count = length / SeatInput.stepLength
        lengths[axis] = length - count * SeatInput.stepLength
      } else {
        lengths[axis] = nil
      }
      if count != 0 { pending.append(.relative(code, Int32(count) * sign)) }
    }
    steps = [:]
    defer { pending = [] }
    return pending
  }

  /// Nobody holds anything any more.
  mutating func release(_ isIncluded: (UInt16) -> Bool = { _ in true }) -> [InputEvent] {
    let released = held.filter(isIncluded).sorted()
    held.subtract(released)
    return released.map { .key($0, isDown: false) }
  }

  mutating func releaseKeys() -> [InputEvent] { release { $0 < InputKey.left } }
  mutating func releaseButtons() -> [InputEvent] { release { $0 >= InputKey.left } }
}
