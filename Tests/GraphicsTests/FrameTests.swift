// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import CZlib
import Frontend
import GPUProtocol
import Graphics
import Testing
import Wire

/// Files of pictures, taken apart by an independent reading of their formats.
@Suite(.timeLimit(.minutes(30)))
struct FrameTests {
  private let picture = Picture.noise(width: 37, height: 19)

  private func frame() throws -> Frame {
    let bench = try Bench()
    _ = try bench.show(picture, id: 1)
    return try #require(bench.device.screenshot(0))
  }

  private var colours: [UInt8] {
    picture.pixels.flatMap { [UInt8($0 >> 16 & 0xff), UInt8($0 >> 8 & 0xff), UInt8($0 & 0xff)] }
  }

  @Test func aPPMIsAHeaderAndColours() throws {
    #expect(try frame().ppm == Array("P6\n37 19\n255\n".utf8) + colours)
  }

  @Test func aPNGHoldsThePicture() throws {
    let png = try #require(try frame().png)
    #expect(Array(png.prefix(8)) == [0x89, 0x50, 0x4e, 0x47, 13, 10, 26, 10])
    var rest = png.dropFirst(8)
    var chunks: [(type: String, data: [UInt8])] = []
    while !rest.isEmpty {
      let count = number(rest.prefix(4))
      let body = Array(rest.dropFirst(4).prefix(4 + count))
      try #require(body.count == 4 + count)
      #expect(number(rest.dropFirst(8 + count).prefix(4)) == Int(checksum(body)))
      chunks.append((String(decoding: body.prefix(4), as: UTF8.self), Array(body.dropFirst(4))))
      rest = rest.dropFirst(12 + count)
    }
    #expect(chunks.map(\.type) == ["IHDR", "IDAT", "IEND"])
    #expect(chunks[0].data == [0, 0, 0, 37, 0, 0, 0, 19, 8, 2, 0, 0, 0])
    var length = UInt((37 * 3 + 1) * 19)
    var rows = [UInt8](repeating: 0, count: Int(length))
    let data = chunks[1].data
    #expect(unsafe uncompress(&rows, &length, data, UInt(data.count)) == Z_OK)
    #expect(length == UInt(rows.count))
    for y in 0..<19 {
      let row = rows[y * 112..<(y + 1) * 112]
      #expect(row.first == 0 && Array(row.dropFirst()) == Array(colours[y * 111..<(y + 1) * 111]))
    }
  }

  /// Threads compress some rows each, and pixels are turned four at a time: sizes that are no multiple of anything.
  @Test(arguments: [(1, 1), (1, 9), (3, 2), (4, 1), (5, 3), (17, 5), (301, 203)])
  func aPNGOfAnySizeHoldsThePicture(width: Int, height: Int) throws {
    let picture = Picture.noise(width: width, height: height)
    let png = try #require(Frame(width: width, height: height, pixels: picture.bytes)?.png)
    // The second chunk, behind the signature and one of 13 bytes.
    let count = number(png.dropFirst(33).prefix(4))
    let data = Array(png.dropFirst(41).prefix(count))
    var length = UInt((width * 3 + 1) * height)
    var rows = [UInt8](repeating: 0, count: Int(length))
    #expect(unsafe uncompress(&rows, &length, data, UInt(data.count)) == Z_OK)
    var expected: [UInt8] = []
    for y in 0..<height {
      expected.append(0)
      for x in 0..<width {
        let pixel = picture[x, y]
        expected += [UInt8(pixel >> 16 & 0xff), UInt8(pixel >> 8 & 0xff), UInt8(pixel & 0xff)]
      }
    }
    #expect(rows == expected)
  }

  @Test func aFrameHasTheBytesOfItsSize() {
    #expect(Frame(width: 2, height: 2, pixels: [UInt8](repeating: 0, count: 16)) != nil)
    for (width, height) in [(0, 0), (-1, -1), (2, 3), (4, 2)] {
      #expect(Frame(width: width, height: height, pixels: [UInt8](repeating: 0, count: 16)) == nil)
    }
  }

  /// A transfer without its flush is half a frame: the screenshot waits for the other half.
  @Test func aScreenshotWaitsForTheFlush() throws {
    let bench = try Bench()
    let buffers = try bench.show(picture, id: 1)
    buffers[0].segment.zero()
    #expect(try bench.client.transfer(1, rectangle(0, 0, 37, 19), stride: 37 * 4) == .okNoData)
    // Nobody flushes: it does not wait for ever.
    try expectShown(bench.device, Picture(width: 37, height: 19) { _, _ in 0 })
  }

  private func number(_ bytes: some Sequence<UInt8>) -> Int { bytes.reduce(0) { $0 << 8 | Int($1) } }

  /// CRC-32 bit by bit (ISO/IEC 15948, annex D).
  private func checksum(_ bytes: [UInt8]) -> UInt32 {
    var sum = UInt32.max
    for byte in bytes {
      sum ^= UInt32(byte)
      for _ in 0..<8 { sum = sum & 1 == 1 ? sum >> 1 ^ 0xedb8_8320 : sum >> 1 }
    }
    return ~sum
  }
}
