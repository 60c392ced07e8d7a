// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the lanes of one volume share: the image, its size, how the driver wants writes to be done, and what the
// configuration space says. Lanes read single words of it; who changes something is the control thread.

internal import BlockProtocol
internal import Linux
internal import Synchronization
internal import Virtio
internal import VirtioProtocol
internal import Wire

final class Volume: Sendable {
  let options: VolumeOptions
  let image: Image
  /// What GET_ID answers, padded with NULs.
  let identifier: [UInt8]
  let logicalBlock: Int
  /// Serializes writes of parts of blocks with all others; nil where every sector can be written by itself.
  let gate: WriteGate?
  /// What its guest may use; nil where nothing is limited.
  let limiter: VolumeLimiter?
  /// Takes a line about the host that a person should read; not more often than the guest can be left to cause.
  let report: @Sendable (String) -> Void

  private let sectors: Atomic<UInt64>
  private let throughNow = Atomic<Bool>(false)
  /// A driver has chosen write-through (CONFIG_WCE).
  private let choseThrough = Atomic<Bool>(false)
  /// That was under a frontend that has left.
  private let choiceIsOld = Atomic<Bool>(false)
  /// Nobody has said yet whether a driver has chosen: a frontend may come back to this process from an earlier one.
  private let choiceIsUnknown = Atomic<Bool>(true)
  /// Queues have run for the frontend that is there.
  private let hasRun = Atomic<Bool>(false)
  /// What was known before that frontend asked for the configuration; nil if it did not.
  private let beforeQuestion = Mutex<(choiceIsUnknown: Bool, choseThrough: Bool)?>(nil)
  /// Where the choice is kept for a later process.
  private let word = Mutex<LastingWord?>(nil)
  private let accepted = Mutex<VirtioFeatures>([])
  private let host = Mutex<(any DeviceHost)?>(nil)
  /// The size has changed and no driver was told.
  private let untold = Atomic<Bool>(false)
  private let reports = ReportLimit()
  private let debtReports = ReportLimit()

  /// Ranges of one request, and sectors of one range, that a driver may give.
  static let mostRanges = 256
  static let mostRangeSectors: UInt32 = 1 << 22
  /// UIO_MAXIOV, less the two descriptors of a request that are no data.
  static let mostSegments = mostVectors - 2

  init(
    _ options: VolumeOptions, _ image: Image, report: @escaping @Sendable (String) -> Void
  ) throws(VolumeError) {
    self.options = options
    self.image = image
    self.report = report
    logicalBlock = try Volume.logicalBlock(options, image)
    let name = options.serial ?? "martlet\(Volume.hexadecimal(image.identity).suffix(13))"
    guard name.utf8.count <= BlockLimits.idByteCount, !name.isEmpty, !name.utf8.contains(0) else {
      throw VolumeError("the serial number '\(name)' cannot be used; give one of 1 to \(BlockLimits.idByteCount) bytes")
    }
    identifier = Array(name.utf8) + [UInt8](repeating: 0, count: BlockLimits.idByteCount - name.utf8.count)
    limiter = VolumeLimiter(options.limits, atNanoseconds: Clock.monotonic)
    gate = image.alignment.offset > logicalBlock && !image.isReadOnly ? WriteGate() : nil
    sectors = Atomic(Volume.sectors((try? image.byteCount()) ?? 0, image))
    throughNow.store(options.cache == .writethrough, ordering: .relaxed)
  }

  private static func logicalBlock(_ options: VolumeOptions, _ image: Image) throws(VolumeError) -> Int {
    guard let wanted = options.blockByteCount else { return image.topology.logicalBlock }
    guard wanted >= image.topology.logicalBlock || !image.isDevice else {
      throw VolumeError(
        "the device '\(image.path)' has blocks of \(image.topology.logicalBlock) bytes; "
          + "give a block size that is no smaller than that")
    }
    return wanted
  }

  /// What of an image a guest is told of. A last write to a part of a block would fill up that block, so of an image
  /// that is written directly it is whole blocks only.
  private static func sectors(_ byteCount: UInt64, _ image: Image) -> UInt64 {
    let unit = UInt64(image.isReadOnly ? 512 : max(image.alignment.offset, 512))
    return byteCount / unit * unit / 512
  }

  private static func hexadecimal(_ number: UInt64) -> String {
    let digits = String(number, radix: 16)
    return String(repeating: "0", count: 16 - digits.count) + digits
  }

  // MARK: What lanes ask

  /// Size in sectors of 512 bytes.
  @inline(__always)
  var capacity: UInt64 { sectors.load(ordering: .relaxed) }

  /// Writes are safe when they are answered.
  @inline(__always)
  var writesThrough: Bool { throughNow.load(ordering: .relaxed) }

  /// Says in the log that the host refused something; a guest can make that happen without end.
  func report(_ what: String, _ error: Errno) {
    guard reports.admit() else { return }
    report("\(what) of the image '\(image.path)' failed: \(error.message)")
  }

  /// The limits' price for what was begun too early (Lane+Limits.swift).
  func reportDebt(_ nanoseconds: Int64) {
    guard debtReports.admit() else { return }
    report(
      "the image '\(image.path)' is not served for \(nanoseconds / 1_000_000_000) s: a queue was stopped with requests "
        + "that --iops or --bandwidth held back, and they were done ahead of their time")
  }

  func reportUnpinned(_ error: Errno) {
    guard reports.admit() else { return }
    report(
      "guest memory cannot be pinned (\(error.message)); raise the limit of locked memory (LimitMEMLOCK= in a systemd "
        + "unit, ulimit -l), or leave out --pin-memory")
  }

  // MARK: Features and configuration

  var features: VirtioFeatures {
    var bits = [BlockFeatureBit.segMax, BlockFeatureBit.blockSize, BlockFeatureBit.flush, BlockFeatureBit.topology]
    if image.isReadOnly {
      bits.append(BlockFeatureBit.readOnly)
    } else {
      bits += [BlockFeatureBit.writeZeroes]
      if options.cache == .writeback { bits.append(BlockFeatureBit.configWCE) }
    }
    if options.queueCount > 1 { bits.append(BlockFeatureBit.multiqueue) }
    if image.canDiscard { bits.append(BlockFeatureBit.discard) }
    if image.canErase { bits.append(BlockFeatureBit.secureErase) }
    return bits.reduce(into: []) { $0.insert(.device($1)) }
  }

  var configuration: BlockConfig {
    let topology = image.topology
    var config = BlockConfig()
    config.capacity = capacity
    config.segMax = UInt32(min(max(options.queueSize - 2, 1), Volume.mostSegments))
    config.blkSize = UInt32(logicalBlock)
    config.physicalBlockExp = UInt8(max(topology.physicalBlock / logicalBlock, 1).trailingZeroBitCount)
    config.minIOSize = UInt16(clamping: topology.minimumIO / logicalBlock)
    config.optIOSize = UInt32(clamping: topology.optimalIO / logicalBlock)
    config.wce = writesThrough ? 0 : 1
    config.numQueues = UInt16(options.queueCount)
    let blockSectors = UInt32(max(topology.physicalBlock, logicalBlock) / 512)
    if image.canDiscard {
      config.maxDiscardSectors = Volume.mostRangeSectors
      config.maxDiscardSeg = UInt32(Volume.mostRanges)
      config.discardSectorAlignment = blockSectors
    }
    if !image.isReadOnly {
      config.maxWriteZeroesSectors = Volume.mostRangeSectors
      config.maxWriteZeroesSeg = UInt32(Volume.mostRanges)
      config.writeZeroesMayUnmap = image.canDiscard ? 1 : 0
    }
    if image.canErase {
      config.maxSecureEraseSectors = Volume.mostRangeSectors
      config.maxSecureEraseSeg = UInt32(Volume.mostRanges)
      config.secureEraseSectorAlignment = blockSectors
    }
    return config
  }

  // MARK: Control thread

  /// A driver that cannot flush gets writes that are safe when they are answered (VIRTIO 1.3 section 5.2.6.2; QEMU does
  /// the same).
  func accept(_ features: VirtioFeatures) {
    // Its queues run next, and nobody has asked for the configuration: it is the driver that chose.
    choiceIsOld.store(false, ordering: .relaxed)
    hasRun.store(true, ordering: .relaxed)
    accepted.withLock { $0 = features }
    throughNow.store(initiallyWritesThrough(features), ordering: .relaxed)
  }

  /// A frontend that goes on with a ring without having asked a new process anything comes back to it, and the area for
  /// requests in flight, if it has one, does not tell what its driver chose. If that could choose, it counts on what it
  /// chose. After one that could not (a firmware's) there may still come one that can.
  func assumeChoice() {
    let canChoose = accepted.withLock { $0.contains(.device(BlockFeatureBit.configWCE)) }
    guard canChoose, choiceIsUnknown.exchange(false, ordering: .relaxed) else { return }
    choseThrough.store(true, ordering: .relaxed)
    keepChoice()
    // Another ring may run already.
    _ = beginWritingThrough()
    report(
      "the frontend of the image '\(image.path)' has come back to a new daemon, which cannot know how its guest wants "
        + "writes to be done: they are safe when they are answered, until the guest chooses anew or is started anew")
  }

  private func initiallyWritesThrough(_ features: VirtioFeatures) -> Bool {
    switch options.cache {
    case .writethrough: true
    case .lax: false
    case .writeback:
      choseThrough.load(ordering: .relaxed) || !features.contains(.device(BlockFeatureBit.flush))
    }
  }

  /// The driver's choice between write-back and write-through. It outlives a reset: QEMU resets the device whenever the
  /// guest pauses, and tells a guest after a reboot what the one before it chose (`blkcfg` in its
  /// hw/block/vhost-user-blk.c).
  func setWriteBack(_ writesBack: Bool) -> Bool {
    guard accepted.withLock({ $0.contains(.device(BlockFeatureBit.configWCE)) }) else { return false }
    choiceIsUnknown.store(false, ordering: .relaxed)
    choseThrough.store(!writesBack, ordering: .relaxed)
    keepChoice()
    guard writesBack else { return beginWritingThrough() }
    throughNow.store(false, ordering: .sequentiallyConsistent)
    return true
  }

  /// What was written before must be safe before the driver may rely on it.
  private func beginWritingThrough() -> Bool {
    throughNow.store(true, ordering: .sequentiallyConsistent)
    do throws(Errno) {
      try image.sync()
      return true
    } catch {
      report("a flush", error)
      return false
    }
  }

  func reset() {
    // As a driver that can flush finds it.
    throughNow.store(initiallyWritesThrough(features), ordering: .relaxed)
    accepted.withLock { $0 = [] }
    host.withLock { $0 = nil }
  }

  /// A frontend that comes back to a new process brings its driver's choice along.
  func adopt(_ newWord: LastingWord?) {
    word.withLock { $0 = newWord }
    guard let kept = newWord?.value else {
      // Blank memory says nothing of the driver: QEMU throws its area away at every reset, and then gets a new one.
      if !choiceIsUnknown.load(ordering: .relaxed) { keepChoice() }
      return
    }
    choiceIsUnknown.store(false, ordering: .relaxed)
    choiceIsOld.store(false, ordering: .relaxed)
    choseThrough.store(kept == Volume.throughWord, ordering: .relaxed)
    let known = accepted.withLock { $0 }
    throughNow.store(initiallyWritesThrough(known.isEmpty ? features : known), ordering: .relaxed)
  }

  private static let throughWord: UInt64 = 1

  private func keepChoice() {
    let chosen = choseThrough.load(ordering: .relaxed)
    word.withLock { $0?.value = chosen ? Volume.throughWord : 0 }
  }

  /// The frontend's connection has ended; it may come back. One that only asked has no driver (`martlet inspect`), and
  /// the one that has may still come.
  func frontendLeft() {
    limiter?.forgive()
    if let before = beforeQuestion.withLock({ $0.take() }), !hasRun.load(ordering: .relaxed) {
      choiceIsUnknown.store(before.choiceIsUnknown, ordering: .relaxed)
      choseThrough.store(before.choseThrough, ordering: .relaxed)
    }
    hasRun.store(false, ordering: .relaxed)
    choiceIsOld.store(true, ordering: .relaxed)
    word.withLock { $0 = nil }
  }

  /// Somebody asks for the configuration. Who asks before any queue runs has told no driver anything yet; a frontend
  /// that comes back does not ask, and its driver counts on what it chose.
  func isAskedForConfiguration() {
    beforeQuestion.withLock {
      $0 = $0 ?? (choiceIsUnknown.load(ordering: .relaxed), choseThrough.load(ordering: .relaxed))
    }
    choiceIsUnknown.store(false, ordering: .relaxed)
    guard choiceIsOld.exchange(false, ordering: .relaxed) else { return }
    choseThrough.store(false, ordering: .relaxed)
    throughNow.store(initiallyWritesThrough(features), ordering: .relaxed)
  }

  func attach(_ newHost: any DeviceHost) {
    host.withLock { $0 = newHost }
    tellIfUntold(newHost)
  }

  private func tellIfUntold(_ host: any DeviceHost) {
    if untold.exchange(false, ordering: .sequentiallyConsistent) { host.configurationChanged() }
  }

  /// Looks whether the image has another size now, and tells the guest if so. From any thread.
  /// - Returns: the size in bytes.
  @discardableResult
  func refreshCapacity() -> UInt64 {
    guard let size = try? image.byteCount() else { return capacity * 512 }
    let count = Volume.sectors(size, image)
    if sectors.exchange(count, ordering: .relaxed) != count {
      report("the image '\(image.path)' has \(count * 512) bytes now")
      // Now, or as soon as there is a driver: it may have read the old size already.
      untold.store(true, ordering: .sequentiallyConsistent)
      if let host = host.withLock({ $0 }) { tellIfUntold(host) }
    }
    return size
  }

  /// Makes the image file larger and tells the guest. From any thread.
  /// - Returns: the size in bytes.
  func grow(to byteCount: UInt64) throws(VolumeError) -> UInt64 {
    try image.grow(to: byteCount)
    return refreshCapacity()
  }
}

/// Lets one line through in a while.
final class ReportLimit: Sendable {
  private static let intervalNanoseconds: Int64 = 5_000_000_000
  private let last = Atomic<Int64>(Int64.min / 2)

  func admit() -> Bool {
    let now = Clock.monotonic
    let previous = last.load(ordering: .relaxed)
    return now - previous >= ReportLimit.intervalNanoseconds
      && last.compareExchange(expected: previous, desired: now, ordering: .relaxed).exchanged
  }
}
