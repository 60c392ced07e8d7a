// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// One frame after the other. What Linux's driver sends for a frame is shown to the device at once, with one kick; the
// frame is done when all of it is answered, or when it has arrived where it is looked at.

internal import Frontend
internal import GPUProtocol
internal import Histogram
internal import Linux

final class PictureRunner: Runner {
  private let session: DisplaySession
  private let picture: PictureWork
  private let frames: [Framebuffer]
  /// The one that is shown.
  private var current = 0
  private var number: UInt32 = 0

  private static let firstResource: UInt32 = 1

  init(_ session: DisplaySession, _ picture: PictureWork) throws(FrontendError) {
    self.session = session
    self.picture = picture
    let count: UInt32 =
      switch picture.task {
      case .flip, .seen(side: nil): 2
      default: 1
      }
    frames = try (0..<count).map { (number) throws(FrontendError) in
      try Framebuffer(session.client, Self.firstResource + number, picture, isBlob: session.mode.usesBlobs)
    }
    if case .gather = picture.task { return }
    if session.mode.compresses { for frame in frames { frame.paintText() } }
    try flip(to: 0)
    try awaitAnswers()
  }

  func turn(nanoseconds: Int64, meter: ProcessMeter?) throws(HumanError) -> Sample {
    var sample = Sample()
    // Whatever was on its way before.
    session.sight?.settle()
    let copiedBefore = try copiedByteCount()
    let processorBefore = meter?.processorNanoseconds ?? 0
    let framesBefore = session.sight?.frameCount
    let start = Clock.monotonic
    var now = start
    repeat {
      let begun = now
      try session.orFail { () throws(FrontendError) in
        try sendNext()
        try awaitAnswers()
      }
      if case .seen = picture.task { try awaitSight() }
      now = Clock.monotonic
      sample.operations += 1
      _ = sample.latencies.record(UInt64(max(now - begun, 1)))
    } while now - start < nanoseconds
    sample.nanoseconds = now - start
    if let framesBefore, let sight = session.sight { sample.shownFrames = sight.frameCount - framesBefore }
    session.sight?.settle()
    Pause.milliseconds(2)
    sample.processorNanoseconds = (meter?.processorNanoseconds ?? 0) - processorBefore
    if let copiedBefore, let copied = try copiedByteCount() { sample.copiedBytes = copied - copiedBefore }
    return sample
  }

  func finish() throws(HumanError) {
    try session.orFail { () throws(FrontendError) in
      for frame in frames { try frame.remove() }
    }
  }

  private func copiedByteCount() throws(HumanError) -> Int64? {
    do throws(Errno) { return try session.shots?.copiedByteCount() } catch {
      throw .failure("\(session.name) does not tell its counters (\(error.message))\(session.backend.lastWords)")
    }
  }

  // MARK: Frames

  /// Where the frame says which one it is: the last pixel that is new.
  private var mark: (x: Int, y: Int) {
    let part = self.part
    return (Int(part.x + part.width) - 1, Int(part.y + part.height) - 1)
  }

  private var stamp: UInt32 { number & Sight.colours }

  /// What is new in this frame.
  private var part: GPURectangle {
    switch picture.task {
    case .damage(let side), .seen(side: .some(let side)):
      // Somewhere else each time, and not where tiles begin.
      GPURectangle(
        x: number &* 97 % UInt32(picture.width - side), y: number &* 61 % UInt32(picture.height - side),
        width: UInt32(side), height: UInt32(side))
    default: GPURectangle(x: 0, y: 0, width: UInt32(picture.width), height: UInt32(picture.height))
    }
  }

  private func sendNext() throws(FrontendError) {
    number &+= 1
    switch picture.task {
    case .gather:
      session.lane.send(0, frames[0].transfer(frames[0].whole))
      session.lane.flush()
    case .damage, .seen(side: .some):
      paint(frames[0])
      if !session.mode.usesBlobs { session.lane.send(0, frames[0].transfer(part)) }
      session.lane.send(1, frames[0].flush(part))
      session.lane.flush()
    case .flip, .seen(side: nil): try flip(to: 1 - current)
    case .cursor: break
    }
  }

  private func flip(to index: Int) throws(FrontendError) {
    current = index
    let frame = frames[index]
    paint(frame)
    if session.mode.usesBlobs {
      session.lane.send(0, frame.showBlob)
    } else {
      session.lane.send(0, frame.transfer(frame.whole))
      session.lane.send(1, frame.show)
    }
    session.lane.send(2, frame.flush(frame.whole))
    session.lane.flush()
  }

  private func paint(_ frame: Framebuffer) {
    guard case .seen = picture.task else { return }
    let (x, y) = mark
    session.sight?.watch(x: x, y: y)
    frame.paint(stamp, x: x, y: y)
  }

  private func awaitAnswers() throws(FrontendError) {
    var refused: GPUMessageType?
    while session.lane.inFlightCount > 0 {
      guard let answer = try session.lane.take() else {
        try session.wait(session.lane)
        continue
      }
      if answer.type != .okNoData { refused = answer.type }
    }
    if let refused { throw .deviceFault("a command for a frame was answered with \(refused.rawValue)") }
  }

  /// Until the frame with the stamp is there.
  private func awaitSight() throws(HumanError) {
    let timeout = Int64(DisplaySession.timeoutSeconds) * 1_000_000_000
    if let sight = session.sight {
      if sight.wait(for: stamp, timeoutNanoseconds: timeout) { return }
      throw .failure(
        "\(session.name): " + (sight.trouble ?? "a frame never arrived at the display") + session.backend.lastWords)
    }
    let deadline = Clock.monotonic + timeout
    let (x, y) = mark
    do throws(Errno) {
      while let shots = session.shots, Clock.monotonic < deadline {
        if try isShot(shots, x, y) { return }
      }
    } catch {
      throw .failure("\(session.name) makes no screenshot (\(error.message))\(session.backend.lastWords)")
    }
    throw .failure("\(session.name): a frame is in no screenshot\(session.backend.lastWords)")
  }
}

extension PictureRunner {
  /// A compressed screenshot is taken for what it is when it is whole: every flush before it is in it, as the pixels
  /// of the others show.
  private func isShot(_ shots: ShotEye, _ x: Int, _ y: Int) throws(Errno) -> Bool {
    if session.mode.compresses { return try shots.isWholePNG(picture) }
    return try shots.look(picture, x: x, y: y) == stamp
  }
}

extension DisplaySession {
  private static let sliceNanoseconds: Int64 = 100_000_000

  /// Waits for an answer, and looks after the backend now and then: one that died answers no more.
  func wait(_ lane: GPULane) throws(FrontendError) {
    let deadline = Clock.monotonic + client.timeoutNanoseconds
    while true {
      do throws(FrontendError) {
        return try lane.queue.wait(pollNanoseconds: pollNanoseconds, timeoutNanoseconds: Self.sliceNanoseconds)
      } catch {
        guard case .timedOut = error, Clock.monotonic < deadline else { throw error }
        if isGone { throw .closed }
      }
    }
  }
}
