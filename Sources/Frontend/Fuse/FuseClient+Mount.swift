// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The mount as a whole, and the references to its nodes.

public import FuseProtocol
internal import Wire

extension FuseClient {
  /// INIT: the first request. Keeps what was agreed on in `features` and `server`.
  /// - Parameter wanted: flags to offer; INIT_EXT is added when one of the upper word is among them.
  @discardableResult
  public func initialize(
    _ wanted: FuseInitFlags, maxReadahead: UInt32 = 128 << 10, minor: UInt32 = Fuse.minorVersion
  ) throws(FuseError) -> FuseInitOut {
    var arguments = FuseInitIn()
    arguments.major = Fuse.majorVersion
    arguments.minor = minor
    arguments.maxReadahead = maxReadahead
    arguments.features = wanted.high == 0 ? wanted : wanted.union(.initExt)
    var request = FuseRequest(.initialize, node: 0)
    request.append(arguments)
    request.replyByteCount = FuseInitOut.byteCount
    let reply: FuseInitOut = try perform(request).value()
    guard reply.major == Fuse.majorVersion else { throw .malformed("FUSE version \(reply.major)") }
    server = reply
    features = reply.features.intersection(arguments.features)
    return reply
  }

  /// DESTROY: the last request; everything the server holds for the guest is dropped.
  public func destroy() throws(FuseError) {
    _ = try perform(FuseRequest(.destroy, node: 0)).checkedBody()
  }

  public func lookup(_ parent: UInt64, _ name: String) throws(FuseError) -> FuseEntryOut {
    var request = FuseRequest(.lookup, node: parent)
    request.append(name: name)
    return try entry(&request)
  }

  /// Drops references to a node. Has no answer; returns when the server has taken it.
  public func forget(_ node: UInt64, count: UInt64 = 1) throws(FuseError) {
    var request = FuseRequest(.forget, node: node)
    request.append(FuseForgetIn(nlookup: count))
    request.isAnswered = false
    request.queue = .highPriority
    _ = try perform(request)
  }

  /// Drops references to several nodes.
  public func forget(_ nodes: [(node: UInt64, count: UInt64)]) throws(FuseError) {
    var request = FuseRequest(.batchForget, node: 0)
    request.append(FuseBatchForgetIn(count: UInt32(nodes.count)))
    var list: [UInt8] = []
    for entry in nodes { list.append(wire: FuseForgetOne(nodeid: entry.node, nlookup: entry.count)) }
    request.append(bytes: list)
    request.isAnswered = false
    request.queue = .highPriority
    _ = try perform(request)
  }

  /// Tells the server that nobody waits for a request any more. Linux wants no answer to this either.
  public func interrupt(_ ticket: FuseTicket) throws(FuseError) {
    var request = FuseRequest(.interrupt, node: 0)
    request.append(FuseInterruptIn(unique: ticket.unique))
    request.isAnswered = false
    request.queue = .highPriority
    _ = try perform(request)
  }

  public func statfs(_ node: UInt64 = Fuse.rootID) throws(FuseError) -> FuseKstatfs {
    var request = FuseRequest(.statfs, node: node)
    request.replyByteCount = FuseStatfsOut.byteCount
    let reply: FuseStatfsOut = try perform(request).value()
    return reply.st
  }

  /// SYNCFS: everything to stable storage.
  public func syncfs(_ node: UInt64 = Fuse.rootID) throws(FuseError) {
    var request = FuseRequest(.syncfs, node: node)
    request.append(FuseSyncfsIn())
    _ = try perform(request).checkedBody()
  }

  /// Performs a request whose answer is an entry.
  func entry(_ request: inout FuseRequest) throws(FuseError) -> FuseEntryOut {
    request.replyByteCount = FuseEntryOut.byteCount
    return try perform(request).value()
  }
}
