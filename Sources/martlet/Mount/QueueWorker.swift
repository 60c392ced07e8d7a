// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// One thread per request queue: it reads requests from /dev/fuse into free slots, offers them on its queue, and writes
// the answers back. Kernel and backend are waited for in one place, so nothing here is locked and no request changes
// threads on its way.

internal import Frontend
internal import FuseProtocol
internal import Linux
internal import Wire

/// `@unchecked Sendable`: made by the main thread, then used by the worker's alone.
final class QueueWorker: @unchecked Sendable {
  private let device: File
  private let transfer: FuseTransfer
  private let highPriority: HighPriorityLane
  private let state: MountState
  private let forwardsInterrupts: Bool
  private var free: [Int]
  /// What the request in each slot is known by, and what it is.
  private var headers: [FuseInHeader]
  private let files: Epoll
  /// The same without /dev/fuse, for when all slots are taken.
  private let filesOfBackend: Epoll
  private let errorAnswer: Scratch

  /// Numbers of the files in the two epolls.
  private enum Number {
    static let device = 0
    static let call = 1
    static let error = 2
    static let stop = 3
  }

  private enum Stop: Error {
    case asked
    case end(MountEnd)
  }

  init(
    _ device: File, _ transfer: FuseTransfer, _ highPriority: HighPriorityLane, _ state: MountState,
    forwardsInterrupts: Bool
  ) throws(Errno) {
    self.device = device
    self.transfer = transfer
    self.highPriority = highPriority
    self.state = state
    self.forwardsInterrupts = forwardsInterrupts
    free = Array((0..<transfer.slotCount).reversed())
    headers = Array(repeating: FuseInHeader(), count: transfer.slotCount)
    errorAnswer = Scratch(byteCount: FuseOutHeader.byteCount)
    files = try Epoll()
    filesOfBackend = try Epoll()
    // Exclusive: a request that arrives wakes one thread, not all.
    try files.watch(device, as: Number.device, exclusive: true)
    try watchBackend(files)
    try watchBackend(filesOfBackend)
  }

  private func watchBackend(_ epoll: borrowing Epoll) throws(Errno) {
    // Edges: a call is over when the ring was looked at; reading the eventfd would be a system call for nothing.
    try epoll.watch(transfer.queue.callEvent.file, as: Number.call, edge: true)
    try epoll.watch(transfer.queue.errorEvent.file, as: Number.error, edge: true)
    try epoll.watch(state.stop.file, as: Number.stop)
  }

  /// The thread: returns when it is told to, or after reporting why there is nothing left to do.
  func run() {
    do throws(Stop) {
      while true { try turn() }
    } catch {
      if case .end(let end) = error { state.report(end) }
    }
  }

  private func turn() throws(Stop) {
    let queue = transfer.queue
    try writeAnswers()
    try readRequests()
    queue.requestInterrupt()
    if queue.hasUsed { return }
    let ready = free.isEmpty ? filesOfBackend.wait() : files.wait()
    if ready.hasInput(Number.stop) { throw .asked }
    if ready.hasInput(Number.error), !queue.hasUsed {
      throw .end(.backend(.deviceFault("it gave up queue \(queue.index)")))
    }
  }

  // MARK: From the kernel

  /// Takes what the kernel has, as long as there are slots. Each request is offered at once: the next one may be long
  /// in coming, and another thread may get it.
  private func readRequests() throws(Stop) {
    while let slot = free.last {
      let request = transfer.request(of: slot)
      guard let count = try readOne(into: request) else { return }
      guard let header: FuseInHeader = request.load(), Int(header.len) == count else {
        throw .end(.device(.protocolError))
      }
      if header.opcode == FuseOpcode.interrupt.rawValue, !forwardsInterrupts {
        // Once and for all: the kernel then sends no more of them, and waits as a guest's kernel does.
        try refuse(header, .notImplemented)
        continue
      }
      do throws(FrontendError) {
        if FuseTransfer.isSilent(header.opcode) {
          try highPriority.send(request.prefix(count))
          continue
        }
        if header.opcode == FuseOpcode.initialize.rawValue { InitFilter.edit(request: request.prefix(count)) }
        try transfer.offer(slot, header, byteCount: count)
      } catch {
        throw .end(.backend(error))
      }
      free.removeLast()
      headers[slot] = header
      transfer.queue.submit()
    }
  }

  /// The length of the next request; nil if there is none.
  private func readOne(into request: Segment) throws(Stop) -> Int? {
    while true {
      do throws(Errno) {
        return try device.read(into: request)
      } catch {
        switch error {
        case .tryAgain: return nil
        // The request was given up by its process before it was read.
        case .noEntry: continue
        case .noDevice: throw .end(.unmounted)
        case .connectionAborted: throw .end(.aborted)
        default: throw .end(.device(error))
        }
      }
    }
  }

  // MARK: From the backend

  private func writeAnswers() throws(Stop) {
    while let slot = try take() {
      let header = headers[slot]
      let reply = transfer.reply(of: slot, to: header.unique)
      if header.opcode == FuseOpcode.initialize.rawValue {
        let answer = reply.map { InitFilter.edit(reply: $0) } ?? .nonsense("it is not in the form of an answer")
        state.report(answer)
      }
      if let reply, try write(reply) {
        // Done, as nearly always.
      } else {
        try refuse(header, .inputOutput)
      }
      free.append(slot)
    }
  }

  private func take() throws(Stop) -> Int? {
    do throws(FrontendError) { return try transfer.take() } catch { throw .end(.backend(error)) }
  }

  /// False if the kernel does not take this for an answer.
  private func write(_ reply: Segment) throws(Stop) -> Bool {
    do throws(Errno) {
      _ = try device.write(reply)
      return true
    } catch {
      switch error {
      // Nobody waits for it any more.
      case .noEntry: return true
      // Gone for good; the next read will tell.
      case .noDevice, .connectionAborted: return true
      default: return false
      }
    }
  }

  /// Answers for the backend, where its own answer made no sense: whoever waits must not wait for ever.
  private func refuse(_ header: FuseInHeader, _ error: Errno) throws(Stop) {
    let answer = FuseOutHeader(
      len: UInt32(FuseOutHeader.byteCount), error: -error.rawValue, unique: header.unique)
    errorAnswer.segment.store(answer)
    _ = try write(errorAnswer.segment.prefix(FuseOutHeader.byteCount))
  }
}
