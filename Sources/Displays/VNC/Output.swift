// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

internal import Linux
internal import Wire

/// Bytes on their way to one viewer: what is encoded next waits until these are gone, so a viewer that does not read
/// costs one buffer and nobody's time.
final class Output {
  private let memory: AnonymousMemory
  private(set) var writer: ByteWriter
  private var sentCount = 0

  init() throws(Errno) {
    // Two rectangles' heads and a cursor beside a row of tiles; what is never used costs nothing.
    memory = try AnonymousMemory(byteCount: RectangleEncoder.mostBytes + 65536)
    writer = ByteWriter(memory.segment)
  }

  var isEmpty: Bool { writer.count == sentCount }

  /// False if it does not fit: callers append little, or to an empty buffer.
  @discardableResult
  func append(_ bytes: [UInt8]) -> Bool {
    guard bytes.count <= writer.space else { return false }
    for byte in bytes { writer.append(byte) }
    return true
  }

  /// Lends the end of the buffer.
  func write<Result>(_ body: (inout ByteWriter) -> Result) -> Result { body(&writer) }

  /// Sends what the socket takes; true if it took any. Throws `tryAgain` never.
  func send(to socket: borrowing UnixSocket) throws(Errno) -> Bool {
    var progress = false
    do throws(Errno) {
      while !isEmpty {
        sentCount += try socket.sendOnce(writer.written.dropFirst(sentCount))
        progress = true
      }
    } catch .tryAgain {
      return progress
    }
    writer.rewind(to: 0)
    sentCount = 0
    return progress
  }
}
