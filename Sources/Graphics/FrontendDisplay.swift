// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The frontend as a display: QEMU's vhost-user-gpu hands over a socket (GPU_SET_SOCKET) and shows what comes there in
// its own windows, on its VNC server and in screendumps. It is one display among others, with a mailbox of its own and
// a thread that may take its time: QEMU reads the socket in its main loop, which at any moment may be waiting for us.

internal import GPUProtocol
internal import Linux
internal import Synchronization
internal import Wire

/// One display socket, from GPU_SET_SOCKET to its end. QEMU makes a new one each time the guest's driver starts.
final class FrontendDisplay: Sendable {
  let questions: FrontendQuestions
  let mailbox: Mailbox
  let socket: UnixSocket
  /// Signalled when there is a question, or to end.
  let wake: Bell
  private let ending = Atomic<Bool>(false)
  /// Each time the socket is full costs a sleep and a wake, and what no cache holds any more costs a copy: measured
  /// with 1920x1080, half a MiB is better than both less and more.
  private static let roomByteCount: Int32 = 512 << 10

  init(_ socket: consuming UnixSocket, queueCount: Int, patienceNanoseconds: Int64) throws(Errno) {
    try socket.file.setNonBlocking(true)
    socket.askForRoom(byteCount: FrontendDisplay.roomByteCount)
    self.socket = socket
    mailbox = try Mailbox()
    wake = try Bell()
    questions = try FrontendQuestions(
      queueCount: queueCount, patienceNanoseconds: patienceNanoseconds, wake: wake)
    // Before anybody can ask: what else can be asked depends on it.
    _ = questions.ask(.protocolFeatures)
  }

  /// Starts the thread, which ends by itself when the socket does.
  func start(showing device: GraphicsDevice) throws(Errno) {
    let thread = try Thread(name: "gpu-display") {
      let sender = FrontendSender(self, device)
      sender.run()
    }
    thread.letGo()
  }

  var isEnding: Bool { ending.load(ordering: .acquiring) }

  /// Ends it, from any thread, without waiting.
  func end() {
    ending.store(true, ordering: .releasing)
    wake.event.signal()
    socket.shutDown()
  }
}

/// What the display's thread works with.
final class FrontendSender {
  private let display: FrontendDisplay
  private let device: GraphicsDevice
  private let inbound = Scratch(byteCount: FrontendSender.largestReply)
  private var inboundCount = 0
  /// Features that both sides have, until they are said: not in the middle of a message.
  private var accepted: DisplayProtocolFeatures?
  private let outbound = Scratch(byteCount: 64 + FrontendSender.cursorByteCount)
  /// The part of a picture that cannot be sent from where it lies.
  private var picture: AnonymousMemory?
  /// The size that the frontend knows of each scanout; nil where it is off.
  private var sizes = [Size?](repeating: nil, count: GPULimits.scanouts)
  /// The cursor that it knows.
  private var cursors = [Cursor](repeating: Cursor(), count: GPULimits.scanouts)

  private struct Size: Equatable {
    let width: Int
    let height: Int
  }

  private static let largestReply = 4096
  private static let cursorByteCount = Cursor.size * Cursor.size * PixelFormat.bytesPerPixel
  /// More than screens show in a second is sent of no large picture.
  private static let frameNanoseconds: Int64 = 1_000_000_000 / 60
  private static let largePixelCount = 512 * 512
  /// Two pictures of 3840x2160. The frontend needs as much for a message.
  private static let mostUpdateByteCount = 64 << 20

  init(_ display: FrontendDisplay, _ device: GraphicsDevice) {
    self.display = display
    self.device = device
  }

  /// Until the socket ends, whoever ends it. The guest does not notice.
  func run() {
    device.attach(display.mailbox)
    do throws(Errno) {
      while true {
        try ask()
        let start = Clock.monotonic
        let all = display.mailbox.take()
        for news in all {
          try show(news)
          try ask()
        }
        // A guest that overtakes its display draws frames that nobody sees: to send more of them than screens show
        // takes time from the guest, whose processors wait while QEMU takes a frame in.
        let isOvertaken = all.contains { news in
          news.flushCount > 1 && news.damage.width * news.damage.height >= FrontendSender.largePixelCount
        }
        if isOvertaken { try rest(until: start + FrontendSender.frameNanoseconds) }
        try wait(for: .input(display.mailbox.file))
      }
    } catch {
      device.detach(display.mailbox)
      display.questions.close()
      device.forget(display)
    }
  }

  // MARK: Questions

  private func ask() throws(Errno) {
    if let features = accepted {
      accepted = nil
      try send(.setProtocolFeatures, features)
    }
    while let question = display.questions.next() {
      if case .edid(let scanout) = question {
        try send(.getEDID, DisplayEDIDRequest(scanoutID: UInt32(scanout)))
      } else {
        try transmit(head(question.request, 0))
      }
    }
  }

  /// Takes what has come and hands over the replies in it.
  private func receive() throws(Errno) {
    do throws(Errno) {
      let count = try display.socket.receiveOnce(into: inbound.segment.dropFirst(inboundCount))
      guard count > 0 else { throw .connectionReset }
      inboundCount += count
    } catch .tryAgain {
      return
    }
    var rest = inbound.segment.prefix(inboundCount)
    while let header = rest.load(DisplayMessageHeader.self) {
      let size = DisplayMessageHeader.byteCount + Int(header.size)
      // No reply of the protocol is that long: whoever is there speaks another one.
      guard size <= FrontendSender.largestReply else { throw .connectionReset }
      if rest.count < size { break }
      if header.isReply {
        accept(header, rest.prefix(size).dropFirst(DisplayMessageHeader.byteCount))
      }
      rest = rest.dropFirst(size)
    }
    inboundCount = rest.count
    inbound.segment.copy(from: rest)
  }

  private func accept(_ header: DisplayMessageHeader, _ payload: Segment) {
    // First, because the guest goes on when its question is settled.
    if header.request == .getDisplayInfo, let info = payload.load(GPUDisplayInfo.self) {
      device.adoptSizes(info, of: display)
    }
    switch display.questions.accept(header.request, payload) {
    // Only what is used: pictures go as pixels, which every display of QEMU shows.
    case .protocolFeatures: accepted = (payload.load(DisplayProtocolFeatures.self) ?? []).intersection(.edid)
    case .displayInfo, .edid, nil: break
    }
  }

  // MARK: Pictures

  private func show(_ news: ScanoutNews) throws(Errno) {
    if news.hasNewMode || !news.damage.isEmpty { try showPicture(news) }
    if news.hasNewCursor || news.cursorMoved { try showCursor(news) }
  }

  /// SCANOUT only when the size has changed, and never without the UPDATE of the whole that follows: QEMU makes a
  /// surface for each SCANOUT and shows it at the next UPDATE, so it would lose one, or draw on none.
  private func showPicture(_ news: ScanoutNews) throws(Errno) {
    let index = news.scanout
    guard let source = device.heldSource(of: index) else {
      if sizes[index] != nil { try send(.scanout, DisplayScanout(scanoutID: UInt32(index), width: 0, height: 0)) }
      sizes[index] = nil
      return
    }
    defer { source.letGo() }
    let size = Size(width: source.width, height: source.height)
    if news.damage.isEmpty { return }
    let isNew = sizes[index] != size
    let damage = isNew ? source.whole : news.damage.intersection(source.whole)
    if damage.isEmpty { return }
    if isNew {
      let scanout = DisplayScanout(
        scanoutID: UInt32(index), width: UInt32(size.width), height: UInt32(size.height))
      try send(.scanout, scanout)
      sizes[index] = size
    }
    // All of it at once, so that nobody sees half a frame, unless it is so large that memory counts more.
    let mostRows = max(FrontendSender.mostUpdateByteCount / (damage.width * PixelFormat.bytesPerPixel), 1)
    for y in stride(from: damage.y, to: damage.y + damage.height, by: mostRows) {
      let height = min(mostRows, damage.y + damage.height - y)
      try sendUpdate(index, Rectangle(x: damage.x, y: y, width: damage.width, height: height), of: source)
    }
  }

  /// An UPDATE with the pixels of a part.
  private func sendUpdate(_ index: Int, _ part: Rectangle, of source: PixelSource) throws(Errno) {
    let byteCount = part.width * part.height * PixelFormat.bytesPerPixel
    let update = DisplayUpdate(
      scanoutID: UInt32(index), x: UInt32(part.x), y: UInt32(part.y), width: UInt32(part.width),
      height: UInt32(part.height))
    let head = outbound.segment.prefix(DisplayMessageHeader.byteCount + DisplayUpdate.byteCount)
    head.store(DisplayMessageHeader(.update, size: DisplayUpdate.byteCount + byteCount))
    head.store(update, at: DisplayMessageHeader.byteCount)
    if let run = source.run(part) {
      try transmit(head, run)
    } else {
      try transmit(head, try copy(part, of: source, byteCount))
    }
  }

  /// The pixels of a part, one row behind the other.
  private func copy(_ part: Rectangle, of source: PixelSource, _ byteCount: Int) throws(Errno) -> Segment {
    if picture.map({ $0.byteCount < byteCount }) ?? true {
      // The old one first: never two of them.
      picture = nil
      // Without it this display could not show any more what the guest does: it ends.
      picture = try AnonymousMemory(byteCount: byteCount, isUsedWhole: true)
    }
    guard let pixels = picture?.segment.prefix(byteCount) else { throw .outOfMemory }
    device.countShown(source.copy(part, into: pixels, stride: part.width * PixelFormat.bytesPerPixel))
    return pixels
  }

  // MARK: Cursors

  private func showCursor(_ news: ScanoutNews) throws(Errno) {
    let index = news.scanout
    let cursor = device.cursor(of: index)
    let known = cursors[index]
    cursors[index] = cursor
    let position = DisplayCursorPosition(
      scanoutID: UInt32(index), x: UInt32(truncatingIfNeeded: cursor.x), y: UInt32(truncatingIfNeeded: cursor.y))
    guard cursor.isVisible else {
      if known.isVisible { try send(.cursorHide, position) }
      return
    }
    if news.hasNewCursor, (cursor.hotX, cursor.hotY) != (known.hotX, known.hotY) || cursor.image != known.image {
      let update = DisplayCursorUpdate(
        position: position, hotX: UInt32(truncatingIfNeeded: cursor.hotX),
        hotY: UInt32(truncatingIfNeeded: cursor.hotY))
      try send(.cursorUpdate, update, more: cursor.image)
    } else {
      try send(.cursorPosition, position)
    }
  }

  // MARK: Messages

  private func head(_ request: DisplayRequest, _ payloadCount: Int) -> Segment {
    outbound.segment.store(DisplayMessageHeader(request, size: payloadCount))
    return outbound.segment.prefix(DisplayMessageHeader.byteCount + payloadCount)
  }

  private func send<Payload: WireValue>(
    _ request: DisplayRequest, _ payload: Payload, more: [UInt8] = []
  ) throws(Errno) {
    let message = head(request, Payload.byteCount + more.count)
    var writer = ByteWriter(message.dropFirst(DisplayMessageHeader.byteCount))
    writer.append(payload)
    for byte in more { writer.append(byte) }
    try transmit(message)
  }

  /// Sends a message, in two runs, to its end. A frontend that does not read keeps this thread here and nobody else.
  private func transmit(_ head: Segment, _ body: Segment = .empty) throws(Errno) {
    var sent = 0
    while sent < head.count + body.count {
      do throws(Errno) {
        let rest = head.dropFirst(sent)
        sent +=
          rest.count > 0
          ? try display.socket.sendOnce(rest, body)
          : try display.socket.sendOnce(body.dropFirst(sent - head.count))
      } catch .tryAgain {
        try wait(for: .output(display.socket.file))
      }
    }
  }

  /// Answers nobody but the guest's questions until then.
  private func rest(until time: Int64) throws(Errno) {
    while Clock.monotonic < time {
      try wait(for: nil, until: time)
      try ask()
    }
  }

  /// Sleeps until there is something to do: what is wished for, a question, a reply, or the time.
  private func wait(for wish: Poll.Wish?, until time: Int64? = nil) throws(Errno) {
    let (socket, questions) = (display.socket.file, display.questions)
    let end = [questions.deadline, time].compactMap { $0 }.min()
    let wishes: [Poll.Wish] = [.input(display.wake.event.file), .input(socket)]
    let ready = Poll.wait(
      for: wish.map { wishes + [$0] } ?? wishes,
      timeoutNanoseconds: end.map { max($0 - Clock.monotonic, 0) } ?? -1)
    questions.expire(at: Clock.monotonic)
    if ready[0] { display.wake.event.drain() }
    if display.isEnding { throw .connectionReset }
    if ready[1] { try receive() }
  }
}
