// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The matrix of `martlet bench share`, through virtqueues and through a mount.

enum ShareWorks {
  static let largeDirectory = 100_000
  static let smallDirectory = 10_000
  static let sizes = [4 << 10, 128 << 10, 1 << 20]
  static let depths = [1, 16, 64]
  static let directDepths = [1, 16, 32, 64]

  /// Straight through virtqueues.
  static func queues(_ queueCount: Int) -> [Work] {
    metadata
      + data(Self.isEssential, Self.isQuick).map { work in
        var work = work
        // Jobs of a guest run on several processors, and each has its queue.
        if work.jobs > 1 { work.queues = min(queueCount, work.jobs) }
        return work
      }
  }

  /// Through the mount: what a program on the host sees.
  static let mounted: [Work] =
    [
      Work(name: "getattr", kind: .attributes, isQuick: true),
      Work(name: "open-close", kind: .openClose(writing: false), isQuick: true),
      Work(name: "create-unlink", kind: .createUnlink, isQuick: true),
      Work(name: "rename", kind: .rename),
      Work(name: "readdirplus 10k", kind: .list(entries: smallDirectory, known: false)),
    ]
    + data(
      { pattern, depth, jobs in
        let isSmall = pattern.byteCount == 4 << 10 && pattern.isRandom
        if jobs > 1 { return isSmall && pattern.isDirect && depth == 16 }
        if isSmall { return depth == 1 || depth == 16 }
        return pattern.byteCount == 1 << 20 && !pattern.isRandom && depth == 1
      },
      { pattern, depth, jobs in
        jobs == 1 && pattern.byteCount == 4 << 10 && pattern.isRandom && pattern.isDirect && depth == 1
      }
    ).map { work in
      var work = work
      // The goals are about what goes through a virtqueue; here the host's kernel has its part.
      work.goals = Goals()
      return work
    }
    + [
      Work(name: "tree unpack", kind: .tree(.unpack), isQuick: true),
      Work(name: "tree read", kind: .tree(.readBack), isQuick: true),
      Work(name: "git status", kind: .tree(.status)),
      Work(name: "compile", kind: .tree(.compile)),
    ]

  /// Works that only one mode says something new about are left out of the others.
  static func belongs(_ work: Work, to mode: BenchMode) -> Bool {
    guard mode.name == "never" else { return true }
    // A descriptor for each inode: more than many hosts allow.
    switch work.kind {
    case .list(largeDirectory, _), .memory: return false
    default: return work.isMetadata
    }
  }

  /// What is promised in a mode: without file handles the rival does half the work too.
  static func goals(of work: Work, in mode: BenchMode) -> Goals {
    guard mode.name == "never" else { return work.goals }
    if case .list = work.kind { return Goals() }
    return Goals(speed: work.goals.speed == nil ? nil : 1.3)
  }

  private static let prefer = Goals(speed: 2, calls: 0.5)

  private static let metadata: [Work] = [
    Work(name: "lookup known", kind: .lookupKnown, goals: prefer, isQuick: true),
    Work(name: "lookup known d16", kind: .lookupKnown, depth: 16, goals: prefer),
    Work(name: "lookup absent", kind: .lookupAbsent, goals: prefer),
    Work(name: "lookup absent d16", kind: .lookupAbsent, depth: 16, goals: prefer),
    Work(name: "getattr", kind: .attributes, goals: prefer, isQuick: true),
    Work(name: "getattr d16", kind: .attributes, depth: 16, goals: prefer),
    Work(name: "open-close", kind: .openClose(writing: false), goals: prefer, isQuick: true),
    Work(name: "open-close d16", kind: .openClose(writing: false), depth: 16, goals: prefer),
    Work(name: "open-close rw", kind: .openClose(writing: true), goals: prefer),
    Work(name: "create-unlink", kind: .createUnlink, goals: prefer, isQuick: true),
    Work(name: "create-unlink d16", kind: .createUnlink, depth: 16, goals: prefer, isEssential: false),
    Work(name: "rename", kind: .rename, goals: prefer, isQuick: true),
    Work(name: "rename d16", kind: .rename, depth: 16, goals: prefer, isEssential: false),
    Work(name: "statfs", kind: .fileSystem),
    Work(
      name: "readdirplus 10k", kind: .list(entries: smallDirectory, known: false), goals: Goals(speed: 3),
      isQuick: true),
    Work(name: "readdirplus 10k known", kind: .list(entries: smallDirectory, known: true), goals: Goals(speed: 3)),
    Work(name: "readdirplus 100k", kind: .list(entries: largeDirectory, known: false), goals: Goals(speed: 3)),
    Work(name: "memory 100k inodes", kind: .memory, goals: Goals(speed: 2), isQuick: true),
  ]

  private typealias Choice = (_ pattern: DataPattern, _ depth: Int, _ jobs: Int) -> Bool

  private static func data(_ isEssential: Choice, _ isQuick: Choice) -> [Work] {
    var works: [Work] = []
    for byteCount in sizes {
      for isDirect in [false, true] {
        for isRandom in [true, false] {
          for writes in [false, true] {
            let pattern = DataPattern(writes: writes, isRandom: isRandom, byteCount: byteCount, isDirect: isDirect)
            for jobs in [1, BlockSequence.mostJobs] {
              for depth in isDirect ? directDepths : depths {
                var work = Work.data(pattern, depth: depth, jobs: jobs)
                work.goals = goals(pattern, depth, jobs)
                work.isEssential = isEssential(pattern, depth, jobs)
                work.isQuick = isQuick(pattern, depth, jobs)
                works.append(work)
              }
            }
          }
        }
      }
    }
    return works
  }

  private static func goals(_ pattern: DataPattern, _ depth: Int, _ jobs: Int) -> Goals {
    guard jobs == 1 else { return Goals() }
    switch (pattern.byteCount, pattern.isRandom, pattern.isDirect) {
    case (4 << 10, true, false): return Goals(speed: 1.5, processor: depth >= 16 ? 0.6 : nil)
    case (4 << 10, true, true) where depth == 32: return Goals(speed: 3)
    case (1 << 20, false, _): return Goals(speed: 1.1, reference: depth == 1 ? 0.9 : nil)
    default: return Goals()
    }
  }

  /// The corners of the matrix: small and random, large and in sequence.
  private static func isEssential(_ pattern: DataPattern, _ depth: Int, _ jobs: Int) -> Bool {
    if jobs > 1 { return pattern.byteCount == 4 << 10 && pattern.isRandom && depth == 16 }
    switch (pattern.byteCount, pattern.isDirect) {
    case (4 << 10, false): return pattern.isRandom || depth == 1
    case (4 << 10, true): return pattern.isRandom && (depth == 1 || depth == 32)
    case (128 << 10, false): return !pattern.isRandom && (depth == 1 || depth == 16)
    case (1 << 20, false): return !pattern.isRandom && (depth == 1 || depth == 16)
    case (1 << 20, true): return !pattern.isRandom && depth == 1
    default: return false
    }
  }

  private static func isQuick(_ pattern: DataPattern, _ depth: Int, _ jobs: Int) -> Bool {
    guard jobs == 1, !pattern.isDirect else { return false }
    return pattern.byteCount == 4 << 10 && pattern.isRandom && depth <= 16
      || pattern.byteCount == 1 << 20 && !pattern.isRandom && depth == 1
  }
}
