// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import InputProtocol

/// Puts a host device's events together that belong together: up to a SYN_REPORT.
struct ReportAssembly {
  private static let dropped: UInt16 = 3
  /// The host repeats a key that is held. The guest does that by itself, and would have both.
  private static let repeated: UInt32 = 2
  private static let sound: UInt16 = 0x12
  /// More than any device says at once.
  private static let mostEvents = 512

  private var events: [InputEvent] = []
  /// Keys and buttons that the guest was told of and not that they were let go of.
  private var heldKeys = Set<UInt16>()
  /// The kernel's own buffer was full: what follows up to the next report is incomplete.
  private var isBroken = false

  enum Step: Equatable {
    case incomplete
    case complete([InputEvent])
    /// Events are missing: `catchUp` says what they were about.
    case lost
  }

  mutating func add(_ event: InputEvent) -> Step {
    guard event.type == InputEventType.synchronize else {
      if events.count < ReportAssembly.mostEvents, isWorthTelling(event) { events.append(event) }
      return .incomplete
    }
    if event.code == ReportAssembly.dropped { isBroken = true }
    guard event.code == 0 else { return .incomplete }
    defer {
      events.removeAll(keepingCapacity: true)
      isBroken = false
    }
    if isBroken { return .lost }
    if events.isEmpty { return .incomplete }
    for event in events where event.type == InputEventType.key {
      if event.value == 0 { heldKeys.remove(event.code) } else { heldKeys.insert(event.code) }
    }
    return .complete(events)
  }

  /// What people do. The lights and sounds of which the kernel tells too are those that the guest has switched itself:
  /// told of a late one, it would switch it back.
  private func isWorthTelling(_ event: InputEvent) -> Bool {
    switch event.type {
    case InputEventType.key: event.value != ReportAssembly.repeated
    case InputEventType.led, ReportAssembly.sound, InputEventType.repeat: false
    default: true
    }
  }

  /// What the guest has to be told of keys and buttons of which these are down.
  mutating func catchUp(with held: Set<UInt16>) -> [InputEvent] {
    let released = heldKeys.subtracting(held).sorted().map { InputEvent.key($0, isDown: false) }
    let pressed = held.subtracting(heldKeys).sorted().map { InputEvent.key($0, isDown: true) }
    heldKeys = held
    return released + pressed
  }
}
