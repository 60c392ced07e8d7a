// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// FSYNC, FSYNCDIR, FALLOCATE and COPY_FILE_RANGE by helper threads (SlowCalls.swift) where that pays: when others wait
// behind them, when they are large, or when the last sync has shown that this disk is slow. What cannot be begun here
// goes the plain way, and so does every request that will be refused. SYNCFS opens a file first and stays where it is.

internal import FuseProtocol
internal import Linux
internal import Virtio
internal import Wire

extension Worker {
  /// A sync that takes longer than this is worth two wake-ups.
  private static let slowNanoseconds: Int64 = 200_000
  private static let largeCopyByteCount: UInt64 = 1 << 20
  private static let largeAllocationByteCount: UInt64 = 16 << 20

  /// Begins the request if it is one for a helper; the chain is then in flight and another is in its place.
  func beginSlowCall(_ request: Request, _ chain: inout Chain, others: Bool) -> Bool {
    guard share.isMounted else { return false }
    var request = request
    switch request.header.operation {
    case .fsync, .fsyncdir:
      guard others || syncIsSlow, let arguments = try? request.take(FuseFsyncIn.self) else { return false }
      return begin(request, on: arguments.fh, &chain) {
        .sync($0, dataOnly: arguments.fsyncFlags.contains(.fdatasync))
      }
    case .fallocate: return beginAllocation(&request, &chain)
    case .copyFileRange: return beginCopy(&request, &chain, most: UInt64(UInt32.max) & ~4095)
    case .copyFileRange64: return beginCopy(&request, &chain, most: UInt64(Int.max) >> 1)
    default: return false
    }
  }

  private func beginAllocation(_ request: inout Request, _ chain: inout Chain) -> Bool {
    guard mayChangeElsewhere(request), let arguments = try? request.take(FuseFallocateIn.self),
      arguments.length >= Worker.largeAllocationByteCount, let offset = Int64(exactly: arguments.offset),
      let length = Int64(exactly: arguments.length)
    else { return false }
    return begin(request, on: arguments.fh, &chain) {
      .allocate($0, mode: Int32(bitPattern: arguments.mode), offset: offset, length: length)
    }
  }

  private func beginCopy(_ request: inout Request, _ chain: inout Chain, most: UInt64) -> Bool {
    guard mayChangeElsewhere(request), let arguments = try? request.take(FuseCopyFileRangeIn.self),
      arguments.len >= Worker.largeCopyByteCount, let from = Int64(exactly: arguments.offIn),
      let to = Int64(exactly: arguments.offOut), let flags = UInt32(exactly: arguments.flags),
      let target = try? share.handles.acquire(arguments.fhOut)
    else { return false }
    let length = Int(min(arguments.len, most))
    let begun = begin(request, on: arguments.fhIn, &chain, with: target) {
      .copy($0, from: from, to: target.file, at: to, length: length, flags: flags)
    }
    if !begun { share.handles.release(target) }
    return begun
  }

  /// A change that is this thread's to make, because it drops a capability for it or mends attributes afterwards, is
  /// not for a helper.
  private func mayChangeElsewhere(_ request: Request) -> Bool {
    !share.options.readOnly && share.options.xattrMap == nil && !unflaggedKill(request)
  }

  private func begin(
    _ request: Request, on handle: UInt64, _ chain: inout Chain, with other: PinnedHandle? = nil,
    _ call: (File) -> SlowCall
  ) -> Bool {
    guard let slowCalls = readySlowCalls(), let pinned = try? share.handles.acquire(handle) else { return false }
    let remembered = SlowRequest(
      unique: request.header.unique, opcode: request.header.opcode, handle: pinned, otherHandle: other,
      turnedAt: turnedAt, begunAt: Clock.monotonic)
    if slowCalls.begin(call(pinned.file), remembered, &chain) { return true }
    share.handles.release(pinned)
    return false
  }

  /// Made with the first one. With io_uring beside it the queue's thread needs one descriptor for both.
  private func readySlowCalls() -> SlowCalls? {
    if let slowCalls { return slowCalls }
    guard let made = try? SlowCalls() else { return nil }
    if let transfers {
      guard let both = try? SharedEpoll(transfers.file, made.file) else { return nil }
      completions = both
    }
    slowCalls = made
    return made
  }

  /// Answers the calls that are done; returns how many.
  func finishSlowCalls(_ queue: inout Virtqueue, wait: Bool = false) -> Int {
    guard let slowCalls, slowCalls.inFlight > 0 else { return 0 }
    return slowCalls.reap(wait: wait) { request, chain, result in
      let written = self.answer(request, chain, result)
      self.share.handles.release(request.handle)
      if let other = request.otherHandle { self.share.handles.release(other) }
      queue.complete(chain, written: written)
    }
  }

  private func answer(_ request: SlowRequest, _ chain: borrowing Chain, _ result: Int64) -> Int {
    let isSync = request.opcode == FuseOpcode.fsync.rawValue || request.opcode == FuseOpcode.fsyncdir.rawValue
    if isSync { noteSync(Clock.monotonic - request.begunAt) }
    var turnedAt = request.turnedAt
    statistics.count(request.opcode, failed: result < 0, since: &turnedAt)
    if result < 0 {
      return reply(unique: request.unique, error: Errno(Int32(-result)), into: chain.writable)
    }
    switch FuseOpcode(rawValue: request.opcode) {
    case .copyFileRange: return reply(unique: request.unique, FuseWriteOut(size: UInt32(result)), into: chain.writable)
    case .copyFileRange64:
      return reply(unique: request.unique, FuseCopyFileRangeOut(bytesCopied: UInt64(result)), into: chain.writable)
    default: return reply(unique: request.unique, .payload(0), into: chain.writable)
    }
  }

  /// The disk may become fast again (its cache, another device): each sync says how it is now.
  func noteSync(_ nanoseconds: Int64) { syncIsSlow = nanoseconds > Worker.slowNanoseconds }

  /// What the queue's thread waits for beside kicks; nil while nothing is in flight.
  var completionFile: File? {
    let transferring = (transfers?.inFlight ?? 0) > 0
    let calling = (slowCalls?.inFlight ?? 0) > 0
    if transferring, calling { return completions?.file }
    return transferring ? transfers?.file : calling ? slowCalls?.file : nil
  }
}

/// Readable when one of two files is.
final class SharedEpoll: Sendable {
  private let epoll: Epoll

  init(_ first: File, _ second: File) throws(Errno) {
    epoll = try Epoll()
    try epoll.watch(first, as: 0)
    try epoll.watch(second, as: 1)
  }

  var file: File { epoll.file }
}
