// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// The frontend's end of a display socket, as QEMU keeps it (QEMU, hw/display/vhost-user-gpu.c): answers what is asked
// and takes pictures in. It reads whole messages into one buffer and draws nothing.

internal import Frontend
internal import GPUProtocol
internal import Linux
internal import Wire

final class FrontendEye {
  let sight: Sight
  private let other: SharedDescriptor
  private let own: SightReader

  /// The largest picture, and a head.
  private static let mostBytes = (64 << 20) + 4096

  init() throws(Errno) {
    sight = try Sight()
    let pair = try UnixSocket.pair()
    own = SightReader(UnixSocket(try pair.first.file.duplicate()))
    other = SharedDescriptor(try pair.second.file.duplicate())
    try Self.start(own, try AnonymousMemory(byteCount: Self.mostBytes), sight)
  }

  private static func start(_ reader: SightReader, _ memory: AnonymousMemory, _ sight: Sight) throws(Errno) {
    let thread = try Thread(name: "bench-display") { run(reader, memory.segment, sight) }
    thread.letGo()
  }

  /// Hands the other end over, as QEMU does before it starts the rings.
  func attach(_ connection: FrontendConnection) throws(FrontendError) {
    try connection.setDisplaySocket(other.file)
  }

  func close() { own.shutDown() }

  private static func run(_ reader: SightReader, _ memory: Segment, _ sight: Sight) {
    do throws(Errno) {
      while true {
        let head = memory.prefix(DisplayMessageHeader.byteCount)
        try reader.fill(head)
        guard let header = head.load(DisplayMessageHeader.self), Int(header.size) <= memory.count else {
          return sight.end("a message on the display socket is longer than any picture")
        }
        let payload = memory.prefix(Int(header.size))
        try reader.fill(payload)
        try handle(header.request, payload, reader, sight)
      }
    } catch {
      sight.end(nil)
    }
  }

  private static func handle(
    _ request: DisplayRequest, _ payload: Segment, _ reader: SightReader, _ sight: Sight
  ) throws(Errno) {
    switch request {
    case .getProtocolFeatures: try reply(request, DisplayProtocolFeatures.edid, reader)
    case .getDisplayInfo: try reply(request, GPUDisplayInfo(header: GPUControlHeader(.okDisplayInfo)), reader)
    case .getEDID: try reply(request, GPUEDIDResponse(header: GPUControlHeader(.okEDID), size: 0), reader)
    case .update:
      guard let update = payload.load(DisplayUpdate.self) else { return }
      let place = sight.place
      let (x, y) = (place.x - Int(update.x), place.y - Int(update.y))
      let isInside = x >= 0 && y >= 0 && x < Int(update.width) && y < Int(update.height)
      let pixel = (y * Int(update.width) + x) * PictureWork.bytesPerPixel
      sight.arrived(isInside ? payload.load(UInt32.self, at: DisplayUpdate.byteCount + pixel) : nil)
    case .bufferScanout, .modifiedBufferScanout:
      sight.end("it shows its pictures as buffers of the host's GPU, into which the bench cannot look")
    default: break
    }
  }

  private static func reply<Value: WireValue>(
    _ request: DisplayRequest, _ value: Value, _ reader: SightReader
  ) throws(Errno) {
    let header = DisplayMessageHeader(request, flags: DisplayMessageHeader.replyFlag, size: Value.byteCount)
    try reader.send(header.bytes + value.bytes)
  }
}
