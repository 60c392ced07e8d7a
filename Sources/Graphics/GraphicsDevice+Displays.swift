// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What displays and people ask of the device, from any thread. None of these calls waits for the guest, except a
// screenshot, which waits for the end of a frame and not for long.

internal import GPUProtocol
internal import Linux
internal import Synchronization
internal import Wire

extension GraphicsDevice {
  /// From now on the mailbox hears of every change; first of everything that is shown already.
  public func attach(_ mailbox: Mailbox) {
    lock.withLock {
      core.mailboxes.append(mailbox)
      for (index, scanout) in core.scanouts.enumerated() {
        mailbox.post(index) { note in
          note.hasNewMode = scanout.source != nil
          note.hasNewCursor = scanout.cursor.isVisible
          note.damage = Rectangle(x: 0, y: 0, width: scanout.part.width, height: scanout.part.height)
          if scanout.source == nil { note.damage = Rectangle(x: 0, y: 0, width: 0, height: 0) }
        }
      }
    }
  }

  public func detach(_ mailbox: Mailbox) {
    lock.withLock { core.mailboxes.removeAll { $0 === mailbox } }
  }

  /// What a scanout shows now; nil while it is off.
  public func source(of scanout: Int) -> PixelSource? {
    lock.withLock { core.scanouts.indices.contains(scanout) ? core.scanouts[scanout].source : nil }
  }

  /// As `source`, for a display that sends pixels from where they lie: until its `letGo` they stay one frame.
  func heldSource(of scanout: Int) -> PixelSource? {
    lock.withLock {
      guard core.scanouts.indices.contains(scanout), let source = core.scanouts[scanout].source else { return nil }
      source.hold()
      return source
    }
  }

  public func cursor(of scanout: Int) -> Cursor {
    lock.withLock { core.scanouts.indices.contains(scanout) ? core.scanouts[scanout].cursor : Cursor() }
  }

  /// Where the frontend shows the screens, those that it has, and at least as many as this device was made with.
  public var scanouts: [ScanoutReport] {
    lock.withLock {
      let last = core.scanouts.lastIndex { $0.source != nil || $0.frontendMode != nil } ?? 0
      let count = max(last + 1, core.options.scanoutCount)
      return core.scanouts.prefix(count).enumerated().map { index, scanout in
        ScanoutReport(
          index: index, width: scanout.mode.width, height: scanout.mode.height, shownWidth: scanout.source?.width,
          shownHeight: scanout.source?.height, flushCount: scanout.flushCount)
      }
    }
  }

  /// True while the frontend shows the screens itself: it then decides on their sizes.
  public var isShownByFrontend: Bool { lock.withLock { core.isShownByFrontend } }

  /// How long a screenshot waits for the flush that ends a frame.
  private static let framePatienceMilliseconds = 50
  /// How often it begins again because the size has changed: the guest decides how often that is.
  private static let mostTries = 8

  /// The picture of a scanout, a whole frame: not while the guest is between transferring and flushing, and copied
  /// while no command runs. Nil while the scanout is off.
  public func screenshot(_ scanout: Int) -> Frame? {
    for _ in 0..<GraphicsDevice.framePatienceMilliseconds {
      let isBetween = lock.withLock {
        core.scanouts.indices.contains(scanout)
          && core.resources[core.scanouts[scanout].resourceID]?.isBetweenFrames == true
      }
      if !isBetween { break }
      _ = Poll.wait(nil, nil, timeoutNanoseconds: 1_000_000)
    }
    // Memory is found and bytes are turned into a frame while commands go on: only the copy is under the lock. The size
    // may have changed meanwhile.
    for _ in 0..<GraphicsDevice.mostTries {
      guard let source = source(of: scanout),
        let memory = try? AnonymousMemory(byteCount: source.byteCount, isUsedWhole: true)
      else { return nil }
      let isCopied = lock.withLock {
        guard core.scanouts.indices.contains(scanout), let now = core.scanouts[scanout].source,
          (now.width, now.height) == (source.width, source.height)
        else {
          return false
        }
        countShown(now.copy(now.whole, into: memory.segment, stride: now.width * PixelFormat.bytesPerPixel))
        return true
      }
      if isCopied { return Frame(width: source.width, height: source.height, memory) }
    }
    return nil
  }

  /// Gives a screen another size: the guest is told and usually follows. False if there is no such screen, the size is
  /// none of `GraphicsOptions.sizes`, or the frontend shows the screens itself.
  public func resize(_ scanout: Int, width: Int, height: Int) -> Bool {
    let outcome = lock.withLock { core.resize(scanout, width: width, height: height) }
    if outcome == .changed { announceConfiguration() }
    return outcome != .refused
  }

  /// How often each command came.
  public var commandCounts: [CommandReading] { lock.withLock { core.counters.readings } }

  /// Bytes that transfers have copied from the guest.
  public var transferredByteCount: UInt64 { lock.withLock { core.counters.transferredBytes } }

  /// Bytes that displays and screenshots have copied from the guest's memory, or from what transfers have copied there.
  public var shownByteCount: UInt64 { shownBytes.load(ordering: .relaxed) }

  /// A display has copied so many bytes.
  public func countShown(_ byteCount: Int) { shownBytes.add(UInt64(byteCount), ordering: .relaxed) }

  /// Host memory that the guest's resources take, as the limit counts it; and how many there are.
  public var memoryInUse: Int { lock.withLock { core.budget.used } }
  public var resourceCount: Int { lock.withLock { core.resources.count } }
}
