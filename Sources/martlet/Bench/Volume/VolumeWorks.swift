// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The matrix of `martlet bench volume`, and the ways to serve an image.

/// How the backends of a mode serve their images.
enum VolumeMode: String, CaseIterable {
  /// O_DIRECT on the disk of --dir.
  case direct
  /// The same, and ours registers the guest's memory with io_uring.
  case pinned
  /// The page cache, warm.
  case cached
  /// A file in memory (tmpfs).
  case tmpfs
  /// A device of nothing; rivals that have none serve a warm page cache.
  case null
  /// io_uring forbidden: blocking calls on threads.
  case threads

  var isDirect: Bool { self == .direct || self == .pinned || self == .threads }
}

enum VolumeWorks {
  static let depths = [1, 16, 32, 64, 128]
  private static let small = 4 << 10
  private static let large = 128 << 10

  static let all: [Work] = {
    var works: [Work] = []
    for byteCount in [small, large] {
      for writes in [false, true] {
        // Small ones anywhere, large ones in order: what databases and copies do.
        let pattern = DataPattern(writes: writes, isRandom: byteCount == small, byteCount: byteCount, isDirect: false)
        for depth in depths { works.append(work(pattern, depth)) }
      }
    }
    for writes in [false, true] {
      var pattern = DataPattern(writes: writes, isRandom: true, byteCount: small, isDirect: false)
      let jobs = Work.data(pattern, depth: 32, jobs: BlockSequence.mostJobs)
      works.append(jobs)
      pattern.isUnaligned = true
      works.append(work(pattern, 32))
    }
    return works.map { work in
      var work = work
      if work.jobs > 1 { work.queues = work.jobs }
      return work
    }
  }()

  private static func work(_ pattern: DataPattern, _ depth: Int) -> Work {
    var work = Work.data(pattern, depth: depth)
    work.isQuick = pattern.byteCount == small && !pattern.writes && !pattern.isUnaligned && [1, 32].contains(depth)
    work.isEssential = pattern.byteCount == small ? [1, 32, 128].contains(depth) : depth == 32
    return work
  }

  /// What issue and study promise against qemu-storage-daemon, and of the same file's own speed.
  static func goals(of work: Work, in mode: BenchMode) -> Goals {
    guard case .data(let pattern) = work.kind, work.jobs == 1, let way = VolumeMode(rawValue: mode.name) else {
      return Goals()
    }
    if pattern.byteCount == large {
      return [.direct, .pinned].contains(way) && !pattern.writes && work.depth == 32
        ? Goals(speed: 1.1, processor: 0.6) : Goals()
    }
    if pattern.isUnaligned { return way == .direct && !pattern.writes ? Goals(speed: 2.5) : Goals() }
    switch (way, pattern.writes, work.depth) {
    case (.direct, false, 1): return Goals(speed: 1.4)
    case (.direct, false, 32), (.pinned, false, 32): return Goals(processor: 0.75, absoluteCalls: 0.1, reference: 0.85)
    case (.direct, false, 128), (.pinned, false, 128): return Goals(processor: 0.75, reference: 0.75)
    case (.direct, true, 32): return Goals(reference: 0.8)
    case (.cached, false, 1), (.null, false, 1): return Goals(speed: 2)
    case (.cached, false, 32): return Goals(speed: 1.5)
    case (.tmpfs, false, 32): return Goals(speed: 1.7)
    case (.null, false, 32): return Goals(processor: 0.6)
    case (.threads, false, _): return Goals(speed: 1)
    default: return Goals()
    }
  }

  /// Works that only one mode says something new about are left out of the others.
  static func belongs(_ work: Work, to mode: BenchMode) -> Bool {
    guard case .data(let pattern) = work.kind, let way = VolumeMode(rawValue: mode.name) else { return false }
    if pattern.isUnaligned { return way == .direct }
    if way == .pinned { return work.depth >= 32 && work.jobs == 1 }
    if way == .null || way == .threads { return !pattern.writes && pattern.byteCount == small }
    return true
  }
}
