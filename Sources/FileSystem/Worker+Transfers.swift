// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// READ and WRITE by io_uring when there is more than one to do, begun here and answered when they are done: on files
// that the guest opened with O_DIRECT (--allow-direct-io), and READ of all others whose file system can read without
// waiting. What the page cache has is done while it is handed over, what has to come from the disk keeps nobody
// waiting. A lone request is faster by a plain call.

internal import FuseProtocol
internal import Linux
internal import Virtio
internal import Wire

extension Worker {
  /// Fewer writes than this, beside one, are faster one after the other: what the kernel has left to do when the disk
  /// is done with a write is done by the thread that waits for it, or else by a worker thread that has to be woken.
  private static let leastWriters = 4
  /// Cached reads that are handed over together, and their bytes: a system call for all of them, and a driver that has
  /// the first answers while the next group is read (contrib/decisions/0026).
  private static let groupSize = 8
  private static let groupByteCount = 64 << 10

  /// Begins the request's transfer if it is one for io_uring; the chain is then in flight and another is in its place.
  /// - Parameter waiting: requests behind this one.
  func beginTransfer(_ request: Request, _ chain: inout Chain, waiting: Int) -> Bool {
    guard let transfers, transfers.hasRoom else { return false }
    let others = waiting + transfers.inFlight
    switch request.header.operation {
    case .read: return others > 0 && beginRead(request, &chain, transfers)
    case .write:
      // Cached writes stay plain: few file systems take one without waiting.
      guard share.options.allowDirectIO else { return false }
      transfers.learn(others: others)
      return transfers.usualOthers >= Worker.leastWriters && beginWrite(request, &chain, transfers)
    default: return false
    }
  }

  private func beginRead(_ request: Request, _ chain: inout Chain, _ transfers: Transfers) -> Bool {
    var request = request
    guard let arguments = try? request.take(FuseReadIn.self), let offset = Int64(exactly: arguments.offset),
      offset <= Int64.max - Int64(UInt32.max), let held = try? hold(arguments.fh)
    else { return false }
    let space = chain.writable.byteCount - FuseOutHeader.byteCount
    let transfer = Transfer(
      unique: request.header.unique, held: held, offset: offset, byteCount: min(Int(arguments.size), space),
      isWrite: false, begunAt: turnedAt)
    let isCached = held.handle.flags & OpenFlags.direct == 0
    if transfer.byteCount > 0, !isCached || readsByRing(held),
      transfers.begin(transfer, &chain, dataOffset: FuseOutHeader.byteCount, isCached: isCached)
    {
      beginTransfer(on: held)
      return true
    }
    letGo(held)
    return false
  }

  /// Whether cached reads of an open file go by io_uring: where the file system cannot read without waiting (tmpfs,
  /// overlayfs), io_uring would hand each to a thread of its own. Asked at the second read, because many files are read
  /// once.
  private func readsByRing(_ held: HeldHandle) -> Bool {
    switch held.handle.readWay {
    case .ring: return true
    case .plain: return false
    case .unseen: note(held, .seen)
    case .seen:
      let way = readsWithoutWaiting(held.handle.file) ? ReadWay.ring : .plain
      note(held, way)
      return way == .ring
    }
    return false
  }

  private func readsWithoutWaiting(_ file: File) -> Bool {
    let byte = Table(count: 1) { _ in memory.small.prefix(1) }
    do throws(Errno) {
      _ = try file.read(byte.segments, at: 0, flags: TransferFlags.noWait)
      return true
    } catch {
      return error == .tryAgain
    }
  }

  private func beginWrite(_ request: Request, _ chain: inout Chain, _ transfers: Transfers) -> Bool {
    var request = request
    let dataOffset = FuseInHeader.byteCount + FuseWriteIn.byteCount
    guard !share.options.readOnly, share.options.xattrMap == nil,
      let arguments = try? request.take(FuseWriteIn.self), let offset = Int64(exactly: arguments.offset),
      offset <= Int64.max - Int64(UInt32.max), arguments.size > 0,
      Int(arguments.size) <= chain.readable.byteCount - dataOffset,
      Int32(bitPattern: arguments.flags) & OpenFlags.append == 0, let held = try? hold(arguments.fh)
    else { return false }
    let transfer = Transfer(
      unique: request.header.unique, held: held, offset: offset, byteCount: Int(arguments.size), isWrite: true,
      begunAt: turnedAt)
    // Dropping a capability is the thread's business, and the kernel would do this write on another's behalf.
    if held.handle.flags & OpenFlags.direct != 0,
      (try? mustClearSetuid(held.handle, arguments.writeFlags)) == false,
      transfers.begin(transfer, &chain, dataOffset: dataOffset)
    {
      beginTransfer(on: held)
      return true
    }
    letGo(held)
    return false
  }

  /// True if as many cached reads were begun as are handed over together.
  var hasFullGroup: Bool {
    guard let transfers else { return false }
    return transfers.gathered >= Worker.groupSize || transfers.gatheredByteCount >= Worker.groupByteCount
  }

  /// Hands over what was begun, and answers what the page cache had of it.
  func handOver(_ queue: inout Virtqueue) {
    guard let transfers, transfers.hasPrepared else { return }
    let isLarge = transfers.gatheredByteCount >= Worker.largeByteCount
    transfers.submit()
    if finishTransfers(&queue) > 0, isLarge { queue.flush() }
  }

  /// As above, if cached reads are among it: those that wait for the disk come together until the ring is empty.
  func handOverGroup(_ queue: inout Virtqueue) {
    if let transfers, transfers.gathered > 0 { handOver(&queue) }
  }

  /// Answers the transfers that are done; returns how many.
  func finishTransfers(_ queue: inout Virtqueue, wait: Bool = false) -> Int {
    guard let transfers, transfers.inFlight > 0 else { return 0 }
    var endedAt: Int64?
    return transfers.reap(wait: wait) { transfer, chain, result in
      let now = endedAt ?? statistics.time
      endedAt = now
      turnedAt = now
      let written = self.answer(transfer, chain, result, endedAt: now)
      self.endTransfer(on: transfer.held)
      queue.complete(chain, written: written)
    }
  }

  /// Writes the reply of a transfer; returns the bytes in the chain's writable part.
  private func answer(_ transfer: Transfer, _ chain: borrowing Chain, _ result: Int32, endedAt: Int64) -> Int {
    let opcode = transfer.isWrite ? FuseOpcode.write : .read
    statistics.count(opcode.rawValue, failed: result < 0, from: transfer.begunAt, to: endedAt)
    if result < 0 {
      return reply(unique: transfer.unique, error: Errno(-result), into: chain.writable)
    }
    let done = Int(result) + rest(of: transfer, chain, after: Int(result))
    if transfer.isWrite {
      return reply(unique: transfer.unique, FuseWriteOut(size: UInt32(done)), into: chain.writable)
    }
    return reply(unique: transfer.unique, inPlace: done, into: chain.writable)
  }

  /// Does by plain calls what a short transfer left over. Returns the bytes of it; 0 at the end of the file.
  private func rest(of transfer: Transfer, _ chain: borrowing Chain, after done: Int) -> Int {
    guard done < transfer.byteCount else { return 0 }
    let offset = transfer.offset + Int64(done)
    if !transfer.isWrite, done == 0 || offset % 512 != 0 { return 0 }
    let header = transfer.isWrite ? FuseInHeader.byteCount + FuseWriteIn.byteCount : FuseOutHeader.byteCount
    let list = transfer.isWrite ? chain.readable : chain.writable
    let (segments, _) = window.window(of: list, from: header + done, byteCount: transfer.byteCount - done)
    let count =
      transfer.isWrite
      ? try? transfer.held.handle.file.write(segments, at: offset)
      : try? transfer.held.handle.file.read(segments, at: offset)
    return count ?? 0
  }
}
