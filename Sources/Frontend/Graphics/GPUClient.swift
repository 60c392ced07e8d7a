// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A guest's graphics driver, as far as tools and tests need one: it sends one command at a time and waits for the
// answer. It checks what a driver would rely on (the length and the fence of every answer) and keeps no state.

public import GPUProtocol
public import Wire

/// Commands to a virtio-gpu device through a `VhostUserDriver` with two queues. Has one owner.
public final class GPUClient {
  public let driver: VhostUserDriver
  /// How long an answer may take.
  public let timeoutNanoseconds: Int64
  private let readable: GuestBuffer
  private let writable: GuestBuffer

  private static let controlQueue = 0
  private static let cursorQueue = 1
  /// Room for a request with its entries.
  private static let requestByteCount = 256 << 10

  public init(_ driver: VhostUserDriver, timeoutNanoseconds: Int64 = 60_000_000_000) throws(FrontendError) {
    self.driver = driver
    self.timeoutNanoseconds = timeoutNanoseconds
    readable = try driver.ram.allocate(GPUClient.requestByteCount)
    writable = try driver.ram.allocate(GPUEDIDResponse.byteCount)
  }

  // MARK: Bytes

  /// Sends a request as it is and returns what the device wrote.
  /// - Parameters:
  ///   - room: bytes for the answer; 0 gives the device no writable descriptor.
  ///   - onCursorQueue: the other queue.
  public func ask(
    _ request: [UInt8], room: Int = GPUEDIDResponse.byteCount, onCursorQueue: Bool = false
  ) throws(FrontendError) -> [UInt8] {
    let queue = driver.queues[onCursorQueue ? GPUClient.cursorQueue : GPUClient.controlQueue]
    readable.segment.copy(request)
    let answer = writable.part(from: 0, count: room)
    try queue.add(readable: [readable.part(from: 0, count: request.count)], writable: room > 0 ? [answer] : [])
    queue.submit()
    let used = try queue.takeNext(timeoutNanoseconds: timeoutNanoseconds)
    guard Int(used.length) <= room else {
      throw .deviceFault("\(used.length) bytes were written where \(room) fit")
    }
    return answer.segment.prefix(Int(used.length)).bytes()
  }

  // MARK: Values

  /// Sends a command and returns the type of its answer.
  @discardableResult
  public func send<Request: WireValue>(
    _ request: Request, entries: [GPUMemoryEntry] = []
  ) throws(FrontendError) -> GPUMessageType {
    var bytes = [UInt8](wire: request)
    for entry in entries { bytes.append(wire: entry) }
    return try header(of: try ask(bytes)).type
  }

  /// Sends a command whose answer is one value; nil if the device refused it.
  public func get<Request: WireValue, Response: WireValue>(
    _ request: Request, for _: Response.Type = Response.self
  ) throws(FrontendError) -> Response? {
    let bytes = try ask([UInt8](wire: request))
    if try header(of: bytes).type.isError { return nil }
    guard bytes.count == Response.byteCount, let value = bytes.load(Response.self) else {
      throw .deviceFault("an answer of \(bytes.count) bytes instead of \(Response.byteCount)")
    }
    return value
  }

  /// The header of an answer. An error is nothing but a header.
  public func header(of answer: [UInt8]) throws(FrontendError) -> GPUControlHeader {
    guard let header = answer.load(GPUControlHeader.self) else {
      throw .deviceFault("an answer of \(answer.count) bytes")
    }
    guard !header.type.isError || answer.count == GPUControlHeader.byteCount else {
      throw .deviceFault("an error of \(answer.count) bytes")
    }
    return header
  }

  // MARK: What a driver does

  /// A picture at the host.
  @discardableResult
  public func createResource(
    _ id: UInt32, width: Int, height: Int, format: GPUFormat = .b8g8r8x8
  ) throws(FrontendError) -> GPUMessageType {
    try send(
      GPUResourceCreate2D(
        header: GPUControlHeader(.resourceCreate2D), resourceID: id, format: format, width: UInt32(width),
        height: UInt32(height)))
  }

  /// Entries of buffers, in their order.
  public static func entries(_ buffers: [GuestBuffer]) -> [GPUMemoryEntry] {
    buffers.map { GPUMemoryEntry(address: $0.guestAddress, length: UInt32($0.count)) }
  }

  @discardableResult
  public func attach(_ id: UInt32, _ buffers: [GuestBuffer]) throws(FrontendError) -> GPUMessageType {
    let request = GPUAttachBacking(
      header: GPUControlHeader(.attachBacking), resourceID: id, entryCount: UInt32(buffers.count))
    return try send(request, entries: GPUClient.entries(buffers))
  }

  @discardableResult
  public func detach(_ id: UInt32) throws(FrontendError) -> GPUMessageType {
    try send(GPUResourceReference(header: GPUControlHeader(.detachBacking), resourceID: id))
  }

  @discardableResult
  public func unreference(_ id: UInt32) throws(FrontendError) -> GPUMessageType {
    try send(GPUResourceReference(header: GPUControlHeader(.resourceUnref), resourceID: id))
  }

  /// - Parameter stride: bytes from row to row of the picture: where the rectangle begins in the backing follows from
  ///   it, as in Linux.
  @discardableResult
  public func transfer(_ id: UInt32, _ part: GPURectangle, stride: Int) throws(FrontendError) -> GPUMessageType {
    let offset = UInt64(part.y) * UInt64(stride) + UInt64(part.x) * 4
    return try send(
      GPUTransferToHost2D(
        header: GPUControlHeader(.transferToHost2D), rectangle: part, offset: offset, resourceID: id))
  }

  @discardableResult
  public func setScanout(
    _ scanout: UInt32, _ id: UInt32, _ part: GPURectangle = GPURectangle()
  ) throws(FrontendError) -> GPUMessageType {
    try send(
      GPUSetScanout(
        header: GPUControlHeader(.setScanout), rectangle: part, scanoutID: scanout, resourceID: id))
  }

  @discardableResult
  public func flush(_ id: UInt32, _ part: GPURectangle) throws(FrontendError) -> GPUMessageType {
    try send(GPUResourceFlush(header: GPUControlHeader(.resourceFlush), rectangle: part, resourceID: id))
  }

  /// A picture in guest memory.
  @discardableResult
  public func createBlob(
    _ id: UInt32, byteCount: UInt64, _ buffers: [GuestBuffer], memory: GPUBlobMemory = .guest
  ) throws(FrontendError) -> GPUMessageType {
    let request = GPUResourceCreateBlob(
      header: GPUControlHeader(.resourceCreateBlob), resourceID: id, memory: memory,
      entryCount: UInt32(buffers.count), size: byteCount)
    return try send(request, entries: GPUClient.entries(buffers))
  }

  /// - Parameter part: what is shown of the framebuffer.
  @discardableResult
  public func setScanoutBlob(
    _ scanout: UInt32, _ id: UInt32, width: UInt32, height: UInt32, stride: UInt32, offset: UInt32 = 0,
    part: GPURectangle? = nil, format: GPUFormat = .b8g8r8x8
  ) throws(FrontendError) -> GPUMessageType {
    var request = GPUSetScanoutBlob(
      header: GPUControlHeader(.setScanoutBlob),
      rectangle: part ?? GPURectangle(x: 0, y: 0, width: width, height: height), scanoutID: scanout,
      resourceID: id, width: width, height: height, format: format)
    request.strides[0] = stride
    request.offsets[0] = offset
    return try send(request)
  }

  /// The answer is what the device would say if it were asked; Linux gives it no room.
  @discardableResult
  public func cursor(
    _ type: GPUMessageType, scanout: UInt32 = 0, x: Int = 0, y: Int = 0, resource: UInt32 = 0, hotX: UInt32 = 0,
    hotY: UInt32 = 0, room: Int = GPUControlHeader.byteCount
  ) throws(FrontendError) -> GPUMessageType? {
    let place = GPUCursorPosition(
      scanoutID: scanout, x: UInt32(truncatingIfNeeded: x), y: UInt32(truncatingIfNeeded: y))
    let request = GPUUpdateCursor(
      header: GPUControlHeader(type), position: place, resourceID: resource, hotX: hotX, hotY: hotY)
    let answer = try ask([UInt8](wire: request), room: room, onCursorQueue: true)
    return answer.isEmpty ? nil : try header(of: answer).type
  }
}
