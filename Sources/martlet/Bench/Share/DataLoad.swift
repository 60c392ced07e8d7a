// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What fio would do in a guest, as the guest's kernel passes it on: READs and WRITEs of one size.

internal import Frontend
internal import FuseProtocol
internal import Linux
internal import Wire

/// READs or WRITEs of one size in one open file.
final class DataLoad: Load {
  private let session: ShareSession
  private let pattern: DataPattern
  private let node: UInt64
  private let handle: UInt64
  private let shape: FuseShape
  private let openFlags: UInt32
  private var blocks: BlockSequence

  /// - Parameter number: tells the jobs of a work apart, which begin at different places.
  init(
    _ pattern: DataPattern, _ session: ShareSession, file: String, byteCount: Int, job number: Int = 0
  ) throws(HumanError) {
    self.pattern = pattern
    self.session = session
    blocks = BlockSequence(pattern, fileByteCount: byteCount, job: number)
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
    let offset = blocks.nextOffset()
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
