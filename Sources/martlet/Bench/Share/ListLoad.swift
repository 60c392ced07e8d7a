// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A whole directory read with READDIRPLUS, as `ls -l` has it read. One operation is one entry.

internal import FuseProtocol
internal import Frontend
internal import Linux
internal import Wire

final class ListLoad: Load {
  private enum Step {
    case open
    case read
    case release
  }

  /// Room for one answer: what Linux asks for when the C library reads a directory.
  private static let answerByteCount = 32 << 10

  private let session: ShareSession
  private let directory: UInt64
  private let entryCount: Int
  private let keepsReferences: Bool
  private let openShape = FuseShape(argumentByteCount: FuseOpenIn.byteCount, replyByteCount: FuseOpenOut.byteCount)
  private let readShape = FuseShape(
    argumentByteCount: FuseReadIn.byteCount, receivedByteCount: ListLoad.answerByteCount)
  private let releaseShape = FuseShape(argumentByteCount: FuseReleaseIn.byteCount)
  private var step = Step.open
  private var handle: UInt64 = 0
  private var found = 0
  /// Nodes that the answers gave references to.
  private var references: [UInt64] = []

  /// - Parameter keepsReferences: the inodes stay known from pass to pass, instead of being forgotten after each.
  init(_ name: String, entryCount: Int, keepsReferences: Bool, _ session: ShareSession) throws(HumanError) {
    self.session = session
    self.entryCount = entryCount
    self.keepsReferences = keepsReferences
    directory = try session.node(of: name)
    references.reserveCapacity(entryCount * (keepsReferences ? 4 : 1))
  }

  func begin(_ lane: FuseLane, _ slot: Int) {
    precondition(slot == 0, "a listing has one slot")
    step = .open
    found = 0
    lane.arguments(of: slot).store(FuseOpenIn(flags: UInt32(bitPattern: OpenFlags.directory)))
    lane.send(slot, .opendir, node: directory, openShape)
  }

  func advance(_ lane: FuseLane, _ slot: Int, _ byteCount: Int) throws(LoadError) -> LoadProgress {
    let header = lane.answer(of: slot)
    switch step {
    case .open:
      try LoadError.check(header, .opendir)
      handle = lane.reply(of: slot).load(UInt64.self) ?? 0
      step = .read
      read(lane, slot, from: 0)
    case .read:
      try LoadError.check(header, .readdirplus)
      let last = try take(lane.data(of: slot).prefix(byteCount - FuseOutHeader.byteCount))
      if let last {
        read(lane, slot, from: last)
      } else {
        step = .release
        lane.arguments(of: slot).store(FuseReleaseIn(fh: handle))
        lane.send(slot, .releasedir, node: directory, releaseShape)
      }
    case .release:
      try LoadError.check(header, .releasedir)
      guard found == entryCount else { throw LoadError(message: "\(found) of \(entryCount) entries were listed") }
      return .done(found)
    }
    return .goesOn
  }

  private func read(_ lane: FuseLane, _ slot: Int, from offset: UInt64) {
    lane.arguments(of: slot).store(FuseReadIn(fh: handle, offset: offset, size: UInt32(Self.answerByteCount)))
    lane.send(slot, .readdirplus, node: directory, readShape)
  }

  /// Counts an answer's entries; returns where reading goes on, nil at the end.
  private func take(_ records: Segment) throws(LoadError) -> UInt64? {
    var offset = 0
    var last: UInt64?
    while let dirent = records.load(FuseDirent.self, at: offset + FuseEntryOut.byteCount) {
      let node = records.load(UInt64.self, at: offset) ?? 0
      if node != 0 {
        found += 1
        references.append(node)
      }
      last = dirent.off
      offset += FuseDirentplus.direntSize(nameLength: Int(dirent.namelen))
    }
    return last
  }

  var betweenPasses: (() throws(HumanError) -> Void)? {
    { () throws(HumanError) in
      if !self.keepsReferences { try self.forgetAll() }
    }
  }

  func finish() throws(HumanError) {
    try forgetAll()
    try session.forget([(directory, 1)])
  }

  private func forgetAll() throws(HumanError) {
    try session.forget(references.map { ($0, 1) })
    references.removeAll(keepingCapacity: true)
  }
}
