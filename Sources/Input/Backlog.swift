// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import InputProtocol

/// Events that wait for room in the guest's ring. Bounded: a guest that takes none finds, when it looks again, that
/// every key was let go of.
struct Backlog {
  static let mostEvents = 1024

  private var events: [InputEvent] = []
  /// The first one that still waits.
  private var head = 0
  /// Keys that the guest believes to be down.
  private var heldKeys: Set<UInt16> = []
  /// The ring runs; without it events go nowhere.
  private(set) var isRunning = false
  /// Events that nobody took.
  private(set) var droppedCount: UInt64 = 0

  var isEmpty: Bool { head == events.count }
  var first: InputEvent? { isEmpty ? nil : events[head] }

  /// Adds events that belong together, and the report that ends them.
  mutating func add(_ report: [InputEvent]) {
    guard isRunning, !report.isEmpty else { return }
    if events.count - head + report.count + 1 > Backlog.mostEvents {
      droppedCount &+= UInt64(events.count - head + report.count)
      letGo()
      return
    }
    events += report
    events.append(.report)
  }

  /// The first one is in the guest's memory.
  mutating func removeFirst() {
    let event = events[head]
    head += 1
    if head == events.count {
      events.removeAll(keepingCapacity: true)
      head = 0
    } else if head >= Backlog.mostEvents {
      events.removeFirst(head)
      head = 0
    }
    guard event.type == InputEventType.key else { return }
    if event.value == 0 { heldKeys.remove(event.code) } else { heldKeys.insert(event.code) }
  }

  /// What waited is void, and so is what was held.
  private mutating func letGo() {
    events.removeAll(keepingCapacity: true)
    head = 0
    for key in heldKeys.sorted() { events.append(.key(key, isDown: false)) }
    events.append(.report)
  }

  /// The guest takes events, as before a pause or for the first time.
  mutating func start() {
    isRunning = true
    if !heldKeys.isEmpty { letGo() }
  }

  mutating func stop() {
    isRunning = false
    events.removeAll(keepingCapacity: true)
    head = 0
  }

  /// Another driver comes, which knows of no keys.
  mutating func reset() {
    stop()
    heldKeys = []
  }
}
