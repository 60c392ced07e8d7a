// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// One row of the tables: what is measured, under which name, and what Martlet promises to reach. The matrices are in
// the folders of the commands.

/// What is promised against a rival in the same run; nil where nothing is.
struct Goals: Equatable {
  /// Least ratio of operations per second, ours to theirs; for memory: theirs to ours.
  var speed: Double?
  /// Most CPU time per operation, as a part of the rival's.
  var processor: Double?
  /// Most system calls per operation, as a part of the rival's.
  var calls: Double?
  /// Most system calls per operation.
  var absoluteCalls: Double?
  /// Least part of a reference's speed.
  var reference: Double?
  /// Most microseconds that half of the operations may take.
  var latency: Double?
}

struct Work {
  enum Kind {
    case data(DataPattern)
    case lookupKnown
    case lookupAbsent
    case attributes
    case fileSystem
    case openClose(writing: Bool)
    case createUnlink
    case rename
    case list(entries: Int, known: Bool)
    /// Anonymous memory for 100,000 known inodes; the backend is started anew for it.
    case memory
    /// Whole loads, through a mount.
    case tree(TreeWork)
    /// Requests that the device answers without doing anything.
    case empty(EmptyRequest)
    /// What a guest does to its screen.
    case picture(PictureWork)
  }

  let name: String
  let kind: Kind
  /// Requests in flight, of each job.
  var depth = 1
  var jobs = 1
  /// Request queues, as far as a backend has them.
  var queues = 1
  var goals = Goals()
  /// Belongs to `--quick`.
  var isQuick = false
  /// Belongs to a run without `--all`.
  var isEssential = true

  var isMetadata: Bool {
    switch kind {
    case .data, .tree, .empty, .picture: false
    default: true
    }
  }

  /// "randread 4k direct d32", " 4j" with several jobs.
  static func data(_ pattern: DataPattern, depth: Int, jobs: Int = 1) -> Work {
    Work(
      name: pattern.name + " d\(depth)" + (jobs > 1 ? " \(jobs)j" : ""), kind: .data(pattern), depth: depth,
      jobs: jobs)
  }

  /// Those that the options of a command leave.
  static func chosen(
    from works: [Work], all: Bool, quick: Bool, filter: [String]
  ) throws(HumanError) -> [Work] {
    var chosen = works
    if !filter.isEmpty {
      chosen = chosen.filter { work in filter.contains { work.name.contains($0) } }
    } else if !all {
      chosen = chosen.filter { $0.isEssential }
    }
    if quick { chosen = chosen.filter { $0.isQuick } }
    guard !chosen.isEmpty else {
      throw .usage("no work has such a name (\(filter.joined(separator: ", "))); --list shows them")
    }
    return chosen
  }
}
