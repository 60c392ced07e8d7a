// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What a slot does over and over. An operation is one or more requests in a row; a load keeps where each slot stands.
// Called for every answer: no allocation, no look-ups.

internal import FuseProtocol
internal import Frontend
internal import Linux
internal import Wire

/// An answer that a load did not expect.
struct LoadError: Error {
  let message: String

  /// The answer's error number, where it should have been 0 or `expected`.
  static func check(_ header: FuseOutHeader, _ operation: FuseOpcode, expected: Int32 = 0) throws(LoadError) {
    guard header.error == -expected else {
      throw LoadError(message: "\(operation) was answered with \(Errno(-header.error).message)")
    }
  }
}

enum LoadProgress {
  /// The next request of the operation was sent.
  case goesOn
  /// So many operations are done; the slot is free.
  case done(Int)
}

protocol Load: AnyObject {
  /// The share's bytes that one operation moves; 0 for metadata.
  var transferByteCount: Int { get }
  /// Sends the first request of an operation.
  func begin(_ lane: FuseLane, _ slot: Int)
  /// Takes an answer of `byteCount` bytes.
  func advance(_ lane: FuseLane, _ slot: Int, _ byteCount: Int) throws(LoadError) -> LoadProgress
  /// What has to be put right between two passes, unmeasured. Nil: nothing, so passes are as long as the clock says.
  var betweenPasses: (() throws(HumanError) -> Void)? { get }
  /// Gives back what the guest would hold at the end.
  func finish() throws(HumanError)
}

extension Load {
  var transferByteCount: Int { 0 }
  var betweenPasses: (() throws(HumanError) -> Void)? { nil }
  func finish() throws(HumanError) {}
}

/// Numbers without a pattern, the same in every run (SplitMix64).
struct Dice {
  private var state: UInt64

  init(_ seed: UInt64) {
    state = seed
  }

  mutating func below(_ limit: UInt64) -> UInt64 {
    state &+= 0x9e37_79b9_7f4a_7c15
    var value = state
    value = (value ^ (value >> 30)) &* 0xbf58_476d_1ce4_e5b9
    value = (value ^ (value >> 27)) &* 0x94d0_49bb_1331_11eb
    value ^= value >> 31
    return value.multipliedFullWidth(by: limit).high
  }
}

/// READs or WRITEs of one size in one open file.
final class DataLoad: Load {
  struct Pattern {
    let writes: Bool
    let isRandom: Bool
    let byteCount: Int
    let isDirect: Bool
  }

  let transferByteCount: Int
  private let session: ShareSession
  private let pattern: Pattern
  private let node: UInt64
  private let handle: UInt64
  private let blockCount: UInt64
  private let shape: FuseShape
  private let openFlags: UInt32
  private var dice = Dice(42)
  private var next: UInt64 = 0

  init(_ pattern: Pattern, _ session: ShareSession, file: String, byteCount: Int) throws(HumanError) {
    self.pattern = pattern
    self.session = session
    transferByteCount = pattern.byteCount
    blockCount = UInt64(byteCount / pattern.byteCount)
    let access = pattern.writes ? OpenFlags.readWrite : OpenFlags.readOnly
    openFlags = UInt32(bitPattern: access | (pattern.isDirect ? OpenFlags.direct : 0))
    let flags = openFlags
    node = try session.orFail("LOOKUP") { () throws(FuseError) in
      try session.client.lookup(Fuse.rootID, file).nodeid
    }
    let node = node
    handle = try session.orFail("OPEN") { () throws(FuseError) in try session.client.open(node, flags: flags).fh }
    shape =
      pattern.writes
      ? FuseShape(
        argumentByteCount: FuseWriteIn.byteCount, sentByteCount: pattern.byteCount,
        replyByteCount: FuseWriteOut.byteCount)
      : FuseShape(argumentByteCount: FuseReadIn.byteCount, receivedByteCount: pattern.byteCount)
  }

  func begin(_ lane: FuseLane, _ slot: Int) {
    let block: UInt64
    if pattern.isRandom {
      block = dice.below(blockCount)
    } else {
      block = next
      next = next &+ 1 == blockCount ? 0 : next &+ 1
    }
    let offset = block &* UInt64(pattern.byteCount)
    if pattern.writes {
      lane.arguments(of: slot).store(
        FuseWriteIn(fh: handle, offset: offset, size: UInt32(pattern.byteCount), flags: openFlags))
    } else {
      lane.arguments(of: slot).store(
        FuseReadIn(fh: handle, offset: offset, size: UInt32(pattern.byteCount), flags: openFlags))
    }
    lane.send(slot, pattern.writes ? .write : .read, node: node, shape)
  }

  func advance(_ lane: FuseLane, _ slot: Int, _ byteCount: Int) throws(LoadError) -> LoadProgress {
    try LoadError.check(lane.answer(of: slot), pattern.writes ? .write : .read)
    let moved =
      pattern.writes
      ? Int(lane.reply(of: slot).load(UInt32.self) ?? 0) : byteCount - FuseOutHeader.byteCount
    guard moved == pattern.byteCount else { throw LoadError(message: "\(moved) of \(pattern.byteCount) bytes moved") }
    return .done(1)
  }

  func finish() throws(HumanError) {
    let (node, handle) = (node, handle)
    try session.orFail("RELEASE") { () throws(FuseError) in try session.client.release(node, handle) }
    try session.forget([(node, 1)])
  }
}
