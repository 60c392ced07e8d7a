// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// How a display learns that there is something to show. The queue's thread leaves a note and goes on; the display takes
// all notes at once when it has the time. Notes about one scanout melt into one, so a slow display shows fewer frames
// and never holds the guest up.

public import Linux
internal import Synchronization

/// What has happened to one scanout since the display looked last.
public struct ScanoutNews: Equatable, Sendable {
  public let scanout: Int
  /// It was turned on or off, or has another size: what was shown is void, `damage` follows with the first flush.
  public var hasNewMode = false
  /// What to show anew; empty for nothing.
  public var damage = Rectangle(x: 0, y: 0, width: 0, height: 0)
  /// How many flushes that were: more than one where the guest is faster than the display.
  public var flushCount = 0
  /// Another image, or hidden, or shown.
  public var hasNewCursor = false
  public var cursorMoved = false

  var isEmpty: Bool { !hasNewMode && damage.isEmpty && !hasNewCursor && !cursorMoved }

  init(scanout: Int) {
    self.scanout = scanout
  }
}

/// Between the device and one display.
public final class Mailbox: Sendable {
  private let slots: Mutex<[ScanoutNews]>
  private let event: Event

  public init() throws(Errno) {
    slots = Mutex((0..<GraphicsOptions.scanoutCounts.upperBound).map { ScanoutNews(scanout: $0) })
    event = try Event()
  }

  /// Readable while there is news.
  public var file: File { event.file }

  /// The news since the last call, by scanout; empty if there is none.
  public func take() -> [ScanoutNews] {
    slots.withLock { slots in
      // Under the lock: a note that comes afterwards signals again.
      event.drain()
      let news = slots.filter { !$0.isEmpty }
      for note in news { slots[note.scanout] = ScanoutNews(scanout: note.scanout) }
      return news
    }
  }

  /// Leaves a note. From the queue's thread: neither waits nor allocates, and wakes the display only once per look.
  func post(_ scanout: Int, _ change: (inout ScanoutNews) -> Void) {
    let isFirst = slots.withLock { slots in
      let wasEmpty = slots[scanout].isEmpty
      change(&slots[scanout])
      return wasEmpty
    }
    if isFirst { event.signal() }
  }
}
