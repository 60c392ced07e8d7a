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

  /// Counts how often what waited became void.
  private var generation = 0

  var isEmpty: Bool { head == events.count }
  /// The first one that waits, and what `wrote` wants to know of it.
  var first: (event: InputEvent, generation: Int)? { isEmpty ? nil : (events[head], generation) }

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

  /// An event that was the first is in the guest's memory. Meanwhile it may have become void with the rest.
  mutating func wrote(_ event: InputEvent, of generation: Int) {
    if event.type == InputEventType.key {
      if event.value == 0 { heldKeys.remove(event.code) } else { heldKeys.insert(event.code) }
    }
    guard generation == self.generation else {
      // Too late to be among those that are let go of.
      if event.type == InputEventType.key, event.value != 0, isRunning {
        events += [.key(event.code, isDown: false), .report]
      }
      return
    }
    head += 1
    if head == events.count {
      events.removeAll(keepingCapacity: true)
      head = 0
    } else if head >= Backlog.mostEvents {
      events.removeFirst(head)
      head = 0
    }
  }

  /// What waited is void, and so is what was held.
  private mutating func letGo() {
    clear()
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
    clear()
  }

  private mutating func clear() {
    events.removeAll(keepingCapacity: true)
    head = 0
    generation &+= 1
  }

  /// Another driver comes, which knows of no keys.
  mutating func reset() {
    stop()
    heldKeys = []
  }
}
