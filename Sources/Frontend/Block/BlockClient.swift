// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A driver of block devices that can say anything: requests in any layout, many in flight, answers compared byte for
// byte. For tests and tools; `BlockLane` is the one for speed.

public import BlockProtocol
internal import Wire

/// One queue of a block device. Has one owner.
public final class BlockClient {
  public let queue: DriverQueue
  /// How long an answer may take.
  public var timeoutNanoseconds = FrontendConnection.defaultTimeoutNanoseconds

  private struct Pending {
    var readable: [GuestBuffer]
    var writable: [GuestBuffer]
    var hasStatus: Bool
  }

  private var pending: [UInt64: Pending] = [:]
  private var nextToken: UInt64 = 1

  public init(_ queue: DriverQueue) {
    self.queue = queue
  }

  /// Requests whose answer was not taken yet.
  public var inFlightCount: Int { pending.count }

  /// Adds a request; the device sees it at `flush`.
  /// - Returns: the token that comes back with the answer.
  @discardableResult
  public func add(_ request: BlockRequest, indirect: Bool? = nil) throws(BlockError) -> UInt64 {
    try onBlockTransport { () throws(FrontendError) in try place(request, indirect) }
  }

  /// Lets the device see what was added, and kicks if it wants that.
  public func flush() {
    queue.submit()
  }

  /// Adds a request and lets the device see it.
  @discardableResult
  public func submit(_ request: BlockRequest, indirect: Bool? = nil) throws(BlockError) -> UInt64 {
    let token = try add(request, indirect: indirect)
    flush()
    return token
  }

  /// Waits for the next answer, in whatever order the device gives them.
  public func complete() throws(BlockError) -> (token: UInt64, answer: BlockAnswer) {
    try answer(
      of: onBlockTransport { () throws(FrontendError) in try queue.takeNext(timeoutNanoseconds: timeoutNanoseconds) })
  }

  /// The next answer that is there; nil if there is none.
  public func completeWithoutWaiting() throws(BlockError) -> (token: UInt64, answer: BlockAnswer)? {
    guard let used = try onBlockTransport({ () throws(FrontendError) in try queue.takeUsed() }) else { return nil }
    return try answer(of: used)
  }

  private func answer(of used: UsedChain) throws(BlockError) -> (token: UInt64, answer: BlockAnswer) {
    guard let request = pending.removeValue(forKey: used.token) else {
      throw .malformed("an answer to nothing")
    }
    let bytes = request.writable.flatMap { $0.segment.bytes() }
    for buffer in request.readable + request.writable { release(buffer) }
    let answer = BlockAnswer(
      status: request.hasStatus ? bytes.last ?? 0xff : 0xff, usedByteCount: Int(used.length),
      data: request.hasStatus ? bytes.dropLast() : bytes)
    return (used.token, answer)
  }

  /// Sends a request and waits for its answer, whatever its status; nothing else may be in flight.
  public func answer(to request: BlockRequest, indirect: Bool? = nil) throws(BlockError) -> BlockAnswer {
    precondition(pending.isEmpty, "the answer would be another request's")
    try submit(request, indirect: indirect)
    return try complete().answer
  }

  /// As `answer`, for requests that must succeed.
  @discardableResult
  public func perform(_ request: BlockRequest) throws(BlockError) -> BlockAnswer {
    try answer(to: request).checked()
  }

  // MARK: What drivers say

  public func read(sector: UInt64, byteCount: Int) throws(BlockError) -> [UInt8] {
    try perform(BlockRequest(BlockRequestHeader(.read, sector: sector), receivedByteCount: byteCount)).data
  }

  public func write(sector: UInt64, _ bytes: [UInt8]) throws(BlockError) {
    try perform(BlockRequest(BlockRequestHeader(.write, sector: sector), sent: bytes))
  }

  public func flushCache() throws(BlockError) {
    try perform(BlockRequest(BlockRequestHeader(.flush, sector: 0)))
  }

  public func discard(_ ranges: BlockRange...) throws(BlockError) {
    try perform(BlockRequest(.discard, ranges: ranges))
  }

  public func writeZeroes(_ ranges: BlockRange...) throws(BlockError) {
    try perform(BlockRequest(.writeZeroes, ranges: ranges))
  }

  /// The device's serial number, without the padding.
  public func identifier() throws(BlockError) -> String {
    let request = BlockRequest(BlockRequestHeader(.getID, sector: 0), receivedByteCount: BlockLimits.idByteCount)
    return String(decoding: try perform(request).data.prefix { $0 != 0 }, as: UTF8.self)
  }

  // MARK: Buffers

  /// Memory that a request's buffers are cut out of starts at a page, so that `misalignment` means what it says.
  private static let pageByteCount = 4096

  private func place(_ request: BlockRequest, _ indirect: Bool?) throws(FrontendError) -> UInt64 {
    let question = request.header.bytes + request.sent
    var item = Pending(readable: [], writable: [], hasStatus: request.hasStatus)
    var offset = 0
    for count in BlockRequest.pieces(of: question.count, cuts: request.readableCuts) {
      let buffer = try buffer(count, request.misalignment)
      for index in 0..<count { buffer.segment.store(question[offset + index], at: index) }
      item.readable.append(buffer)
      offset += count
    }
    let room = request.receivedByteCount + (request.hasStatus ? 1 : 0)
    for count in BlockRequest.pieces(of: room, cuts: request.writableCuts) {
      let buffer = try buffer(count, request.misalignment)
      // A device that forgets to write is seen.
      for index in 0..<count { buffer.segment.store(UInt8(0xff), at: index) }
      item.writable.append(buffer)
    }
    let token = nextToken
    nextToken += 1
    try queue.add(readable: item.readable, writable: item.writable, token: token, indirect: indirect)
    pending[token] = item
    return token
  }

  private func buffer(_ byteCount: Int, _ misalignment: Int) throws(FrontendError) -> GuestBuffer {
    let whole = try queue.ram.allocate(
      misalignment + byteCount, alignment: UInt64(Self.pageByteCount), clearing: false)
    return whole.part(from: misalignment, count: byteCount)
  }

  private func release(_ buffer: GuestBuffer) {
    queue.ram.free(buffer)
  }
}
