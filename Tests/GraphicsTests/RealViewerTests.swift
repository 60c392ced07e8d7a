// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import CZlib
import Foundation
import Graphics
import Support
import Testing

/// A viewer that others have written (gvnccapture of gtk-vnc) sees the picture that a screenshot has.
@Suite(.timeLimit(.minutes(30)))
struct RealViewerTests {
  private static let program = "/usr/bin/gvnccapture"
  private static let isThere = FileManager.default.isExecutableFile(atPath: program)

  @Test(.enabled(if: isThere, "needs gvnccapture (Debian's gvncviewer)"), arguments: [(300, 170), (800, 600)])
  func itTakesTheSamePicture(width: Int, height: Int) throws {
    var port: UInt16 = 0
    let bench = try ViewerBench(port: &port)
    // Text-like parts, noise, and one colour.
    let picture = Picture(width: width, height: height) { x, y in
      y % 90 < 30
        ? (x / 3 + y) % 7 == 0 ? 0xff_ffff : 0x10_2030
        : y % 90 < 60 ? UInt32(truncatingIfNeeded: (x &* 0x9e37 &+ y &* 0x85eb) &* 0xc2b2) & 0xff_ffff : 0x80_4020
    }
    _ = try bench.bench.showBlob(picture, id: 1)
    let place = try Workplace()
    let file = place.file("picture.png")
    // Displays are counted from port 5900.
    let run = try RunningProgram([Self.program, "-q", "127.0.0.1:\(Int(port) - 5900)", file], in: place)
    let outcome = try run.waitBlocking()
    #expect(outcome.code == 0, "\(outcome.errors)")
    let bytes = [UInt8](try Data(contentsOf: URL(filePath: file)))
    expectSame(try PNG.picture(bytes), picture)
    expectSame(try PNG.picture(try #require(bench.device.screenshot(0)?.png)), picture)
  }
}

/// Reads PNG files (ISO/IEC 15948) of 8 bits a colour that are not interlaced.
enum PNG {
  static func picture(_ bytes: [UInt8]) throws -> Picture {
    guard bytes.starts(with: [0x89, 0x50, 0x4e, 0x47, 0x0d, 0x0a, 0x1a, 0x0a]) else { throw Trouble("no PNG file") }
    func word(_ place: Int) -> Int { bytes[place..<place + 4].reduce(0) { $0 << 8 | Int($1) } }
    let (width, height) = (word(16), word(20))
    guard bytes[24] == 8, let size = [2: 3, 6: 4][bytes[25]], bytes[28] == 0 else {
      throw Trouble("a kind of PNG file that is not read here")
    }
    var data: [UInt8] = []
    var place = 8
    while place + 12 <= bytes.count {
      let count = word(place)
      if bytes[place + 4..<place + 8].elementsEqual("IDAT".utf8) { data += bytes[place + 8..<place + 8 + count] }
      place += 12 + count
    }
    var rows = [UInt8](repeating: 0, count: (width * size + 1) * height)
    var rowCount = UInt(rows.count)
    guard unsafe uncompress(&rows, &rowCount, data, UInt(data.count)) == Z_OK else { throw Trouble("broken data") }
    unfilter(&rows, width * size, size)
    return Picture(width: width, height: height) { x, y in
      let start = y * (width * size + 1) + 1 + x * size
      return UInt32(rows[start]) << 16 | UInt32(rows[start + 1]) << 8 | UInt32(rows[start + 2])
    }
  }

  /// Section 9 of the standard.
  private static func unfilter(_ rows: inout [UInt8], _ rowByteCount: Int, _ size: Int) {
    let stride = rowByteCount + 1
    for start in Swift.stride(from: 0, to: rows.count, by: stride) {
      for index in 1...rowByteCount {
        let left = index > size ? Int(rows[start + index - size]) : 0
        let above = start > 0 ? Int(rows[start + index - stride]) : 0
        let corner = index > size && start > 0 ? Int(rows[start + index - size - stride]) : 0
        let guess: Int
        switch rows[start] {
        case 1: guess = left
        case 2: guess = above
        case 3: guess = (left + above) / 2
        case 4:
          let sum = left + above - corner
          let (a, b, c) = (abs(sum - left), abs(sum - above), abs(sum - corner))
          guess = a <= b && a <= c ? left : b <= c ? above : corner
        default: guess = 0
        }
        rows[start + index] &+= UInt8(guess)
      }
    }
  }
}
