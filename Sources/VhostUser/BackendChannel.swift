// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The backend's own requests, on the socket of SET_BACKEND_REQ_FD. Requests that wait for an answer come from queue
// threads only: the frontend may send messages on the main connection before it answers (QEMU adds the window's memory
// there), and the control thread must go on reading them.

internal import Linux
internal import Synchronization
internal import VhostUserProtocol
internal import Virtio
internal import Wire

/// What devices get as their host. Lives as long as the session; the socket may come late, change, or never come.
final class BackendChannel: DeviceHost {
  /// How long a frontend may take to answer.
  static let answerMilliseconds: Int64 = 5000

  private let current = Mutex<SharedSocket?>(nil)
  /// Held from a request to its answer.
  private let exchange = Mutex<Void>(())
  private let features = Atomic<UInt64>(0)
  private let log: any SessionLog
  private let limit = RateLimit()

  init(log: any SessionLog) {
    self.log = log
  }

  private var negotiated: ProtocolFeatures { ProtocolFeatures(rawValue: features.load(ordering: .relaxed)) }

  func negotiate(_ accepted: ProtocolFeatures) {
    features.store(accepted.rawValue, ordering: .relaxed)
  }

  /// Takes over the socket; an earlier one is shut down.
  func attach(_ descriptor: consuming FileDescriptor) throws(Errno) {
    // A non-blocking socket would know no time-out.
    try descriptor.file.setNonBlocking(false)
    let socket = UnixSocket(descriptor)
    try socket.setTimeout(milliseconds: BackendChannel.answerMilliseconds)
    let shared = SharedSocket(socket)
    let old = current.withLock { slot in
      let old = slot
      slot = shared
      return old
    }
    old?.shutDown()
  }

  /// Ends every wait for an answer; the socket is gone afterwards.
  func close() {
    let old = current.withLock { slot in
      let old = slot
      slot = nil
      return old
    }
    old?.shutDown()
  }

  private var socket: SharedSocket? { current.withLock { $0 } }

  // MARK: Requests without an answer: from any thread

  /// True if kicks and calls may be messages.
  var carriesNotifications: Bool {
    negotiated.contains([.inbandNotifications, .backendReq])
  }

  func configurationChanged() {
    // Only a frontend that reads the configuration from us wants to hear about it (QEMU answers others with an error).
    guard negotiated.contains([.backendReq, .config]), let socket else { return }
    send(MessageHeader(.configChangeMsg), to: socket) { _ in }
  }

  func sendCall(_ index: Int) {
    notify(.vringCall, index)
  }

  func sendError(_ index: Int) {
    notify(.vringErr, index)
  }

  private func notify(_ request: BackendRequest, _ index: Int) {
    guard let socket else { return }
    send(MessageHeader(request, size: UInt32(VringState.byteCount)), to: socket) {
      $0.append(VringState(index: UInt32(index), num: 0))
    }
  }

  @discardableResult
  private func send(
    _ header: MessageHeader, to socket: SharedSocket, files: [File] = [], _ fill: (inout ByteWriter) -> Void
  ) -> Bool {
    let scratch = Scratch(byteCount: 128)
    var writer = ByteWriter(scratch.segment)
    writer.append(header)
    fill(&writer)
    do {
      try socket.socket.send(writer.written, files: files)
      return true
    } catch {
      log.log(.warning, limit: limit) { "request \(header.request) to the frontend failed: \(error.message)" }
      return false
    }
  }

  // MARK: The shared-memory window: from queue threads

  func mapWindow(_ mapping: WindowMapping, fileDescriptor: Int32) -> Bool {
    ask(.shmemMap, mapping, files: [File(raw: fileDescriptor)])
  }

  func unmapWindow(_ mapping: WindowMapping) -> Bool {
    ask(.shmemUnmap, mapping, files: [])
  }

  private func ask(_ request: BackendRequest, _ mapping: WindowMapping, files: [File]) -> Bool {
    // Without REPLY_ACK nobody would tell when the mapping is there.
    guard negotiated.contains([.shmem, .backendReq, .replyAck]), let socket else { return false }
    let body = SharedMemoryMap(
      id: mapping.regionID, fdOffset: mapping.fileOffset, shmOffset: mapping.windowOffset, length: mapping.byteCount,
      flags: mapping.writable ? .readWrite : [])
    return exchange.withLock { _ in
      let header = MessageHeader(request, size: UInt32(SharedMemoryMap.byteCount), needReply: true)
      guard send(header, to: socket, files: files, { $0.append(body) }) else { return false }
      return answer(to: request, from: socket)
    }
  }

  /// True for an answer of 0. A frontend that does not answer in time has lost the channel: a late answer would be
  /// taken for the next one's.
  private func answer(to request: BackendRequest, from socket: SharedSocket) -> Bool {
    let scratch = Scratch(byteCount: 32)
    let bytes = scratch.segment.prefix(MessageHeader.byteCount + UInt64.byteCount)
    do {
      var descriptors = ReceivedDescriptors()
      guard try socket.socket.receive(into: bytes, descriptors: &descriptors),
        let header = bytes.load(MessageHeader.self), header.isReply, header.request == request.rawValue,
        header.size == UInt32(UInt64.byteCount), let value = bytes.load(UInt64.self, at: MessageHeader.byteCount)
      else {
        log.log(.warning, limit: limit) { "\(request): the frontend's answer makes no sense; its channel is closed" }
        close()
        return false
      }
      return value == 0
    } catch {
      log.log(.warning, limit: limit) { "\(request): no answer from the frontend: \(error.message)" }
      close()
      return false
    }
  }
}
