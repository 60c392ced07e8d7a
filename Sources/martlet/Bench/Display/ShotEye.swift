// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0
//
// Screenshots and counters through the daemon's control socket, as `martlet screen` and `martlet status` ask for them.

internal import Linux
internal import Wire

final class ShotEye {
  private let path: String
  private let timeoutSeconds: Int
  private let memory: AnonymousMemory

  /// Three bytes a pixel of the largest picture, and a head.
  private static let mostBytes = 64 << 20

  init(_ path: String, timeoutSeconds: Int) throws(Errno) {
    self.path = path
    self.timeoutSeconds = timeoutSeconds
    memory = try AnonymousMemory(byteCount: Self.mostBytes)
  }

  private func ask(_ line: String) throws(Errno) -> Segment {
    let socket = try UnixSocket.connect(to: path, withinMilliseconds: Int64(timeoutSeconds) * 1000)
    try socket.setTimeout(milliseconds: Int64(timeoutSeconds) * 1000)
    let reader = SightReader(socket)
    try reader.send(Array("\(line)\n".utf8))
    return memory.segment.prefix(try reader.fillToEnd(memory.segment))
  }

  /// Takes a screenshot; the pixel at a place of it as 0x00RRGGBB, nil if it is not a picture of that size.
  func look(_ picture: PictureWork, x: Int, y: Int) throws(Errno) -> UInt32? {
    let shot = try ask("screenshot 0 ppm")
    let head = Array("P6\n\(picture.width) \(picture.height)\n255\n".utf8)
    let count = picture.width * picture.height * 3
    guard shot.count == head.count + count, shot.prefix(head.count).bytes() == head else { return nil }
    let pixel = shot.dropFirst(head.count + (y * picture.width + x) * 3).prefix(3).bytes()
    return pixel.reduce(0) { $0 << 8 | UInt32($1) }
  }

  /// Takes a compressed one; true if it is a picture of that size from its signature to its end (ISO/IEC 15948).
  func isWholePNG(_ picture: PictureWork) throws(Errno) -> Bool {
    let shot = try ask("screenshot 0 png")
    let head: [UInt8] = [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]
    let end: [UInt8] = Array("IEND".utf8) + [0xae, 0x42, 0x60, 0x82]
    return shot.count > 100 && shot.prefix(head.count).bytes() == head
      && shot.dropFirst(shot.count - end.count).bytes() == end
      && UInt32(bigEndian: shot.load(UInt32.self, at: 16) ?? 0) == UInt32(picture.width)
      && UInt32(bigEndian: shot.load(UInt32.self, at: 20) ?? 0) == UInt32(picture.height)
  }

  /// Bytes that the daemon has copied between the guest's memory, its own pictures and its displays.
  func copiedByteCount() throws(Errno) -> Int64? {
    let answer = String(decoding: try ask("counters json").bytes(), as: UTF8.self)
    let counters = JSON(parsing: answer)?.elements.first
    guard let transferred = counters?["bytes_transferred"]?.number, let shown = counters?["bytes_shown"]?.number else {
      return nil
    }
    return transferred + shown
  }
}
