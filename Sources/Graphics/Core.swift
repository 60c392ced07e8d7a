// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// What the guest's commands work on: resources, scanouts, cursors. One command at a time, under the device's lock
// (contrib/decisions/0041); what each does lies in the extensions, by topic. Nothing here waits for anybody.

internal import GPUProtocol
internal import Linux
internal import Virtio
internal import Wire

/// Sendable because every call comes under the lock of the device that owns it.
final class Core: @unchecked Sendable {
  let options: GraphicsOptions
  /// Longest fixed request (RESOURCE_CREATE_3D and SET_SCANOUT_BLOB are 72 and 96), and longest response.
  private static let requestByteCount = 128
  private static let responseByteCount = GPUEDIDResponse.byteCount
  private let requestMemory = Scratch(byteCount: requestByteCount)
  private let responseMemory = Scratch(byteCount: responseByteCount)
  /// For entries of a backing, a page at a time.
  let entryMemory = Scratch(byteCount: 4096)

  var resources: [UInt32: Resource] = [:]
  var budget: MemoryBudget
  var scanouts: [Scanout]
  var events: GPUEvents = []
  /// Where guest addresses are looked up; nil before the control queue has started.
  var memory: GuestMemory?
  var mailboxes: [Mailbox] = []
  /// Memory that a display was sending when the guest drew its next picture, for the next time that happens.
  var spare: ImageMemory?
  /// The frontend has a display of its own: how large screens are and how they identify themselves is its to say.
  var isShownByFrontend = false
  var counters = CommandCounters()
  /// The first half of every UUID: other devices of this guest have others.
  let uuidPrefix = UInt64.random(in: 0...UInt64.max)

  /// The request at hand: its header, and the bytes of its response.
  var header = GPUControlHeader()
  private var responseCount = 0
  /// What has to be asked before the request at hand can be answered.
  private var question: FrontendQuestion?

  /// What became of a request.
  enum Execution {
    /// Done, with so many bytes of answer.
    case done(written: Int)
    /// The frontend has to be asked: `answer` goes on.
    case asks(FrontendQuestion, GPUControlHeader)
  }

  init(_ options: GraphicsOptions) {
    self.options = options
    budget = MemoryBudget(limit: options.memoryLimit)
    scanouts = options.screenSizes.map { Scanout(width: $0.width, height: $0.height) }
  }

  // MARK: One command

  /// Takes a request apart and answers it.
  /// Nothing is written where not even a header fits, as in the cursor commands of Linux.
  func execute(_ readable: Segments, _ writable: Segments) -> Execution {
    let request = requestMemory.segment.prefix(readable.gather(into: requestMemory.segment))
    responseCount = 0
    var result = GPUMessageType.errorUnspecified
    if let header = request.load(GPUControlHeader.self) {
      self.header = header
      result = perform(header.type, request, readable)
    } else {
      header = GPUControlHeader()
    }
    if let question = question.take() { return .asks(question, header) }
    return .done(written: finish(result, writable))
  }

  /// The frontend is asked first; `answer` goes on.
  func ask(_ question: FrontendQuestion) -> GPUMessageType {
    self.question = question
    return .okNoData
  }

  /// Answers a request for which the frontend was asked.
  /// - Parameter replies: what it has said; nil if it is gone.
  func answer(
    _ header: GPUControlHeader, _ question: FrontendQuestion, _ replies: FrontendQuestions?, _ writable: Segments
  ) -> Int {
    self.header = header
    responseCount = 0
    switch question {
    case .displayInfo: return finish(displayInfo(as: replies?.displayInfo), writable)
    case .edid(let scanout): return finish(edid(of: scanout, as: replies?.edid(of: scanout)), writable)
    case .protocolFeatures: return finish(.errorUnspecified, writable)
    }
  }

  /// Counts the request at hand and writes its answer.
  private func finish(_ outcome: GPUMessageType, _ writable: Segments) -> Int {
    var result = outcome
    counters.count(header.type, isError: result.isError)
    let room = writable.byteCount
    if result.isError || responseCount == 0 || responseCount > room {
      // A driver that leaves no room for an answer with data learns that there is none.
      if responseCount > room { result = .errorUnspecified }
      responseMemory.segment.store(responseHeader(result))
      responseCount = GPUControlHeader.byteCount
    }
    if responseCount > room { return 0 }
    return writable.scatter(responseMemory.segment.prefix(responseCount))
  }

  /// The header of a response: with the request's fence if it has one. The response goes out when the work is done,
  /// and the work is done when this returns, so fences are in order.
  func responseHeader(_ type: GPUMessageType) -> GPUControlHeader {
    guard header.flags.contains(.fence) else { return GPUControlHeader(type) }
    let hasRing = header.flags.contains(.infoRingIndex)
    return GPUControlHeader(
      type, flags: hasRing ? [.fence, .infoRingIndex] : .fence, fenceID: header.fenceID, contextID: header.contextID,
      ringIndex: hasRing ? header.ringIndex : 0)
  }

  /// Leaves a response with data, whose header is `responseHeader(type)`.
  func respond<Response: WireValue>(_ type: GPUMessageType, _ response: Response) -> GPUMessageType {
    responseMemory.segment.store(response)
    responseCount = Response.byteCount
    return type
  }

  private func perform(_ type: GPUMessageType, _ request: Segment, _ readable: Segments) -> GPUMessageType {
    switch type {
    case .getDisplayInfo: getDisplayInfo()
    case .resourceCreate2D: with(request) { createResource($0) }
    case .resourceUnref: with(request) { unreference($0) }
    case .setScanout: with(request) { setScanout($0) }
    case .resourceFlush: with(request) { flush($0) }
    case .transferToHost2D: with(request) { transfer($0) }
    case .attachBacking: with(request) { attachBacking($0, readable) }
    case .detachBacking: with(request) { detachBacking($0) }
    case .getCapsetInfo: with(request) { (_: GPUGetCapsetInfo) in .errorInvalidParameter }
    case .getCapset: with(request) { (_: GPUGetCapset) in .errorInvalidParameter }
    case .getEDID: with(request) { getEDID($0) }
    case .resourceAssignUUID: with(request) { assignUUID($0) }
    case .resourceCreateBlob: with(request) { createBlob($0, readable) }
    case .setScanoutBlob: with(request) { setScanoutBlob($0) }
    case .updateCursor: with(request) { updateCursor($0) }
    case .moveCursor: with(request) { moveCursor($0) }
    // Contexts, and the window of MAP_BLOB, come with a renderer.
    default: .errorUnspecified
    }
  }

  /// The request as what its type says it is; one that ends too early is refused.
  private func with<Request: WireValue>(
    _ request: Segment, _ body: (Request) -> GPUMessageType
  ) -> GPUMessageType {
    guard let value = request.load(Request.self) else { return .errorInvalidParameter }
    return body(value)
  }

  // MARK: The device's life

  /// Forgets what the guest has made; what people have set (sizes, displays) stays.
  func reset() {
    for index in scanouts.indices {
      turnOff(index)
      if scanouts[index].cursor != Cursor() {
        scanouts[index].cursor = Cursor()
        announce(index) { $0.hasNewCursor = true }
      }
      scanouts[index].flushCount = 0
    }
    resources = [:]
    spare = nil
    budget = MemoryBudget(limit: options.memoryLimit)
    events = []
    memory = nil
    // Not earlier: a guest that is only paused has its screens when its frontend's display comes back.
    if !isShownByFrontend { scanouts.removeLast(scanouts.count - options.scanoutCount) }
  }

  /// The frontend shows the screens from now on: how many it has is in its own configuration space.
  func beginShowingThroughFrontend() {
    isShownByFrontend = true
    while scanouts.count < GPULimits.scanouts { scanouts.append(Scanout(width: options.width, height: options.height)) }
  }

  func endShowingThroughFrontend() {
    isShownByFrontend = false
    spare = nil
    for index in scanouts.indices { scanouts[index].frontendMode = nil }
  }

  func announce(_ scanout: Int, _ change: (inout ScanoutNews) -> Void) {
    for mailbox in mailboxes { mailbox.post(scanout, change) }
  }
}
