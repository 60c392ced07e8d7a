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
  /// Requests served before the runner may look at its other duties.
  private static let requestsPerTurn = 64
  /// Who moves so much keeps no answer back: interrupting the guest costs nothing beside it.
  static let largeByteCount = 64 << 10
  /// The longest that answers are kept back while others are worked at; looked at every few requests.
  private static let batchNanoseconds: Int64 = 20_000

  let share: Share
  let memory = WorkerMemory()
  let window = SegmentWindow(capacity: mostVectors)
  let decimal = DecimalName()
  private var chain = Chain()
  /// The mount that the last inode looked up was on: saves a locked search for each.
  var lastMount: (key: MountTable.Key, index: UInt32)?
  let statistics: Statistics
  /// When this thread turned to the request that it works on.
  var turnedAt = Statistics.noTime
  /// io_uring; nil where all reads and writes are plain calls.
  let transfers: Transfers?
  /// Stays pinned while reads and writes follow each other.
  var kept: KeptHandle?
  /// Helpers for what waits long; nil before the first of these.
  var slowCalls: SlowCalls?
  /// For waiting on both.
  var completions: SharedEpoll?
  /// The last sync has taken long.
  var syncIsSlow = false

  /// - Parameter transfers: io_uring, if the host has it.
  init(_ share: Share, transfers: Transfers? = nil) {
    self.share = share
    self.transfers = transfers
    statistics = Statistics(measuresLatency: share.options.measuresLatency)
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
    let finished = finishSlowCalls(&queue)
    // The next request may wait for the disk; these have waited long enough.
    if finished > 0 { queue.flush() }
    var served = finishTransfers(&queue) + finished
    turnedAt = statistics.time
    var batchStart = Clock.monotonic
    while served < Worker.requestsPerTurn {
      guard try queue.pop(into: &chain) else { break }
      served += 1
      serve(&chain, &queue)
      // One at a time is a guest that waits for each answer: tell it now. A queue with more work waits for the batch.
      if !queue.seesWork() {
        handOverGroup(&queue)
        queue.flush()
      } else if served & 3 == 0, case let now = Clock.monotonic, now - batchStart > Worker.batchNanoseconds {
        queue.flush()
        batchStart = now
      }
    }
    handOver(&queue)
    queue.flush()
    letKeptGo()
    return served
  }

  /// Serves one chain: it is complete then, or in flight.
  private func serve(_ chain: inout Chain, _ queue: inout Virtqueue) {
    guard let request = parse(chain.readable) else {
      statistics.count(malformed: true)
      return queue.complete(chain, written: refuseMalformed(chain.writable))
    }
    // Arguments that are gone read as zeroes: half a name, another offset. Nobody asked for that.
    if queue.memoryIsLost {
      let written = reply(unique: request.header.unique, error: .inputOutput, into: chain.writable)
      return queue.complete(chain, written: written)
    }
    // What is already answered must not wait for an operation that may take long.
    if Worker.mayBlock(request.header.operation) {
      handOver(&queue)
      queue.flush()
      if beginSlowCall(request, &chain, others: queue.seesWork()) {
        turnedAt = statistics.time
        return
      }
    }
    if transfers != nil {
      if beginTransfer(request, &chain, waiting: queue.waitingCount) {
        if hasFullGroup { handOver(&queue) }
        return
      }
      // What the page cache has does not wait for what is done here.
      handOverGroup(&queue)
      // All that can be in flight is: the next ones have to wait, not this thread's other requests.
      if transfers?.hasRoom == false { _ = finishTransfers(&queue, wait: true) }
    }
    let written = serve(request, chain)
    queue.complete(chain, written: written)
    if written + Int(request.header.len) >= Worker.largeByteCount { queue.flush() }
  }

  private func serve(_ request: Request, _ chain: borrowing Chain) -> Int {
    var request = request
    let header = request.header
    do throws(Errno) {
      let answer = try dispatch(&request, chain)
      statistics.count(header.opcode, failed: false, since: &turnedAt)
      return reply(unique: header.unique, answer, into: chain.writable)
    } catch {
      statistics.count(header.opcode, failed: true, since: &turnedAt)
      return reply(unique: header.unique, error: error, into: chain.writable)
    }
  }

  /// Copies a request's header and arguments out of guest memory; nil if its lengths do not add up.
  private func parse(_ readable: Segments) -> Request? {
    let headerBytes = memory.input.prefix(FuseInHeader.byteCount)
    // What a malformed request leaves unsaid must not be the last one's.
    headerBytes.zero()
    guard readable.gather(into: headerBytes) == FuseInHeader.byteCount,
      let header = headerBytes.load(FuseInHeader.self)
    else { return nil }
    let length = Int(header.len)
    guard length >= FuseInHeader.byteCount, length <= readable.byteCount else { return nil }
    // WRITE's payload stays where it is; everything else fits the input buffer or is not a request.
    let isWrite = header.opcode == FuseOpcode.write.rawValue
    let wanted = isWrite ? min(length, FuseInHeader.byteCount + FuseWriteIn.byteCount) : length
    guard wanted <= memory.input.count else { return nil }
    let arguments = memory.input.dropFirst(FuseInHeader.byteCount).prefix(wanted - FuseInHeader.byteCount)
    guard readable.gather(into: arguments, from: FuseInHeader.byteCount) == arguments.count else { return nil }
    let extensionBytes = isWrite ? 0 : header.extensionByteCount
    guard extensionBytes <= arguments.count else { return nil }
    let argumentBytes = arguments.count - extensionBytes
    return Request(
      header: header, arguments: ByteReader(arguments.prefix(argumentBytes)),
      extensions: arguments.dropFirst(argumentBytes))
  }

  /// The header that `parse` copied, as far as there was one, says whose answer this is.
  private func refuseMalformed(_ writable: Segments) -> Int {
    let header = memory.input.load(FuseInHeader.self) ?? FuseInHeader()
    return reply(unique: header.unique, error: .invalid, into: writable)
  }

  /// The queue is about to be taken away: what is in flight is answered first.
  func finish(_ queue: inout Virtqueue) {
    while finishTransfers(&queue, wait: true) > 0 {}
    letKeptGo()
    while finishSlowCalls(&queue, wait: true) > 0 {}
    // A guest that has left leaves no thread and no descriptor.
    slowCalls?.end()
    slowCalls = nil
    completions = nil
    queue.flush()
  }
}
