// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The cursor moves over a picture that stays, one command after the other. Linux gives these no room for an answer and
// waits when the queue is full, so a guest's pointer is as smooth as they come back.

internal import Frontend
internal import GPUProtocol
internal import Histogram
internal import Linux

final class CursorRunner: Runner {
  private let session: DisplaySession
  private let frame: Framebuffer
  private let image: Framebuffer
  private var number: UInt32 = 0

  private static let frameResource: UInt32 = 1
  private static let imageResource: UInt32 = 2

  init(_ session: DisplaySession, _ picture: PictureWork) throws(FrontendError) {
    self.session = session
    let side = GPULimits.cursorSize
    frame = try Framebuffer(session.client, Self.frameResource, picture, isBlob: false)
    image = try Framebuffer(
      session.client, Self.imageResource, PictureWork(task: picture.task, width: side, height: side), isBlob: false)
    for framebuffer in [frame, image] {
      try session.client.transfer(framebuffer.resource, framebuffer.whole, stride: framebuffer.picture.stride)
    }
    try session.client.setScanout(0, frame.resource, frame.whole)
    try session.client.flush(frame.resource, frame.whole)
    try session.client.cursor(.updateCursor, resource: image.resource, room: 0)
  }

  func turn(nanoseconds: Int64, meter: ProcessMeter?) throws(HumanError) -> Sample {
    var sample = Sample()
    Pause.milliseconds(2)
    let processorBefore = meter?.processorNanoseconds ?? 0
    let start = Clock.monotonic
    var now = start
    repeat {
      let begun = now
      try session.orFail { () throws(FrontendError) in try move() }
      now = Clock.monotonic
      sample.operations += 1
      _ = sample.latencies.record(UInt64(max(now - begun, 1)))
    } while now - start < nanoseconds
    sample.nanoseconds = now - start
    Pause.milliseconds(2)
    sample.processorNanoseconds = (meter?.processorNanoseconds ?? 0) - processorBefore
    return sample
  }

  func finish() throws(HumanError) {
    try session.orFail { () throws(FrontendError) in
      try session.client.cursor(.updateCursor, room: 0)
      try image.remove()
      try frame.remove()
    }
  }

  private func move() throws(FrontendError) {
    number &+= 1
    let place = GPUCursorPosition(
      scanoutID: 0, x: number % UInt32(frame.picture.width), y: number % UInt32(frame.picture.height))
    session.cursor.send(
      0,
      GPUUpdateCursor(
        header: GPUControlHeader(.moveCursor), position: place, resourceID: image.resource))
    session.cursor.flush()
    while try session.cursor.take() == nil { try session.wait(session.cursor) }
  }
}
