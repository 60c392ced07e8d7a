// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// FUSE over virtqueues, as the driver of Linux speaks it (fs/fuse/virtio_fs.c): queue 0 is for what must not wait
// (FORGET, INTERRUPT), the others carry the requests. A request's chain is: header; all arguments in one buffer; data
// in pages | header of the answer; its struct; data in pages. This file moves requests and answers; what they mean is
// in the extensions, by topic.

public import FuseProtocol
internal import Linux
internal import Wire

/// How a request's arguments are spread over descriptors. The device must not care (VIRTIO 1.3 section 2.7.4).
public enum FuseArgumentLayout: Sendable {
  /// One descriptor for all arguments: Linux.
  case joined
  /// One descriptor per argument: other drivers.
  case separate
  /// Header, arguments and data in one descriptor, the whole answer in another.
  case single
}

/// A mount's connection to its server. Has one owner.
public final class FuseClient {
  public let highPriority: DriverQueue
  public let requests: [DriverQueue]
  public let ram: GuestRAM
  /// On whose behalf requests are made.
  public var uid: UInt32 = 0
  public var gid: UInt32 = 0
  public var pid: UInt32 = 1
  public var argumentLayout = FuseArgumentLayout.joined
  /// Bytes per data descriptor. Larger where a request would not fit its ring otherwise.
  public var pageByteCount = 4096
  public var timeoutNanoseconds = FrontendConnection.defaultTimeoutNanoseconds
  /// What INIT agreed on.
  public internal(set) var features: FuseInitFlags = []
  public internal(set) var server = FuseInitOut()

  /// The device lives as long as its client.
  private let driver: VhostUserDriver?

  private struct Pending {
    let queue: DriverQueue
    let memory: GuestBuffer
    let writable: Int
    let isAnswered: Bool
  }

  private var pending: [UInt64: Pending] = [:]
  private var finished: [UInt64: FuseReply] = [:]
  private var abandoned: Set<UInt64> = []
  /// Even, as in Linux: the lowest bit marks an interrupt.
  private var nextUnique: UInt64 = 2
  private var nextQueue = 0
  /// Control blocks to use again.
  private var spare: [GuestBuffer] = []
  private static let spareByteCount = 8192

  /// Over queues that somebody else keeps running.
  public convenience init(highPriority: DriverQueue, requests: [DriverQueue], ram: GuestRAM) {
    self.init(highPriority, requests, ram, nil)
  }

  private init(_ highPriority: DriverQueue, _ requests: [DriverQueue], _ ram: GuestRAM, _ driver: VhostUserDriver?) {
    precondition(!requests.isEmpty, "a file system has at least one request queue")
    self.highPriority = highPriority
    self.requests = requests
    self.ram = ram
    self.driver = driver
  }

  /// Over a running device: queue 0 is the high-priority queue, all others carry requests.
  public convenience init(_ driver: VhostUserDriver) {
    self.init(driver.queues[0], Array(driver.queues.dropFirst()), driver.ram, driver)
  }

  /// Requests whose answer did not come yet.
  public var inFlightCount: Int { pending.count }

  /// Sends a request and waits for its answer.
  public func perform(_ request: FuseRequest) throws(FuseError) -> FuseReply {
    try wait(for: try submit(request))
  }

  /// Any request at all: for what no helper would send.
  /// - Parameter replyCapacity: bytes of writable buffer, the answer's header included; with less than the header's 16
  ///   the server cannot answer.
  public func raw(
    opcode: UInt32, nodeid: UInt64, payload: [UInt8], replyCapacity: Int
  ) throws(FuseError) -> FuseReply {
    var request = FuseRequest(opcode: opcode, node: nodeid)
    if !payload.isEmpty { request.append(bytes: payload) }
    request.isAnswered = replyCapacity > 0
    request.replyByteCount = replyCapacity - FuseOutHeader.byteCount
    return try perform(request)
  }

  /// Puts a request into its ring and kicks. Several may be under way.
  public func submit(_ request: FuseRequest) throws(FuseError) -> FuseTicket {
    let unique = nextUnique
    nextUnique += 2
    let queue = queue(for: request)
    let header = inHeader(of: request, unique: unique)
    let readableCount = FuseInHeader.byteCount + request.argumentByteCount + request.data.count
    let writableCount =
      request.isAnswered
      ? max(FuseOutHeader.byteCount + request.replyByteCount + request.replyDataByteCount, 0) : 0
    let memory = try onTransport { () throws(FrontendError) in try take(readableCount + writableCount) }
    let readable = memory.part(from: 0, count: readableCount)
    fill(readable, header, request)
    let writable = memory.part(from: readableCount, count: writableCount)
    let (toRead, toWrite) = buffers(of: request, readable, writable, queue)
    do throws(FrontendError) {
      try add(to: queue, toRead, toWrite, unique)
    } catch {
      give(memory)
      throw .transport(error)
    }
    pending[unique] = Pending(
      queue: queue, memory: memory, writable: writableCount, isAnswered: request.isAnswered)
    queue.submit()
    return FuseTicket(unique: unique)
  }

  /// Waits for the answer to one request; answers to others are kept for them.
  public func wait(for ticket: FuseTicket) throws(FuseError) -> FuseReply {
    let deadline = Clock.monotonic + timeoutNanoseconds
    while true {
      if let reply = finished.removeValue(forKey: ticket.unique) { return reply }
      guard let queue = pending[ticket.unique]?.queue else { throw .malformed("no such request is under way") }
      if try reap(queue) > 0 { continue }
      let left = deadline - Clock.monotonic
      try onTransport { () throws(FrontendError) in try queue.wait(timeoutNanoseconds: left) }
    }
  }

  /// True if the answer is there.
  public func isFinished(_ ticket: FuseTicket) throws(FuseError) -> Bool {
    if finished[ticket.unique] != nil { return true }
    guard let queue = pending[ticket.unique]?.queue else { return false }
    _ = try reap(queue)
    return finished[ticket.unique] != nil
  }

  /// Lets go of a request: its answer is dropped when it comes.
  public func abandon(_ ticket: FuseTicket) {
    if finished.removeValue(forKey: ticket.unique) == nil, pending[ticket.unique] != nil {
      abandoned.insert(ticket.unique)
    }
  }

  /// Forgets everything under way, as after a reset of the device.
  public func forgetPending() {
    for request in pending.values { give(request.memory) }
    pending = [:]
    finished = [:]
    abandoned = []
  }

  /// Takes all used chains of a queue back. Returns how many.
  private func reap(_ queue: DriverQueue) throws(FuseError) -> Int {
    var count = 0
    while let used = try onTransport({ () throws(FrontendError) in try queue.takeUsed() }) {
      count += 1
      guard let request = pending.removeValue(forKey: used.token) else {
        throw .malformed("an answer to request \(used.token), which is not under way")
      }
      let writable = request.memory.part(
        from: request.memory.count - request.writable, count: request.writable)
      defer { give(request.memory) }
      guard abandoned.remove(used.token) == nil else { continue }
      guard used.length <= request.writable else {
        throw .malformed("\(used.length) bytes used of \(request.writable)")
      }
      let header: FuseOutHeader? = used.length >= 16 ? writable.segment.load() : nil
      finished[used.token] = FuseReply(
        unique: used.token, usedLength: Int(used.length), header: header,
        body: writable.segment.prefix(Int(used.length)).dropFirst(FuseOutHeader.byteCount).bytes(),
        isAnswered: request.isAnswered)
    }
    return count
  }

  private func queue(for request: FuseRequest) -> DriverQueue {
    switch request.queue {
    case .highPriority: return highPriority
    case .request(let index): return requests[index]
    case .any:
      nextQueue = (nextQueue + 1) % requests.count
      return requests[nextQueue]
    }
  }

  /// Adds a chain; when the ring is full, waits until the device has used one.
  private func add(
    to queue: DriverQueue, _ readable: [GuestBuffer], _ writable: [GuestBuffer], _ unique: UInt64
  ) throws(FrontendError) {
    while true {
      do {
        try queue.add(readable: readable, writable: writable, token: unique)
        return
      } catch {
        guard error == .queueFull, queue.outstandingCount > 0 else { throw error }
        try queue.wait(timeoutNanoseconds: timeoutNanoseconds)
        do { _ = try reap(queue) } catch { throw .deviceFault("\(error)") }
      }
    }
  }

  private func take(_ byteCount: Int) throws(FrontendError) -> GuestBuffer {
    guard byteCount <= Self.spareByteCount else { return try ram.allocate(byteCount, alignment: 64) }
    if let block = spare.popLast() { return block.part(from: 0, count: byteCount) }
    return try ram.allocate(Self.spareByteCount, alignment: 64).part(from: 0, count: byteCount)
  }

  private func give(_ memory: GuestBuffer) {
    if memory.count > Self.spareByteCount {
      ram.free(memory)
    } else if let block = ram.buffer(at: memory.guestAddress, count: Self.spareByteCount) {
      spare.append(block)
    }
  }
}

// MARK: - The bytes and the buffers of a request

extension FuseClient {
  private func inHeader(of request: FuseRequest, unique: UInt64) -> FuseInHeader {
    let length = FuseInHeader.byteCount + request.argumentByteCount + request.data.count
    return FuseInHeader(
      len: request.claimedLength ?? UInt32(length), opcode: request.opcode, unique: unique, nodeid: request.nodeid,
      uid: uid, gid: gid, pid: pid, totalExtLen: request.extensionLength)
  }

  private func fill(_ memory: GuestBuffer, _ header: FuseInHeader, _ request: FuseRequest) {
    memory.segment.store(header)
    var offset = FuseInHeader.byteCount
    for argument in request.arguments {
      memory.segment.copy(argument, at: offset)
      offset += argument.count
    }
    memory.segment.copy(request.data, at: offset)
  }

  /// Cuts a request's memory into the buffers of its chain.
  private func buffers(
    of request: FuseRequest, _ readable: GuestBuffer, _ writable: GuestBuffer, _ queue: DriverQueue
  ) -> (readable: [GuestBuffer], writable: [GuestBuffer]) {
    if argumentLayout == .single { return ([readable], writable.count > 0 ? [writable] : []) }
    var inSizes = [FuseInHeader.byteCount]
    switch argumentLayout {
    case .separate: inSizes += request.arguments.map { $0.count }
    default: inSizes.append(request.argumentByteCount)
    }
    let outSizes = [FuseOutHeader.byteCount, max(request.replyByteCount, 0)]
    let mostPages = max(queue.size - inSizes.count - outSizes.count, 2) / 2
    return (
      cut(readable, inSizes, mostPages: mostPages),
      writable.count > 0 ? cut(writable, outSizes, mostPages: mostPages) : []
    )
  }

  /// The parts of the given sizes (empty ones left out), then what is left in pages.
  private func cut(_ memory: GuestBuffer, _ sizes: [Int], mostPages: Int) -> [GuestBuffer] {
    var parts: [GuestBuffer] = []
    var offset = 0
    for size in sizes where size > 0 && offset < memory.count {
      parts.append(memory.part(from: offset, count: size))
      offset += size
    }
    let left = memory.count - offset
    let page = max(pageByteCount, (left + mostPages - 1) / mostPages)
    while offset < memory.count {
      parts.append(memory.part(from: offset, count: page))
      offset += page
    }
    return parts
  }
}
