// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// A VNC viewer (RFC 6143) that takes raw pixels as they are, or compressed ones (ZRLE, 7.7.6) without a look inside,
// and asks for the next update when it has one.

internal import Linux
internal import Wire

final class ViewerEye {
  let sight: Sight
  private let reader: SightReader

  private static let mostBytes = 64 << 20
  private static let rawEncoding: Int32 = 0
  private static let compressedEncoding: Int32 = 16
  private static let sizeEncoding: Int32 = -223

  /// Connects, says what it wants and begins to look.
  init(_ path: String, isCompressed: Bool, timeoutSeconds: Int) throws(Errno) {
    sight = try Sight()
    let socket = try UnixSocket.connect(to: path, withinMilliseconds: Int64(timeoutSeconds) * 1000)
    reader = SightReader(socket)
    let memory = try AnonymousMemory(byteCount: Self.mostBytes)
    let size = try Self.enter(reader, memory.segment, isCompressed ? Self.compressedEncoding : Self.rawEncoding)
    try Self.start(reader, memory, size, sight)
  }

  private static func start(
    _ reader: SightReader, _ memory: AnonymousMemory, _ size: Size, _ sight: Sight
  ) throws(Errno) {
    let thread = try Thread(name: "bench-viewer") { run(reader, memory.segment, size, sight) }
    thread.letGo()
  }

  func close() { reader.shutDown() }

  private struct Size: Sendable {
    var width: Int
    var height: Int
  }

  /// Version, security, initialization (7.1 to 7.3), the encodings, and the first request.
  private static func enter(
    _ reader: SightReader, _ memory: Segment, _ encoding: Int32
  ) throws(Errno) -> Size {
    let version = Array("RFB 003.008\n".utf8)
    try reader.fill(memory.prefix(version.count))
    try reader.send(version)
    try reader.fill(memory.prefix(1))
    let count = Int(memory.load(UInt8.self) ?? 0)
    try reader.fill(memory.prefix(count))
    // None, which is what the bench has asked for.
    guard count > 0, memory.prefix(count).bytes().contains(1) else { throw .accessDenied }
    try reader.send([1])
    try reader.fill(memory.prefix(4))
    try reader.send([1])
    // Size, format, length of the name.
    try reader.fill(memory.prefix(24))
    let size = Size(width: big16(memory, at: 0), height: big16(memory, at: 2))
    try reader.fill(memory.prefix(big32(memory, at: 20)))
    // SetEncodings (7.5.2).
    let encodings = [encoding, sizeEncoding]
    let words = encodings.flatMap { encoding in
      (0..<4).map { UInt8(truncatingIfNeeded: encoding >> Int32(24 - 8 * $0)) }
    }
    try reader.send([2, 0, 0, UInt8(encodings.count)] + words)
    try ask(reader, size)
    return size
  }

  /// FramebufferUpdateRequest (7.5.3), incremental, for all of it.
  private static func ask(_ reader: SightReader, _ size: Size) throws(Errno) {
    let (width, height) = (UInt16(size.width), UInt16(size.height))
    try reader.send([
      3, 1, 0, 0, 0, 0, UInt8(width >> 8), UInt8(width & 255), UInt8(height >> 8), UInt8(height & 255),
    ])
  }

  private static func run(_ reader: SightReader, _ memory: Segment, _ start: Size, _ sight: Sight) {
    var size = start
    do throws(Errno) {
      while true {
        // FramebufferUpdate (7.6.1) is the only message that comes to who wants no sound and no text.
        try reader.fill(memory.prefix(4))
        guard memory.load(UInt8.self) == 0 else { return sight.end("the viewer got what is no picture") }
        var stamp: UInt32?
        var isCovered = false
        for _ in 0..<big16(memory, at: 2) {
          switch try take(reader, memory, &size, sight.place) {
          case .pixel(let pixel): stamp = pixel
          case .somewhere: isCovered = true
          case .elsewhere: break
          }
        }
        sight.arrived(stamp, isCovered: isCovered)
        try ask(reader, size)
      }
    } catch {
      sight.end(nil)
    }
  }

  /// Where the place is that is looked at.
  private enum Found {
    case pixel(UInt32)
    /// In a rectangle that is compressed.
    case somewhere
    case elsewhere
  }

  /// Takes a rectangle in.
  private static func take(
    _ reader: SightReader, _ memory: Segment, _ size: inout Size, _ place: (x: Int, y: Int)
  ) throws(Errno) -> Found {
    try reader.fill(memory.prefix(12))
    let (left, top) = (big16(memory, at: 0), big16(memory, at: 2))
    let (width, height) = (big16(memory, at: 4), big16(memory, at: 6))
    let encoding = Int32(truncatingIfNeeded: big32(memory, at: 8))
    if encoding == sizeEncoding {
      size = Size(width: width, height: height)
      return .elsewhere
    }
    var byteCount = width * height * PictureWork.bytesPerPixel
    if encoding == compressedEncoding {
      try reader.fill(memory.prefix(4))
      byteCount = big32(memory, at: 0)
    }
    guard byteCount <= memory.count else { throw .connectionReset }
    try reader.fill(memory.prefix(byteCount))
    let (x, y) = (place.x - left, place.y - top)
    guard x >= 0, y >= 0, x < width, y < height else { return .elsewhere }
    if encoding == compressedEncoding { return .somewhere }
    return memory.load(UInt32.self, at: (y * width + x) * PictureWork.bytesPerPixel).map { .pixel($0) } ?? .elsewhere
  }

  private static func big16(_ memory: Segment, at offset: Int) -> Int {
    Int(UInt16(bigEndian: memory.load(UInt16.self, at: offset) ?? 0))
  }

  private static func big32(_ memory: Segment, at offset: Int) -> Int {
    Int(UInt32(bigEndian: memory.load(UInt32.self, at: offset) ?? 0))
  }
}
