// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A FUSE request before it lies in guest memory, and its answer after it was taken out again.

public import FuseProtocol
internal import Linux
public import Wire

/// One request. The convenience calls of `FuseClient` make good ones; the members allow any.
public struct FuseRequest: Sendable {
  /// Which of the client's queues carries it.
  public enum Queue: Sendable, Equatable {
    /// The high-priority queue: FORGET, BATCH_FORGET, INTERRUPT.
    case highPriority
    /// The client's choice among the request queues.
    case any
    /// Request queue `index`, counted from 0.
    case request(Int)
  }

  public var opcode: UInt32
  public var nodeid: UInt64
  /// What follows the header, argument by argument; names with their NUL.
  public var arguments: [[UInt8]] = []
  /// Data after the arguments, in page-sized buffers of its own (WRITE).
  public var data: [UInt8] = []
  /// Room for the answer's struct after its header.
  public var replyByteCount = 0
  /// Room for the answer's data, in page-sized buffers of its own (READ, READDIR).
  public var replyDataByteCount = 0
  /// False for requests that are never answered (FORGET): the chain has no writable part.
  public var isAnswered = true
  public var queue = Queue.any
  /// Length of the extensions among the arguments, in units of 8 bytes.
  public var extensionLength: UInt16 = 0
  /// The header's length field, if it shall not be the true one.
  public var claimedLength: UInt32?

  public init(_ opcode: FuseOpcode, node: UInt64) {
    self.init(opcode: opcode.rawValue, node: node)
  }

  public init(opcode: UInt32, node: UInt64) {
    self.opcode = opcode
    nodeid = node
  }

  /// Adds a struct.
  public mutating func append<Value: WireValue>(_ value: Value) {
    arguments.append([UInt8](wire: value))
  }

  /// Adds a name and its NUL.
  public mutating func append(name: String) {
    arguments.append(Array(name.utf8) + [0])
  }

  /// Adds bytes as they are.
  public mutating func append(bytes: [UInt8]) {
    arguments.append(bytes)
  }

  /// Bytes of the arguments.
  var argumentByteCount: Int { arguments.reduce(0) { $0 + $1.count } }
}

/// Names a request under way.
public struct FuseTicket: Hashable, Sendable {
  /// The header's `unique`.
  public let unique: UInt64
}

/// What the server wrote, as it lay in the chain's writable part.
public struct FuseReply: Sendable {
  public let unique: UInt64
  /// Bytes that the device says it wrote; not more than the chain had room for.
  public let usedLength: Int
  /// The header, if that many bytes were written.
  public let header: FuseOutHeader?
  /// What follows the header.
  public let body: [UInt8]
  /// False for requests that are never answered.
  let isAnswered: Bool

  /// The body, if the answer is one that Linux takes (fs/fuse/dev.c, fs/fuse/virtio_fs.c) and no error.
  public func checkedBody() throws(FuseError) -> [UInt8] {
    guard isAnswered else { return [] }
    guard let header else { throw .malformed("\(usedLength) bytes are no header") }
    guard header.unique == unique else { throw .malformed("the answer is to another request, \(header.unique)") }
    guard header.len == usedLength else {
      throw .malformed("the header says \(header.len) bytes, the used ring \(usedLength)")
    }
    guard header.error <= 0, header.error > -512 else { throw .malformed("error number \(header.error)") }
    if header.error < 0 {
      guard body.isEmpty else { throw .malformed("an error with \(body.count) bytes of body") }
      throw .refused(Errno(-header.error))
    }
    return body
  }

  /// The body as one struct of exactly its size.
  public func value<Value: WireValue>(_: Value.Type = Value.self) throws(FuseError) -> Value {
    let body = try checkedBody()
    guard body.count == Value.byteCount, let value = body.load(Value.self) else {
      throw .malformed("\(body.count) bytes instead of the \(Value.byteCount) of \(Value.self)")
    }
    return value
  }
}
