// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Notices that somebody has made the image larger. Asking for the size once a second costs less than any notification:
// inotify would report every write of the guest's own.

internal import Linux
internal import Synchronization

/// Runs from the start of a volume's first queue until the driver leaves.
final class SizeWatch: Sendable {
  private static let periodNanoseconds: Int64 = 1_000_000_000

  private let volume: Volume
  /// The number of the watch that shall go on; 0 for none. A thread that finds another number ends.
  private let current = Monitor<UInt64>(0)
  private let lastNumber = Atomic<UInt64>(0)

  init(_ volume: Volume) {
    self.volume = volume
  }

  /// Idempotent.
  func start() {
    let number = lastNumber.add(1, ordering: .relaxed).newValue
    let isNew = current.withLock { current in
      if current != 0 { return false }
      current = number
      return true
    }
    guard isNew else { return }
    let (volume, current) = (self.volume, self.current)
    do {
      try Thread(name: "blk-size") { SizeWatch.run(volume, current, number) }.letGo()
    } catch {
      // Without it the size is looked at when somebody asks for it.
      stop()
    }
  }

  func stop() {
    current.withLock(waking: .all) { $0 = 0 }
  }

  private static func run(_ volume: Volume, _ current: Monitor<UInt64>, _ number: UInt64) {
    while current.wait(nanoseconds: periodNanoseconds, for: { $0 == number ? nil : () }) == nil {
      volume.refreshCapacity()
    }
  }

  deinit {
    stop()
  }
}
