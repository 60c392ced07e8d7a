// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// One queue's worker: takes a chain, copies the request out of guest memory, runs the operation to its end on this
// thread, writes the reply, completes the chain. Owns all memory that this needs, so that nothing is allocated per
// request. The operations are in the Worker+*.swift files by topic; none of them touches the ring.

internal import FuseProtocol
internal import Linux
internal import Virtio
internal import Wire

/// Sendable because a worker belongs to its queue's owner thread: the device hands it out by queue index only, and a
/// queue has one thread at a time.
final class Worker: @unchecked Sendable {
  /// Enough for the largest fixed arguments, a 64 KiB attribute value, names and extensions.
  private static let inputByteCount = 192 * 1024
  /// The largest reply that is built here (directories); file contents go straight to guest memory.
  static let outputByteCount = 256 * 1024
  static let directoryByteCount = 64 * 1024
  /// Requests served before the runner may look at its other duties.
  private static let requestsPerTurn = 64

  let share: Share
  private let input = Scratch(byteCount: inputByteCount)
  private let output = Scratch(byteCount: outputByteCount)
  let directoryRecords = Scratch(byteCount: directoryByteCount)
  let window = SegmentWindow(capacity: mostVectors)
  let decimal = DecimalName()
  private let smallScratch = Scratch(byteCount: 4096)
  private var chain = Chain()
  /// The mount that the last inode looked up was on: saves a locked search for each.
  var lastMount: (key: MountTable.Key, index: UInt32)?
  let statistics = Statistics()

  init(_ share: Share) {
    self.share = share
  }

  /// Called on the queue's thread before the first request: gives the thread a current directory and a umask of its
  /// own. The directory is /proc/self/fd, so that "N" is the path of descriptor N; no guest's name is ever resolved
  /// from it, they all go with a directory descriptor.
  func prepareThread() {
    do throws(Errno) {
      try ThreadIdentity.unshareFileSystemState()
      try ThreadIdentity.setCurrentDirectory(share.descriptorDirectory.file)
      ThreadIdentity.setFileModeMask(0)
    } catch {
      preconditionFailure("a queue thread cannot be set up: \(error.message)")
    }
  }

  /// Serves what is in the ring; returns how many chains.
  func process(_ queue: inout Virtqueue) throws(GuestFault) -> Int {
    try serve(&queue, &chain)
  }

  private func serve(_ queue: inout Virtqueue, _ chain: inout Chain) throws(GuestFault) -> Int {
    var served = 0
    while served < Worker.requestsPerTurn {
      guard try queue.pop(into: &chain) else { break }
      served += 1
      let written = serve(chain, &queue)
      queue.complete(chain, written: written)
      // One at a time is a guest that waits for each answer: tell it now. A queue with more work waits for the batch.
      if !queue.hasWork { queue.flush() }
    }
    queue.flush()
    return served
  }

  /// Serves one chain; returns the bytes written into it.
  private func serve(_ chain: borrowing Chain, _ queue: inout Virtqueue) -> Int {
    let readable = chain.readable
    var headerBytes = input.segment.prefix(FuseInHeader.byteCount)
    let got = readable.gather(into: headerBytes)
    guard got == FuseInHeader.byteCount, let header = headerBytes.load(FuseInHeader.self) else {
      statistics.count(malformed: true)
      return 0
    }
    // What is already answered must not wait for an operation that may take long.
    if Worker.mayBlock(header.operation) { queue.flush() }
    let total = readable.byteCount
    let length = Int(header.len)
    guard length >= FuseInHeader.byteCount, length <= total else {
      statistics.count(malformed: true)
      return reply(header, error: .invalid, into: chain.writable)
    }
    // WRITE's payload stays where it is; everything else fits the input buffer or is not a request.
    let isWrite = header.opcode == FuseOpcode.write.rawValue
    let wanted = isWrite ? min(length, FuseInHeader.byteCount + FuseWriteIn.byteCount) : length
    guard wanted <= input.segment.count else {
      statistics.count(malformed: true)
      return reply(header, error: .invalid, into: chain.writable)
    }
    headerBytes = input.segment.dropFirst(FuseInHeader.byteCount).prefix(wanted - FuseInHeader.byteCount)
    guard readable.gather(into: headerBytes, from: FuseInHeader.byteCount) == headerBytes.count else { return 0 }
    let extensionBytes = isWrite ? 0 : header.extensionByteCount
    guard extensionBytes <= headerBytes.count else {
      statistics.count(malformed: true)
      return reply(header, error: .invalid, into: chain.writable)
    }
    let argumentBytes = headerBytes.count - extensionBytes
    var request = Request(
      header: header, arguments: ByteReader(headerBytes.prefix(argumentBytes)),
      extensions: headerBytes.dropFirst(argumentBytes))
    do throws(Errno) {
      let answer = try dispatch(&request, chain)
      statistics.count(header.opcode, failed: false)
      return reply(header, answer, into: chain.writable)
    } catch {
      statistics.count(header.opcode, failed: true)
      return reply(header, error: error, into: chain.writable)
    }
  }

  /// Where an operation builds its payload.
  var payload: ByteWriter { ByteWriter(output.segment.dropFirst(FuseOutHeader.byteCount)) }

  /// A small block for a rewritten attribute name or an ioctl's argument.
  var xattrScratch: Segment { smallScratch.segment }

  /// A payload of one value.
  func answer<Value: WireValue>(_ value: Value) -> Answer {
    var writer = payload
    writer.append(value)
    return .payload(writer.count)
  }

  private func reply(_ header: FuseInHeader, _ answer: Answer, into writable: Segments) -> Int {
    switch answer {
    case .nothing:
      return 0
    case .inPlace(let count):
      let length = FuseOutHeader.byteCount + count
      output.segment.store(FuseOutHeader(len: UInt32(length), error: 0, unique: header.unique))
      _ = writable.scatter(output.segment.prefix(FuseOutHeader.byteCount))
      return length
    case .payload(let count):
      let length = FuseOutHeader.byteCount + count
      guard length <= writable.byteCount else { return reply(header, error: .inputOutput, into: writable) }
      output.segment.store(FuseOutHeader(len: UInt32(length), error: 0, unique: header.unique))
      return writable.scatter(output.segment.prefix(length))
    }
  }

  private func reply(_ header: FuseInHeader, error: Errno, into writable: Segments) -> Int {
    // FORGET and its like have no room for a reply and want none.
    guard writable.byteCount >= FuseOutHeader.byteCount else { return 0 }
    output.segment.store(
      FuseOutHeader(len: UInt32(FuseOutHeader.byteCount), error: -error.rawValue, unique: header.unique))
    return writable.scatter(output.segment.prefix(FuseOutHeader.byteCount))
  }
}
