// Copyright 2026 The Martlet Authors
// SPDX-License-Identifier: Apache-2.0

import Foundation
import Frontend
import GPUProtocol
import Graphics
import Testing
import Wire

/// What the guest draws is what is seen, pixel by pixel. Invariants:
/// - a transferred picture and a blob show the same, however the guest's memory is scattered;
/// - a transfer changes its rectangle and nothing else, and takes it from where its offset says;
/// - each of the eight formats ends in the same colours.
@Suite(.timeLimit(.minutes(30)))
struct PictureTests {
  @Test(arguments: [1, 7, 61])
  func aTransferredPictureIsShown(pieces: Int) throws {
    let bench = try Bench()
    let picture = Picture.noise(width: 101, height: 47)
    _ = try bench.show(picture, id: 3, pieces: pieces)
    try expectShown(bench.device, picture)
  }

  @Test(arguments: [1, 7, 61])
  func aBlobIsShownFromGuestMemory(pieces: Int) throws {
    let bench = try Bench()
    let picture = Picture.noise(width: 101, height: 47)
    let buffers = try bench.showBlob(picture, id: 3, pieces: pieces)
    try expectShown(bench.device, picture)
    #expect(bench.device.transferredByteCount == 0, "nothing is copied into the daemon")
    // It is the guest's memory: what is written there shows.
    buffers[0].segment.store(UInt32(0x00ab_cdef), at: 4)
    var changed = picture
    changed[1, 0] = 0xab_cdef
    try expectShown(bench.device, changed)
  }

  /// The picture that modetest of libdrm draws ("-F smpte"), by its own rule, against the checksum of what QEMU's
  /// screendump wrote when a guest drew it.
  @Test func theTestPatternOfModetestIsTheGoldenPicture() throws {
    let bench = try Bench()
    _ = try bench.show(TestPattern.smpte(width: 1024, height: 768), id: 1, pieces: 300)
    let frame = try #require(bench.device.screenshot(0))
    #expect(
      try sha256(try #require(frame.ppm)) == "2617dc400108c471eecb823641067d8ec6e992e6b7d99d9d590785861c8ed7b6")
  }

  @Test func aTransferChangesItsRectangleAndNothingElse() throws {
    let bench = try Bench()
    var expected = Picture.noise(width: 64, height: 40)
    let buffers = try bench.show(expected, id: 1, pieces: 13)
    // Another picture in the guest's memory, of which parts are transferred.
    let other = Picture.noise(width: 64, height: 40, seed: 99)
    try write(other, to: buffers)
    for part in [(5, 7, 20, 3), (0, 39, 64, 1), (63, 0, 1, 40), (0, 10, 64, 5), (17, 20, 1, 1)] {
      let rectangle = rectangle(part.0, part.1, part.2, part.3)
      #expect(try bench.client.transfer(1, rectangle, stride: 64 * 4) == .okNoData)
      for y in part.1..<part.1 + part.3 {
        for x in part.0..<part.0 + part.2 { expected[x, y] = other[x, y] }
      }
      #expect(try bench.client.flush(1, rectangle) == .okNoData)
      try expectShown(bench.device, expected)
    }
  }

  @Test func aTransferTakesRowsFromWhereItsOffsetSays() throws {
    let bench = try Bench()
    let picture = Picture.noise(width: 16, height: 16)
    _ = try bench.show(picture, id: 1)
    // Row 2 of the picture from row 9 of the backing: what a driver may do and Linux never does.
    var request = GPUTransferToHost2D(
      header: GPUControlHeader(.transferToHost2D), rectangle: rectangle(4, 2, 8, 1), offset: 9 * 64, resourceID: 1)
    #expect(try bench.client.send(request) == .okNoData)
    var expected = picture
    for x in 0..<8 { expected[4 + x, 2] = picture[x, 9] }
    request.rectangle = rectangle(0, 2, 16, 1)
    #expect(try bench.client.flush(1, request.rectangle) == .okNoData)
    try expectShown(bench.device, expected)
  }

  /// Bytes of one pixel with red 0x11, green 0x22, blue 0x33, as the format's name orders them.
  static let formats: [(GPUFormat, [UInt8])] = [
    (.b8g8r8a8, [0x33, 0x22, 0x11, 0xff]), (.b8g8r8x8, [0x33, 0x22, 0x11, 0x77]),
    (.a8r8g8b8, [0xff, 0x11, 0x22, 0x33]), (.x8r8g8b8, [0x77, 0x11, 0x22, 0x33]),
    (.r8g8b8a8, [0x11, 0x22, 0x33, 0xff]), (.x8b8g8r8, [0x77, 0x33, 0x22, 0x11]),
    (.a8b8g8r8, [0xff, 0x33, 0x22, 0x11]), (.r8g8b8x8, [0x11, 0x22, 0x33, 0x77]),
  ]

  @Test(arguments: formats.indices)
  func eachFormatEndsInTheSameColours(index: Int) throws {
    let (format, bytes) = Self.formats[index]
    let bench = try Bench()
    let buffer = try bench.ram.allocate(4 * 4 * 4)
    for pixel in 0..<16 { buffer.segment.copy(bytes, at: 4 * pixel) }
    let expected = Picture(width: 4, height: 4) { _, _ in 0x11_2233 }
    let whole = rectangle(0, 0, 4, 4)
    #expect(try bench.client.createResource(1, width: 4, height: 4, format: format) == .okNoData)
    #expect(try bench.client.attach(1, [buffer]) == .okNoData)
    #expect(try bench.client.transfer(1, whole, stride: 16) == .okNoData)
    #expect(try bench.client.setScanout(0, 1, whole) == .okNoData)
    try expectShown(bench.device, expected)
    #expect(try bench.client.createBlob(2, byteCount: 64, [buffer]) == .okNoData)
    #expect(
      try bench.client.setScanoutBlob(0, 2, width: 4, height: 4, stride: 16, format: format) == .okNoData)
    try expectShown(bench.device, expected)
  }

  @Test func aPartOfABlobWithGapsBetweenItsRowsIsShown() throws {
    let bench = try Bench()
    let picture = Picture.noise(width: 40, height: 30)
    let stride = 40 * 4 + 52
    let buffer = try bench.ram.allocate(100 + 30 * stride)
    for y in 0..<30 {
      let row = picture.part(Rectangle(x: 0, y: y, width: 40, height: 1))
      buffer.segment.copy(row.bytes, at: 100 + y * stride)
    }
    // Cut in the middle of a row.
    let pieces = [buffer.part(from: 0, count: 3333), buffer.part(from: 3333, count: buffer.count)]
    #expect(try bench.client.createBlob(1, byteCount: UInt64(buffer.count), pieces) == .okNoData)
    let part = Rectangle(x: 3, y: 5, width: 30, height: 20)
    #expect(
      try bench.client.setScanoutBlob(
        0, 1, width: 40, height: 30, stride: UInt32(stride), offset: 100, part: rectangle(3, 5, 30, 20)) == .okNoData)
    try expectShown(bench.device, picture.part(part))
  }

  @Test func aPictureOverSeveralRegionsOfMemoryIsShown() throws {
    // Three regions that touch in guest addresses: one entry crosses all of them.
    let size = 1 << 20
    let layouts = (0..<3).map { index in
      GuestRegionLayout(
        guestAddress: UInt64(index * size), byteCount: size, userAddress: 0x7000_0000_0000 + UInt64(index) * 0x4000_0000
      )
    }
    let ram = try GuestRAM(layouts)
    // For the picture alone.
    for region in 1...2 { _ = try ram.allocate(size, region: region) }
    let bench = try Bench(ram: ram)
    let picture = Picture.noise(width: 512, height: 300)
    let bytes = picture.bytes
    // Not through the allocator, which keeps to one region: the last 200,000 bytes of the second and what follows.
    let start = 2 * size - 200_000
    for index in 0..<2 {
      let address = UInt64(index == 0 ? start : 2 * size)
      let piece = index == 0 ? Array(bytes.prefix(200_000)) : Array(bytes.dropFirst(200_000))
      let target = try #require(bench.ram.segment(at: address, count: piece.count))
      target.copy(piece)
    }
    let entry = GPUMemoryEntry(address: UInt64(start), length: UInt32(bytes.count))
    #expect(try bench.client.createResource(1, width: 512, height: 300) == .okNoData)
    #expect(
      try bench.client.send(
        GPUAttachBacking(header: GPUControlHeader(.attachBacking), resourceID: 1, entryCount: 1), entries: [entry])
        == .okNoData)
    let whole = rectangle(0, 0, 512, 300)
    #expect(try bench.client.transfer(1, whole, stride: 512 * 4) == .okNoData)
    #expect(try bench.client.setScanout(0, 1, whole) == .okNoData)
    try expectShown(bench.device, picture)
  }

  /// Writes a picture into the memory behind another one.
  private func write(_ picture: Picture, to buffers: [GuestBuffer]) throws {
    var bytes = picture.bytes[...]
    for buffer in buffers {
      buffer.segment.copy(Array(bytes.prefix(buffer.count)))
      bytes = bytes.dropFirst(buffer.count)
    }
  }
}

/// Pictures that other programs draw too.
enum TestPattern {
  /// util/pattern.c of libdrm, fill_smpte_rgb32.
  static func smpte(width: Int, height: Int) -> Picture {
    let top: [UInt32] = [0xc0c0c0, 0xc0c000, 0x00c0c0, 0x00c000, 0xc000c0, 0xc00000, 0x0000c0]
    let middle: [UInt32] = [0x0000c0, 0x131313, 0xc000c0, 0x131313, 0x00c0c0, 0x131313, 0xc0c0c0]
    let bottom: [UInt32] = [0x00214c, 0xffffff, 0x32006a, 0x131313, 0x090909, 0x131313, 0x1d1d1d, 0x131313]
    return Picture(width: width, height: height) { x, y in
      if y < height * 6 / 9 { return top[x * 7 / width] }
      if y < height * 7 / 9 { return middle[x * 7 / width] }
      if x < width * 5 / 7 { return bottom[x * 4 / (width * 5 / 7)] }
      if x < width * 6 / 7 { return bottom[(x - width * 5 / 7) * 3 / (width / 7) + 4] }
      return bottom[7]
    }
  }
}

/// The checksum by coreutils: this package has no such function.
func sha256(_ bytes: [UInt8]) throws -> String {
  let path = "/tmp/martlet-picture-\(getpid())-\(UInt64.random(in: 0...UInt64.max))"
  try Data(bytes).write(to: URL(fileURLWithPath: path))
  defer { try? FileManager.default.removeItem(atPath: path) }
  let program = Process()
  program.executableURL = URL(fileURLWithPath: "/usr/bin/sha256sum")
  program.arguments = [path]
  let output = Pipe()
  program.standardOutput = output
  try program.run()
  let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
  program.waitUntilExit()
  return String(text.prefix(64))
}
