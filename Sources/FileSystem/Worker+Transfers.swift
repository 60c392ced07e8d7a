// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// READ and WRITE on files that the guest opened with O_DIRECT (--allow-direct-io), when there is more than one to do:
// they are begun here and answered when the disk is done. A lone request is faster by a plain call.

internal import FuseProtocol
internal import Linux
internal import Virtio
internal import Wire

extension Worker {
  /// Fewer writes than this, beside one, are faster one after the other: what the kernel has left to do when the disk
  /// is done with a write is done by the thread that waits for it, or else by a worker thread that has to be woken.
  private static let leastWriters = 4

  /// Begins the request's transfer if it is one for io_uring; the chain is then in flight and another is in its place.
  /// - Parameter waiting: requests behind this one.
  func beginTransfer(_ request: Request, _ chain: inout Chain, waiting: Int) -> Bool {
    guard let transfers, transfers.hasRoom else { return false }
    let others = waiting + transfers.inFlight
    switch request.header.operation {
    case .read: return others > 0 && beginRead(request, &chain, transfers)
    case .write:
      transfers.learn(others: others)
      return transfers.usualOthers >= Worker.leastWriters && beginWrite(request, &chain, transfers)
    default: return false
    }
  }

  private func beginRead(_ request: Request, _ chain: inout Chain, _ transfers: Transfers) -> Bool {
    var request = request
    guard let arguments = try? request.take(FuseReadIn.self), let offset = Int64(exactly: arguments.offset),
      offset <= Int64.max - Int64(UInt32.max), let handle = directHandle(arguments.fh)
    else { return false }
    let space = chain.writable.byteCount - FuseOutHeader.byteCount
    let transfer = Transfer(
      unique: request.header.unique, handle: handle, offset: offset, byteCount: min(Int(arguments.size), space),
      isWrite: false, begunAt: turnedAt)
    if transfer.byteCount > 0, transfers.begin(transfer, &chain, dataOffset: FuseOutHeader.byteCount) { return true }
    share.handles.release(handle)
    return false
  }

  private func beginWrite(_ request: Request, _ chain: inout Chain, _ transfers: Transfers) -> Bool {
    var request = request
    let dataOffset = FuseInHeader.byteCount + FuseWriteIn.byteCount
    guard !share.options.readOnly, share.options.xattrMap == nil,
      let arguments = try? request.take(FuseWriteIn.self), let offset = Int64(exactly: arguments.offset),
      offset <= Int64.max - Int64(UInt32.max), arguments.size > 0,
      Int(arguments.size) <= chain.readable.byteCount - dataOffset,
      Int32(bitPattern: arguments.flags) & OpenFlags.append == 0, let handle = directHandle(arguments.fh)
    else { return false }
    let transfer = Transfer(
      unique: request.header.unique, handle: handle, offset: offset, byteCount: Int(arguments.size), isWrite: true,
      begunAt: turnedAt)
    // Dropping a capability is the thread's business, and the kernel would do this write on another's behalf.
    let mustKill = (try? mustClearSetuid(handle, arguments.writeFlags)) ?? true
    if !mustKill, transfers.begin(transfer, &chain, dataOffset: dataOffset) { return true }
    share.handles.release(handle)
    return false
  }

  /// Pins a handle if it bypasses the page cache.
  private func directHandle(_ id: UInt64) -> PinnedHandle? {
    guard let handle = try? share.handles.acquire(id) else { return nil }
    if handle.flags & OpenFlags.direct != 0 { return handle }
    share.handles.release(handle)
    return nil
  }

  /// Answers the transfers that are done; returns how many.
  func finishTransfers(_ queue: inout Virtqueue, wait: Bool = false) -> Int {
    guard let transfers, transfers.inFlight > 0 else { return 0 }
    return transfers.reap(wait: wait) { transfer, chain, result in
      let written = self.answer(transfer, chain, result)
      self.share.handles.release(transfer.handle)
      queue.complete(chain, written: written)
    }
  }

  /// Writes the reply of a transfer; returns the bytes in the chain's writable part.
  private func answer(_ transfer: Transfer, _ chain: borrowing Chain, _ result: Int32) -> Int {
    let opcode = transfer.isWrite ? FuseOpcode.write : .read
    var begunAt = transfer.begunAt
    statistics.count(opcode.rawValue, failed: result < 0, since: &begunAt)
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
      ? try? transfer.handle.file.write(segments, at: offset) : try? transfer.handle.file.read(segments, at: offset)
    return count ?? 0
  }
}
