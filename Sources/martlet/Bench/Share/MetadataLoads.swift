// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Loads of one request each: LOOKUP, GETATTR, STATFS, RENAME. They go round a set of files that were made before.

internal import FuseProtocol
internal import Frontend
internal import Linux
internal import Wire

/// The files that metadata loads go round.
struct FileSet {
  let directory: String
  let prefix: String
  let count: Int

  /// Fixed width: the requests then all have the same shape.
  func name(_ index: Int) -> String { FileSet.name(prefix, index) }

  static func name(_ prefix: String, _ index: Int) -> String {
    let digits = String(index)
    return prefix + String(repeating: "0", count: max(6 - digits.count, 0)) + digits
  }

  /// The name with its NUL.
  static func bytes(_ name: String) -> [UInt8] { Array(name.utf8) + [0] }
}

/// Looks up names: of files that the guest knows already, or of none.
final class LookupLoad: Load {
  private let session: ShareSession
  private let parent: UInt64
  private let names: [[UInt8]]
  private let isAbsent: Bool
  private let shape: FuseShape
  /// References that the guest holds, by name.
  private var references: [(node: UInt64, count: UInt64)]
  private var place: [Int]
  private var next = 0

  init(_ files: FileSet, absent: Bool, _ session: ShareSession) throws(HumanError) {
    self.session = session
    isAbsent = absent
    let prefix = absent ? "absent" : files.prefix
    names = (0..<files.count).map { FileSet.bytes(FileSet.name(prefix, $0)) }
    parent = try session.node(of: files.directory)
    references = absent ? [] : try session.nodes(of: files).map { ($0, 1) }
    place = [Int](repeating: 0, count: ShareSession.slotCount)
    shape = FuseShape(argumentByteCount: names[0].count, replyByteCount: FuseEntryOut.byteCount)
  }

  func begin(_ lane: FuseLane, _ slot: Int) {
    lane.arguments(of: slot).copy(names[next])
    place[slot] = next
    next = next + 1 == names.count ? 0 : next + 1
    lane.send(slot, .lookup, node: parent, shape)
  }

  func advance(_ lane: FuseLane, _ slot: Int, _ byteCount: Int) throws(LoadError) -> LoadProgress {
    let header = lane.answer(of: slot)
    if isAbsent {
      try LoadError.check(header, .lookup, expected: Errno.noEntry.rawValue)
      return .done(1)
    }
    try LoadError.check(header, .lookup)
    guard lane.reply(of: slot).load(UInt64.self) == references[place[slot]].node else {
      throw LoadError(message: "LOOKUP gave a known file another node id")
    }
    references[place[slot]].count += 1
    return .done(1)
  }

  func finish() throws(HumanError) {
    try session.forget(references + [(parent, 1)])
  }
}

/// Asks for attributes of known nodes, or for the file system's numbers.
final class InquiryLoad: Load {
  enum Question {
    case attributes
    case fileSystem
  }

  private let session: ShareSession
  private let question: Question
  private let nodes: [UInt64]
  private let shape: FuseShape
  private var next = 0

  init(_ question: Question, _ files: FileSet, _ session: ShareSession) throws(HumanError) {
    self.session = session
    self.question = question
    nodes = try session.nodes(of: files)
    shape =
      question == .attributes
      ? FuseShape(argumentByteCount: FuseGetattrIn.byteCount, replyByteCount: FuseAttrOut.byteCount)
      : FuseShape(replyByteCount: FuseStatfsOut.byteCount)
  }

  func begin(_ lane: FuseLane, _ slot: Int) {
    let node = nodes[next]
    next = next + 1 == nodes.count ? 0 : next + 1
    switch question {
    case .attributes:
      lane.arguments(of: slot).store(FuseGetattrIn())
      lane.send(slot, .getattr, node: node, shape)
    case .fileSystem:
      lane.send(slot, .statfs, node: node, shape)
    }
  }

  func advance(_ lane: FuseLane, _ slot: Int, _ byteCount: Int) throws(LoadError) -> LoadProgress {
    try LoadError.check(lane.answer(of: slot), question == .attributes ? .getattr : .statfs)
    return .done(1)
  }

  func finish() throws(HumanError) {
    try session.forget(nodes.map { ($0, 1) })
  }
}

/// Gives files another name and back. Each file belongs to one slot at a time.
final class RenameLoad: Load {
  private let session: ShareSession
  private let parent: UInt64
  private let shape: FuseShape
  /// The deepest work about renaming.
  private static let fileCount = 64
  /// By slot: the file's two names, and which of them it has.
  private var names: [(now: [UInt8], other: [UInt8])]

  init(_ files: FileSet, _ session: ShareSession) throws(HumanError) {
    self.session = session
    parent = try session.node(of: files.directory)
    // The sessions' turns end with files under either name: each has files of its own.
    let first = session.number * Self.fileCount
    names = (first..<first + Self.fileCount).map {
      (FileSet.bytes(files.name($0)), FileSet.bytes(FileSet.name("other-", $0)))
    }
    let nameBytes = names[0].now.count + names[0].other.count
    shape = FuseShape(argumentByteCount: FuseRenameIn.byteCount + nameBytes)
  }

  func begin(_ lane: FuseLane, _ slot: Int) {
    let arguments = lane.arguments(of: slot)
    arguments.store(FuseRenameIn(newdir: parent))
    arguments.copy(names[slot].now, at: FuseRenameIn.byteCount)
    arguments.copy(names[slot].other, at: FuseRenameIn.byteCount + names[slot].now.count)
    lane.send(slot, .rename, node: parent, shape)
  }

  func advance(_ lane: FuseLane, _ slot: Int, _ byteCount: Int) throws(LoadError) -> LoadProgress {
    try LoadError.check(lane.answer(of: slot), .rename)
    names[slot] = (names[slot].other, names[slot].now)
    return .done(1)
  }

  func finish() throws(HumanError) {
    // The next load finds the files under their first names.
    for slot in names.indices where names[slot].now.starts(with: Array("other-".utf8)) {
      let old = String(decoding: names[slot].now.dropLast(), as: UTF8.self)
      let new = String(decoding: names[slot].other.dropLast(), as: UTF8.self)
      let parent = parent
      try session.orFail("RENAME") { () throws(FuseError) in
        try session.client.rename(parent, old, to: parent, new)
      }
    }
    try session.forget([(parent, 1)])
  }
}

extension ShareSession {
  /// Looks a directory of the share's root up; the caller forgets it.
  func node(of directory: String) throws(HumanError) -> UInt64 {
    try orFail("LOOKUP") { () throws(FuseError) in try client.lookup(Fuse.rootID, directory).nodeid }
  }

  /// Looks all files of a set up; the caller forgets them.
  func nodes(of files: FileSet) throws(HumanError) -> [UInt64] {
    let parent = try node(of: files.directory)
    let nodes = try (0..<files.count).map { (index) throws(HumanError) in
      try orFail("LOOKUP") { () throws(FuseError) in try client.lookup(parent, files.name(index)).nodeid }
    }
    try forget([(parent, 1)])
    return nodes
  }
}
