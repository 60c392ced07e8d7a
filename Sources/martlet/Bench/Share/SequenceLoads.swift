// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Loads of several requests in a row, as the guest's kernel sends them: a file opened and closed, a file made and
// removed. FLUSH is sent where the server's answers make Linux send it.

internal import FuseProtocol
internal import Frontend
internal import Linux
internal import Wire

/// Whether the server wants FLUSH; a server says no by FOPEN_NOFLUSH per file, or by ENOSYS once and for all.
private struct FlushHabit {
  var isRefused = false

  func sends(after flags: FuseOpenReplyFlags) -> Bool { !isRefused && !flags.contains(.noflush) }

  mutating func learn(_ header: FuseOutHeader) throws(LoadError) {
    if header.error == -Errno.notImplemented.rawValue { isRefused = true } else { try LoadError.check(header, .flush) }
  }
}

/// The requests that close an open file.
private enum Closing {
  static let flushShape = FuseShape(argumentByteCount: FuseFlushIn.byteCount)
  static let releaseShape = FuseShape(argumentByteCount: FuseReleaseIn.byteCount)

  static func flush(_ lane: FuseLane, _ slot: Int, _ node: UInt64, _ handle: UInt64) {
    lane.arguments(of: slot).store(FuseFlushIn(fh: handle))
    lane.send(slot, .flush, node: node, flushShape)
  }

  static func release(_ lane: FuseLane, _ slot: Int, _ node: UInt64, _ handle: UInt64) {
    lane.arguments(of: slot).store(FuseReleaseIn(fh: handle))
    lane.send(slot, .release, node: node, releaseShape)
  }
}

/// OPEN, FLUSH if wanted, RELEASE.
final class OpenCloseLoad: Load {
  private enum Step {
    case open
    case flush
    case release
  }

  private struct State {
    var step = Step.open
    var node: UInt64 = 0
    var handle: UInt64 = 0
  }

  private let session: ShareSession
  private let nodes: [UInt64]
  private let flags: UInt32
  private let shape = FuseShape(argumentByteCount: FuseOpenIn.byteCount, replyByteCount: FuseOpenOut.byteCount)
  private var states = [State](repeating: State(), count: ShareSession.slotCount)
  private var habit = FlushHabit()
  private var next = 0

  init(_ files: FileSet, writing: Bool, _ session: ShareSession) throws(HumanError) {
    self.session = session
    nodes = try session.nodes(of: files)
    flags = UInt32(bitPattern: writing ? OpenFlags.readWrite : OpenFlags.readOnly)
  }

  func begin(_ lane: FuseLane, _ slot: Int) {
    states[slot] = State(node: nodes[next])
    next = next + 1 == nodes.count ? 0 : next + 1
    lane.arguments(of: slot).store(FuseOpenIn(flags: flags))
    lane.send(slot, .open, node: states[slot].node, shape)
  }

  func advance(_ lane: FuseLane, _ slot: Int, _ byteCount: Int) throws(LoadError) -> LoadProgress {
    let header = lane.answer(of: slot)
    let state = states[slot]
    switch state.step {
    case .open:
      try LoadError.check(header, .open)
      let open = lane.reply(of: slot).load(FuseOpenOut.self) ?? FuseOpenOut()
      states[slot].handle = open.fh
      if habit.sends(after: open.openFlags) {
        states[slot].step = .flush
        Closing.flush(lane, slot, state.node, open.fh)
      } else {
        states[slot].step = .release
        Closing.release(lane, slot, state.node, open.fh)
      }
      return .goesOn
    case .flush:
      try habit.learn(header)
      states[slot].step = .release
      Closing.release(lane, slot, state.node, state.handle)
      return .goesOn
    case .release:
      try LoadError.check(header, .release)
      return .done(1)
    }
  }

  func finish() throws(HumanError) {
    try session.forget(nodes.map { ($0, 1) })
  }
}

/// CREATE, FLUSH if wanted, RELEASE, UNLINK, FORGET.
final class CreateUnlinkLoad: Load {
  private enum Step {
    case create
    case flush
    case release
    case unlink
  }

  private struct State {
    var step = Step.create
    var node: UInt64 = 0
    var handle: UInt64 = 0
  }

  private let session: ShareSession
  private let parent: UInt64
  private let names: [[UInt8]]
  private let createShape: FuseShape
  private let unlinkShape: FuseShape
  private var states = [State](repeating: State(), count: ShareSession.slotCount)
  private var habit = FlushHabit()
  /// Free slots of the lane for FORGETs.
  private var free: [Int]

  init(_ files: FileSet, _ session: ShareSession) throws(HumanError) {
    self.session = session
    parent = try session.node(of: files.directory)
    names = (0..<ShareSession.slotCount).map { FileSet.bytes(FileSet.name("made-", $0)) }
    createShape = FuseShape(
      argumentByteCount: FuseCreateIn.byteCount + names[0].count,
      replyByteCount: FuseEntryOut.byteCount + FuseOpenOut.byteCount)
    unlinkShape = FuseShape(argumentByteCount: names[0].count)
    free = Array(0..<session.forgets.slotCount)
  }

  func begin(_ lane: FuseLane, _ slot: Int) {
    states[slot] = State()
    let arguments = lane.arguments(of: slot)
    arguments.store(
      FuseCreateIn(flags: UInt32(bitPattern: OpenFlags.readWrite | OpenFlags.create), mode: 0o100644, umask: 0o22))
    arguments.copy(names[slot], at: FuseCreateIn.byteCount)
    lane.send(slot, .create, node: parent, createShape)
  }

  func advance(_ lane: FuseLane, _ slot: Int, _ byteCount: Int) throws(LoadError) -> LoadProgress {
    let header = lane.answer(of: slot)
    let state = states[slot]
    switch state.step {
    case .create:
      try LoadError.check(header, .create)
      let reply = lane.reply(of: slot)
      let open = reply.load(FuseOpenOut.self, at: FuseEntryOut.byteCount) ?? FuseOpenOut()
      let node = reply.load(UInt64.self) ?? 0
      states[slot].node = node
      states[slot].handle = open.fh
      if habit.sends(after: open.openFlags) {
        states[slot].step = .flush
        Closing.flush(lane, slot, node, open.fh)
      } else {
        states[slot].step = .release
        Closing.release(lane, slot, node, open.fh)
      }
    case .flush:
      try habit.learn(header)
      states[slot].step = .release
      Closing.release(lane, slot, state.node, state.handle)
    case .release:
      try LoadError.check(header, .release)
      states[slot].step = .unlink
      lane.arguments(of: slot).copy(names[slot])
      lane.send(slot, .unlink, node: parent, unlinkShape)
    case .unlink:
      try LoadError.check(header, .unlink)
      try forget(state.node)
      return .done(1)
    }
    return .goesOn
  }

  /// The guest does not wait for a FORGET; here only if there are too many under way.
  private func forget(_ node: UInt64) throws(LoadError) {
    do throws(FrontendError) {
      while let used = try session.forgets.take() { free.append(used.slot) }
      while free.isEmpty {
        try session.forgets.wait(pollNanoseconds: 20_000, timeoutNanoseconds: 5_000_000_000)
        while let used = try session.forgets.take() { free.append(used.slot) }
      }
    } catch {
      throw LoadError(message: "FORGET failed: \(error)")
    }
    session.send(forget: (node, 1), in: free.removeLast())
    session.forgets.flush()
  }

  func finish() throws(HumanError) {
    try session.forget([(parent, 1)])
  }
}
