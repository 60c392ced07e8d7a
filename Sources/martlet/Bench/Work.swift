// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The matrix: what is measured, under which name, and what Martlet promises to reach.

internal import Frontend
internal import Linux

/// One row of the tables.
struct Work {
  enum Kind {
    case data(DataLoad.Pattern)
    case lookupKnown
    case lookupAbsent
    case attributes
    case fileSystem
    case openClose(writing: Bool)
    case createUnlink
    case rename
    case list(entries: Int, known: Bool)
    /// Resident memory for 100,000 known inodes; the backend is started anew for it.
    case memory
  }

  let name: String
  let kind: Kind
  let depth: Int
  /// Request queues, as far as a backend has them.
  var queues = 1
  /// Least ratio of operations per second, ours to a rival's, by mode; nil where nothing is promised.
  var target: Double?
  /// Belongs to `--quick`.
  var isQuick = false

  var isMetadata: Bool {
    if case .data = kind { false } else { true }
  }

  /// What is promised in a mode: without file handles the rival does half the work too.
  func target(in mode: String) -> Double? {
    guard mode == "never" else { return target }
    if case .list = kind { return nil }
    return target == nil ? nil : 1.3
  }

  /// Works that only one mode says something new about are left out of the others.
  func belongs(to mode: BenchMode) -> Bool {
    // Only there our backend has several queues.
    if queues > 1 { return mode.name == "microvm" }
    // A descriptor for each inode: more than many hosts allow.
    if mode.name == "never" {
      switch kind {
      case .list(Work.largeDirectory, _), .memory: return false
      default: break
      }
    }
    return mode.name != "never" || isMetadata
  }

  static let largeDirectory = 100_000
  static let smallDirectory = 10_000

  /// What a run without `--all` measures, and with it.
  static func matrix(all: Bool, queues: Int) -> [Work] {
    var works = metadata
    for (byteCount, size) in [(4 << 10, "4k"), (128 << 10, "128k"), (1 << 20, "1m")] {
      for isDirect in [false, true] {
        for isRandom in [true, false] {
          for writes in [false, true] {
            for depth in [1, 16, 32, 64] where byteCount < 1 << 20 || depth <= ShareSession.largeSlotCount {
              let pattern = DataLoad.Pattern(
                writes: writes, isRandom: isRandom, byteCount: byteCount, isDirect: isDirect)
              let work = data(pattern, size, depth)
              if all || isEssential(pattern, depth) { works.append(work) }
            }
          }
        }
      }
    }
    if queues > 1 {
      for writes in [false, true] {
        let pattern = DataLoad.Pattern(writes: writes, isRandom: true, byteCount: 4 << 10, isDirect: false)
        var work = data(pattern, "4k", 32, suffix: " \(queues)q")
        work.queues = queues
        works.append(work)
      }
    }
    return works
  }

  private static let metadata: [Work] = [
    Work(name: "lookup known", kind: .lookupKnown, depth: 1, target: 2, isQuick: true),
    Work(name: "lookup known d16", kind: .lookupKnown, depth: 16, target: 2),
    Work(name: "lookup absent", kind: .lookupAbsent, depth: 1, target: 2),
    Work(name: "lookup absent d16", kind: .lookupAbsent, depth: 16, target: 2),
    Work(name: "getattr", kind: .attributes, depth: 1, target: 2, isQuick: true),
    Work(name: "getattr d16", kind: .attributes, depth: 16, target: 2),
    Work(name: "open-close", kind: .openClose(writing: false), depth: 1, target: 2, isQuick: true),
    Work(name: "open-close d16", kind: .openClose(writing: false), depth: 16, target: 2),
    Work(name: "open-close rw", kind: .openClose(writing: true), depth: 1, target: 2),
    Work(name: "create-unlink", kind: .createUnlink, depth: 1, target: 2, isQuick: true),
    Work(name: "rename", kind: .rename, depth: 1, target: 2, isQuick: true),
    Work(name: "statfs", kind: .fileSystem, depth: 1),
    Work(
      name: "readdirplus 10k", kind: .list(entries: smallDirectory, known: false), depth: 1, target: 3, isQuick: true),
    Work(name: "readdirplus 10k known", kind: .list(entries: smallDirectory, known: true), depth: 1, target: 3),
    Work(name: "readdirplus 100k", kind: .list(entries: largeDirectory, known: false), depth: 1, target: 3),
    Work(name: "memory 100k inodes", kind: .memory, depth: 1, target: 2, isQuick: true),
  ]

  private static func data(_ pattern: DataLoad.Pattern, _ size: String, _ depth: Int, suffix: String = "") -> Work {
    let name =
      (pattern.isRandom ? "rand" : "seq") + (pattern.writes ? "write " : "read ") + size
      + (pattern.isDirect ? " direct" : "") + " d\(depth)" + suffix
    var target: Double?
    switch (pattern.byteCount, pattern.isRandom, pattern.isDirect) {
    case (4 << 10, true, false): target = 1.5
    case (4 << 10, true, true) where depth >= 32: target = 3
    case (1 << 20, false, _): target = 1.1
    default: break
    }
    let isQuick =
      pattern.byteCount == 4 << 10 && pattern.isRandom && !pattern.isDirect && depth <= 16
      || pattern.byteCount == 1 << 20 && !pattern.isRandom && !pattern.isDirect && depth == 1
    return Work(name: name, kind: .data(pattern), depth: depth, target: target, isQuick: isQuick)
  }

  /// The corners of the matrix: small and random, large and in sequence.
  private static func isEssential(_ pattern: DataLoad.Pattern, _ depth: Int) -> Bool {
    switch (pattern.byteCount, pattern.isDirect) {
    case (4 << 10, false): pattern.isRandom || depth == 1
    case (4 << 10, true): pattern.isRandom && (depth == 1 || depth == 32)
    case (128 << 10, false): !pattern.isRandom && (depth == 1 || depth == 16)
    case (1 << 20, false): !pattern.isRandom && (depth == 1 || depth == 16)
    case (1 << 20, true): !pattern.isRandom && depth == 1
    default: false
    }
  }

  /// The load on one backend; nil for works that are not driven by one.
  func load(_ session: ShareSession) throws(HumanError) -> (any Load)? {
    switch kind {
    case .data(let pattern):
      try DataLoad(
        pattern, session, file: pattern.isDirect ? ShareFiles.directFile : ShareFiles.bufferedFile,
        byteCount: ShareFiles.fileByteCount)
    case .lookupKnown: try LookupLoad(ShareFiles.files, absent: false, session)
    case .lookupAbsent: try LookupLoad(ShareFiles.files, absent: true, session)
    case .attributes: try InquiryLoad(.attributes, ShareFiles.files, session)
    case .fileSystem: try InquiryLoad(.fileSystem, ShareFiles.files, session)
    case .openClose(let writing): try OpenCloseLoad(ShareFiles.files, writing: writing, session)
    case .createUnlink: try CreateUnlinkLoad(ShareFiles.files, session)
    case .rename: try RenameLoad(ShareFiles.files, session)
    case .list(let entries, let known):
      try ListLoad(
        ShareFiles.directory(of: entries), entryCount: entries, keepsReferences: known, session)
    case .memory: nil
    }
  }
}
